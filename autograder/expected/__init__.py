"""What a right answer gives: for every task the properties that are judged, with exact numbers from `autograder.exact`.

A form is a generator function of a numpy Generator; everything it draws (coefficients, points, schedules) differs from item
to item. It yields properties, made with `prop` and one of `exact`, `law`, `draws`, `within` (see `helpers.judge`).
"""

from __future__ import annotations

import functools
import importlib
import pkgutil
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.special import ndtr

from autograder.exact import cosine_moments

Property = dict[str, Any]


@dataclass(frozen=True)
class Form:
    """The expected behaviour of a task; `needs` names the tasks whose code the check runs too."""

    task: str
    properties: Callable[[np.random.Generator], Iterator[Property]]
    needs: tuple[str, ...] = ()


_FORMS: dict[str, Form] = {}


def expects(task: str, needs: tuple[str, ...] = ()) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Register the decorated generator function as what `task` expects."""

    def register(function: Callable[..., Any]) -> Callable[..., Any]:
        _FORMS[task] = Form(task, function, needs)
        return function

    return register


@functools.cache
def forms() -> dict[str, Form]:
    """All forms, by task."""
    for module in pkgutil.iter_modules(__path__):
        importlib.import_module(f"{__name__}.{module.name}")
    return _FORMS


def form(task: str) -> Form:
    """The form of one task. Only what may have it is imported: other notebooks' forms may need torch, which takes seconds."""
    for module in pkgutil.iter_modules(__path__):
        if module.name.startswith(task.partition(".")[0]):
            importlib.import_module(f"{__name__}.{module.name}")
    return _FORMS[task] if task in _FORMS else forms()[task]


def prop(name: str, title: str, inputs: dict[str, Any], expect: dict[str, Any], look: str = "") -> Property:
    """A property: a short name, a title for students, the probe's inputs, what is right, and where to look if it fails."""
    return {"name": name, "title": title, "inputs": inputs, "expect": expect, "look": look}


def exact(value: Any, rtol: float = 2e-4, atol: float = 2e-5) -> dict[str, Any]:
    """Every number agrees up to float32 rounding."""
    return {"kind": "exact", "value": np.asarray(value, dtype=float), "rtol": rtol, "atol": atol}


def law(rng: np.random.Generator, distribution: Any, n: int, count: int = 24) -> dict[str, Any]:
    """n independent rows from `distribution` (anything with mean, cov and characteristic), seen at `count` frequencies."""
    cov = np.atleast_2d(distribution.cov)
    w = _frequencies(rng, distribution, count)
    phase = rng.uniform(0, 2 * np.pi, count)
    mean, var = cosine_moments(distribution.characteristic, w, phase)
    return {"kind": "law", "shape": [n, len(cov)], "w": w, "phase": phase, "mean": mean, "var": var,
            "x_mean": distribution.mean, "x_cov": cov}  # fmt: skip


def rows_law(rng: np.random.Generator, distribution: Any, n: int, count: int = 16) -> dict[str, Any]:
    """Neighbouring rows are independent, whatever their law; `distribution` only sets the scale at which to look.

    Half of the frequencies look at differences of rows, where sorted or nearly equal rows show most.
    """
    first = _frequencies(rng, distribution, count)
    second = np.where(np.arange(count)[:, None] % 2 == 0, -first, _frequencies(rng, distribution, count))
    phase = rng.uniform(0, 2 * np.pi, count)
    return {"kind": "rows", "shape": [n, first.shape[1]], "w": np.hstack([first, second]), "phase": phase}


THIN = 1e-3
"""A direction in which a law is narrower than this share of its size is looked at as if it were that wide: there float32 sets the numbers."""


