"""The judge: compares the numbers a student's code produced with a key item, and says what it saw.

A pure function of two sets of arrays. It holds no formula: the key item, made from closed forms elsewhere, says for every
property of a task what is right, within which tolerance, and what each known mistake would have given instead.

A property is judged in one of five ways, named by `expect["kind"]`:

exact   every number agrees within `atol + rtol * |right|`.
law     the rows are independent draws from a known law. For fixed w and phase the mean of cos(w.x + phase) over the rows is
        compared with its exact expectation. The cosine is bounded, so Bernstein's inequality bounds the false alarm
        rigorously at any n: at most `FALSE_ALARM` = 2e-10 for one frequency.
rows    neighbouring rows are independent, whatever their law: the covariance of exp(i u.x) of one row and exp(i v.x) of the
        next is zero. Bounded by Bernstein's inequality too. Sorted or stratified rows show here.
draws   independent repetitions of a random number (say, a loss) with known mean and standard deviation. The mean must lie
        within `Z_DRAWS` = 7.2 standard errors (2e-10 with a skewness of the mean of up to 0.1) and the repetitions must not
        scatter over `SPREAD` = 5 times the known variance. A smaller scatter, as with stratified draws, is right.
within  every number lies in [low, high].
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

FALSE_ALARM = 2e-10
Z_DRAWS = 7.2
SPREAD = 5.0
NO_EVIDENCE = ("lost", "missing", "skipped", "TimeLimit", "NotImplementedError")  # failures that say nothing of the mistake
_LINE = re.compile(r" \(line \d+ of the cell\)$")
Z_NAME = 5.0  # a mistake is named when all its numbers agree within this many standard errors


BLANK = "Nothing is filled in here yet"
"""How the sentence about an answer begins that is still the stub."""


@dataclass(frozen=True)
class Line:
    """One property in a verdict: its title, whether it holds, and what was observed."""

    title: str
    ok: bool
    observed: str = ""


@dataclass(frozen=True)
class Verdict:
    """What the judge says of one task; `prints` is the fingerprint of a wrong answer without a name, where grading keeps it."""

    task: str
    passed: bool
    lines: tuple[Line, ...] = ()
    sentence: str = ""
    misconception: str | None = None
    notes: tuple[str, ...] = field(default=())
    prints: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def load(cls, values: dict[str, Any]) -> Verdict:
        """The verdict that `dataclasses.asdict` took apart."""
        lines = tuple(Line(**line) for line in values["lines"])
        return cls(**{**values, "lines": lines, "notes": tuple(values["notes"])})


def judge(task: str, item: dict[str, Any], observations: dict[str, Any], reveal: bool = False) -> Verdict:
    """Compare `observations` (property name -> observation) with a key item.

    `reveal` adds the right number to a failed line; it is for the public item only, whose numbers students have anyway.
    """
    lines, failed = [], []
    for prop in item["properties"]:
        observation = observations.get(prop["name"], {"failed": "missing", "text": "gave no answer here"})
        ok, text = judge_property(prop["expect"], observation, reveal)
        lines.append(Line(prop["title"], ok, text))
        if not ok:
            failed.append((prop, text, observation))
    if not failed:
        return Verdict(task, True, tuple(lines), f"All {len(lines)} properties hold.")
    wrong = name_mistake(item, observations, {prop["name"] for prop, _, _ in failed})
    prop, text, observation = failed[0]
    if wrong:
        sentence = wrong["says"]
    elif observation.get("failed") == "NotImplementedError" and task in text:
        sentence = f"{BLANK}: the cell still raises NotImplementedError."
    elif "failed" in observation:
        sentence = f"Your code {text}." if len(failed) == len(lines) else f"{prop['title']}: your code {text}."
    else:
        sentence = f"{prop['title']}: {text}."
        if prop.get("look"):
            sentence += f" {prop['look']}"
    return Verdict(task, False, tuple(lines), sentence, wrong["id"] if wrong else None)


def judge_property(expect: dict[str, Any], observation: dict[str, Any], reveal: bool = False) -> tuple[bool, str]:
    """Whether one observation is right, and what was observed in a few words."""
    if "failed" in observation:
        return False, observation["text"]
    value = np.asarray(observation["value"])
    if not _shape_fits(expect, value):
        return False, f"the shape is {list(value.shape)}, expected {_shape_words(expect)}"
    if not np.isfinite(value).all():
        bad = int((~np.isfinite(value)).sum())
        return False, f"{bad} of {value.size} numbers are NaN or infinite"
    return _JUDGES[expect["kind"]](expect, value, reveal)


def _shape_fits(expect: dict[str, Any], value: np.ndarray) -> bool:
    if expect["kind"] in ("law", "rows", "draws", "within"):
        return list(value.shape) == list(expect["shape"])
    return value.shape == np.shape(expect["value"])


def _shape_words(expect: dict[str, Any]) -> str:
    return str(list(expect["shape"] if "shape" in expect else np.shape(expect["value"])))


def _judge_exact(expect: dict[str, Any], value: np.ndarray, reveal: bool) -> tuple[bool, str]:
    right = np.asarray(expect["value"], dtype=float)
    if right.size == 0:
        return True, ""
    error = np.abs(value - right)
    excess = error - (expect["atol"] + expect["rtol"] * np.abs(right))
    if (excess <= 0).all():
        return True, ""
    worst = np.unravel_index(np.argmax(excess), value.shape)
    where = f" at index {[int(i) for i in worst]}" if value.ndim else ""
    count = f"{int((excess > 0).sum())} of {value.size} numbers are off; " if value.size > 1 else ""
    if reveal:
        return False, f"{count}got {value[worst]:.4g}, expected {right[worst]:.4g}{where}"
    return False, f"{count}the largest error is {error[worst]:.3g}{where}"


def _judge_law(expect: dict[str, Any], value: np.ndarray, reveal: bool) -> tuple[bool, str]:
    summary = cosine_summary(expect, value)
    off = np.abs(summary["mean"] - np.asarray(expect["mean"])) > bernstein(np.asarray(expect["var"]), summary["n"])
    if not off.any():
        return True, ""
    mean, cov = value.mean(0), np.atleast_2d(np.cov(value.T))
    right_mean, right_cov = np.asarray(expect["x_mean"]), np.asarray(expect["x_cov"])
    parts = []
    n = len(value)
    z = np.abs(mean - right_mean) / np.sqrt(np.diag(right_cov) / n + 1e-300)
    if z.max() > 6:
        k = int(z.argmax())
        parts.append(
            f"the mean of coordinate {k} is {mean[k]:.3g}"
            + (f", expected {right_mean[k]:.3g}" if reveal else f", {z[k]:.0f} standard errors off")
        )
    ratio = np.diag(cov) / np.maximum(np.diag(right_cov), 1e-300)
    if (np.abs(np.log(np.maximum(ratio, 1e-12))) > 6 * np.sqrt(2.0 / n)).any():
        k = int(np.abs(np.log(np.maximum(ratio, 1e-12))).argmax())
        parts.append(f"the variance of coordinate {k} is {cov[k, k]:.3g}, {ratio[k]:.3g} times what it should be")
    scale = np.sqrt(np.outer(np.diag(right_cov), np.diag(right_cov)))
    gap = np.abs(cov - right_cov) / np.maximum(scale, 1e-300) * (1 - np.eye(len(cov)))
    if not parts and gap.max() > 8 / np.sqrt(n):
        i, j = (int(k) for k in np.unravel_index(gap.argmax(), gap.shape))
        parts.append(
            f"the covariance of coordinates {i} and {j} is {cov[i, j]:.3g}"
            + (f", expected {right_cov[i, j]:.3g}" if reveal else "")
        )
    if not np.ptp(value, axis=0).any():
        parts = [f"all {n} rows are the same"]
    return False, "; ".join(parts) or "mean and variance fit, but the shape of the distribution does not"


def _judge_rows(expect: dict[str, Any], value: np.ndarray, reveal: bool) -> tuple[bool, str]:
    seen = rows_summary(expect, value)
    # the empirical means inside add at most their own product: each is within 7 / sqrt(n) of its expectation
    if (np.abs(seen["mean"]) <= bernstein(seen["bound"], seen["n"], 4.0) + 50 / seen["n"]).all():
        return True, ""
    return False, "neighbouring rows depend on each other"


def _judge_draws(expect: dict[str, Any], value: np.ndarray, reveal: bool) -> tuple[bool, str]:
    right = np.asarray(expect["mean"])
    sd = np.broadcast_to(expect["sd"], right.shape)
    tolerance = Z_DRAWS * sd / np.sqrt(len(value)) + expect["atol"]
    error = np.abs(value.mean(0) - right)
    if (error > tolerance).any():
        k = np.unravel_index(np.argmax(error / tolerance), error.shape)
        got = f"the mean over {len(value)} calls is {value.mean(0)[k]:.4g}"
        return False, got + (
            f", expected {right[k]:.4g} ± {tolerance[k]:.2g}"
            if reveal
            else f", {error[k] / tolerance[k] * Z_DRAWS:.0f} standard errors off"
        )
    ratio = value.var(0, ddof=1) / sd**2
    if (ratio > SPREAD).any():
        return False, f"the calls scatter {ratio.max():.0f} times more than independent rows would"
    return True, ""


def _judge_within(expect: dict[str, Any], value: np.ndarray, reveal: bool) -> tuple[bool, str]:
    low, high = np.asarray(expect["low"], dtype=float), np.asarray(expect["high"], dtype=float)
    outside = (value < low) | (value > high)
    if not outside.any():
        return True, ""
    k = np.unravel_index(np.argmax(outside), value.shape)
    low, high = np.broadcast_to(low, value.shape), np.broadcast_to(high, value.shape)
    return False, f"got {value[k]:.4g}" + (
        f", expected {low[k]:.4g} to {high[k]:.4g}"
        if reveal
        else ", which is " + ("too small" if value[k] < low[k] else "too large")
    )


_JUDGES = {"exact": _judge_exact, "law": _judge_law, "rows": _judge_rows, "draws": _judge_draws, "within": _judge_within}


def bernstein(var: np.ndarray, n: int, bound: float = 2.0) -> np.ndarray:
    """t with P(|mean of n - expectation| > t) <= FALSE_ALARM for terms of variance `var` within `bound` of their mean."""
    log = np.log(2 / FALSE_ALARM)
    return (log * bound / 3 + np.sqrt((log * bound / 3) ** 2 + 2 * log * n * var)) / n


def cosine_summary(expect: dict[str, Any], value: np.ndarray) -> dict[str, Any]:
    """Mean and variance of cos(w.x + phase) over the rows."""
    cosines = np.cos(value @ np.asarray(expect["w"], dtype=float).T + np.asarray(expect["phase"], dtype=float))
    return {"mean": cosines.mean(0), "var": cosines.var(0), "n": len(cosines)}


def rows_summary(expect: dict[str, Any], value: np.ndarray) -> dict[str, Any]:
    """Covariance of exp(i u.x) and exp(i v.x') over pairs of neighbouring rows x, x', turned by the phase."""
    w, half = np.asarray(expect["w"], dtype=float), len(value) // 2
    d = value.shape[1]
    first, second = np.exp(1j * (value @ w[:, :d].T)), np.exp(1j * (value @ w[:, d:].T))
    bound = (1 - np.abs(first.mean(0)) ** 2) * (1 - np.abs(second.mean(0)) ** 2)
    first, second = first - first.mean(0), second - second.mean(0)  # over all rows: rows that alternate show too
    terms = (first[: 2 * half : 2] * second[1 : 2 * half : 2] * np.exp(1j * np.asarray(expect["phase"]))).real
    return {"mean": terms.mean(0), "var": terms.var(0), "bound": bound, "n": half}


# ---------------------------------------------------------------------------------------------- naming a mistake


def summary(expect: dict[str, Any], observation: dict[str, Any]) -> dict[str, Any]:
    """The fingerprint of one observation: few numbers, comparable with those of a known mistake by `distance`."""
    if "failed" in observation:
        return {"failed": observation["text"][:200]}
    value = np.asarray(observation["value"], dtype=float)
    if not _shape_fits(expect, value) or not np.isfinite(value).all():
        bad = np.isfinite(value).all()
        return {"shape": list(value.shape), "finite": bool(bad), "head": value.ravel()[:16] if bad else []}
    if expect["kind"] == "law":
        return cosine_summary(expect, value)
    if expect["kind"] == "rows":
        return rows_summary(expect, value)
    if expect["kind"] == "draws":
        return {"mean": value.mean(0), "var": value.var(0, ddof=1), "n": len(value)}
    return {"value": value}


def distance(expect: dict[str, Any], one: dict[str, Any], two: dict[str, Any]) -> float:
    """How far two fingerprints of a property are apart; up to 1 they count as the same."""
    if set(one) != set(two):
        return np.inf
    if "failed" in one:  # one mistake stands in different lines of different answers
        return 0.0 if _LINE.sub("", one["failed"]) == _LINE.sub("", two["failed"]) else np.inf
    if "shape" in one:
        if one["shape"] != two["shape"] or one["finite"] != two["finite"]:
            return np.inf
        a, b = np.asarray(one["head"], dtype=float), np.asarray(two["head"], dtype=float)
        return 0.0 if np.allclose(a, b, rtol=1e-3, atol=1e-4) else np.inf
    if "value" in one:
        a, b = np.asarray(one["value"], dtype=float), np.asarray(two["value"], dtype=float)
        if a.shape != b.shape:
            return np.inf
        atol, rtol = expect.get("atol", 1e-5), expect.get("rtol", 1e-4)
        apart = np.abs(a - b) / (2 * (atol + rtol * np.abs(b)))
        if expect["kind"] == "within":  # what is right may differ from run to run
            low, high = np.asarray(expect["low"], dtype=float), np.asarray(expect["high"], dtype=float)
            apart = np.where((np.minimum(a, b) >= low) & (np.maximum(a, b) <= high), 0.0, apart)
        return float(np.max(apart, initial=0.0))
    a, b = np.asarray(one["mean"], dtype=float), np.asarray(two["mean"], dtype=float)
    va, vb = np.asarray(one["var"], dtype=float), np.asarray(two["var"], dtype=float)
    if expect["kind"] == "law" and max(va.max(), vb.max()) < 1e-9:
        return 0.5  # all rows are the same in both, wherever they are
    error = np.sqrt(va / one["n"] + vb / two["n"]) + 1e-6 * (1 + np.abs(b))
    apart = float(np.max(np.abs(a - b) / (Z_NAME * error), initial=0.0))
    if expect["kind"] == "draws":  # a scatter that differs more than chance allows is another mistake
        right = np.asarray(expect["sd"], dtype=float) ** 2
        least = 0.01 * right + 1e-12  # what scatters less hardly scatters, say counts of rare events
        # rare large values: how far they scatter is known within a wider factor only
        far = np.minimum(va, vb) > SPREAD * right
        ratio = np.abs(np.log((va + least) / (vb + least))) / np.where(far, 2, 1)
        # up to nine events, or none: what they scatter says nothing that their mean does not say
        most = np.maximum(va, vb)
        few = (most > SPREAD * right) & (np.maximum(np.abs(a), np.abs(b)) ** 2 < 9 * most / min(one["n"], two["n"]))
        apart = max(apart, float(np.max(np.where(few, 0, ratio))) / np.log(SPREAD))
    return apart


def name_mistake(item: dict[str, Any], observations: dict[str, Any], failed: set[str]) -> dict[str, Any] | None:
    """The known mistake whose numbers agree with all of the observations; the nearest if there are several.

    A property whose numbers differ from run to run under that mistake ("unstable") says nothing for or against it.
    """
    if any(seen.get("failed") in NO_EVIDENCE for seen in observations.values()):
        return None
    missing = {"failed": "missing", "text": ""}
    seen = {
        p["name"]: summary(p["expect"], observations.get(p["name"], missing))
        for p in item["properties"]
        if item.get("wrong")
    }
    best, best_distance = None, np.inf
    for wrong in item.get("wrong", ()):
        total, evidence = 0.0, False
        for prop in item["properties"]:
            name = prop["name"]
            known = wrong["prints"][name]
            if known == "unstable":
                apart = 0.9
            else:
                apart = distance(prop["expect"], seen[name], known)
                evidence |= name in failed
            if apart > 1:
                break
            total += apart
        else:
            if evidence and total < best_distance:
                best, best_distance = wrong, total
    return best