def _frequencies(rng: np.random.Generator, distribution: Any, count: int) -> np.ndarray:
    """w with w.x of standard deviation 0.4 to 2.5 (less where the law is `THIN`), in random directions of the whitened space."""
    cov = np.atleast_2d(distribution.cov)
    widths, axes = np.linalg.eigh(cov)
    missing = np.maximum(THIN**2 * (np.trace(cov) + np.sum(np.square(distribution.mean))) - widths, 0.0)
    cov, d = cov + (axes * missing) @ axes.T, len(cov)
    direction = rng.standard_normal((count, d))
    direction /= np.linalg.norm(direction, axis=1, keepdims=True)
    length = np.exp(rng.uniform(np.log(0.4), np.log(2.5), (count, 1)))
    factor = np.linalg.cholesky(cov + 1e-12 * np.trace(cov) * np.eye(d))
    return length * np.linalg.solve(factor.T, direction.T).T


def draws(mean: Any, sd: Any, count: int, atol: float = 0.0) -> dict[str, Any]:
    """`count` independent repetitions of a number (or vector) with this mean and standard deviation."""
    mean, sd = np.asarray(mean, dtype=float), np.asarray(sd, dtype=float)
    return {"kind": "draws", "shape": [count, *mean.shape], "mean": mean, "sd": sd, "atol": atol}


def size(variance: Any, d: int, n: int) -> dict[str, Any]:
    """Mean squares of n rows of d independent normals of this variance (or these, with a column of rows for each).

    With n d = 800,000 numbers a variance that is 1.1 % off is seen, and with 400,000 one that is 1.6 % off.
    """
    variance = np.asarray(variance, dtype=float)
    return draws(variance, variance * np.sqrt(2 / d), n)


RADIUS = 3.55


def size_and_ends(variance: float, d: int, n: int) -> dict[str, Any]:
    """As `size`, and in a second column the share of each row's numbers that is more than 3.55 standard deviations from 0."""
    chance = 2 * ndtr(-RADIUS)
    return draws([variance, chance], [variance * np.sqrt(2 / d), np.sqrt(chance * (1 - chance) / d)], n)


def alone(rng: np.random.Generator, distribution: Any) -> dict[str, Any]:
    """500 calls that ask for few numbers each, by `sums` of the probes: what is done to the numbers of a call together (to divide by
    their size, to make their sum 0) shows here."""
    return law(rng, distribution, 500, 48)


def unshared(rows: int, d: int, count: int) -> dict[str, Any]:
    """Inputs of a probe that looks for noise that rows share, in `count` batches of noise (rows, d): two limits.

    They bound the mean product of the noises of two rows: for each pair, and on average over all pairs that are not neighbours,
    where sharing in a random order shows. They are 8.5 and 7.5 standard errors (1e-9, since products of normals have heavy
    tails). The probe looks at one side only: rows with opposite noise (antithetic draws) make the loss scatter less, as
    stratified times do, and are right.
    """
    pairs = (rows - 1) * (rows - 2) / 2
    return {
        "B": rows,
        "dim": d,
        "count": count,
        "pair": 8.5 / np.sqrt(d * count),
        "average": 7.5 / np.sqrt(d * count * pairs),
    }


def within(low: Any, high: Any, shape: tuple[int, ...] = ()) -> dict[str, Any]:
    """Every number lies in [low, high]."""
    return {"kind": "within", "shape": list(shape), "low": low, "high": high}


def balance(inputs: dict[str, Any]) -> Property:
    """Rows of one call do not cancel; `inputs` are the probe's, which draws rows of 20 numbers (less than 1e-60 for a false alarm)."""
    return prop("balance", "the noise of a call's rows does not add up to 0 (1 if it does: of 4 rows; of 5 rows)", inputs, exact([0.0, 0.0]),
                "Is every row drawn by itself? Then what they add up to is random, too.")  # fmt: skip


def again(inputs: dict[str, Any]) -> Property:
    """Two calls that are handed one generator draw different numbers; `inputs` are the probe's, which gives the share that is equal.

    Of a hundred numbers drawn with 24 random bits each, more than five are equal with a probability below 1e-30.
    """
    return prop("again", "one generator, handed to two calls: the second draws other numbers (share that comes again)", inputs,
                exact(0.0, atol=0.05), "Whoever draws from a generator moves it on. Is it the caller's own one that your code draws from?")  # fmt: skip
