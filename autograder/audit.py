"""Grade the grader: right answers, known mistakes and pairs of them, over many key items, in the way that grading runs them.

For each task and seed, `examine` judges with one key item

* the reference and every other right answer: they must pass;
* every known mistake: it must be caught and called by its name;
* every known mistake with its own entry taken out of the bank ("unlisted"): it must be called unknown, not something else;
* pairs of mistakes in one answer: they must be caught, and called by one of their two names or by none.
"""

from __future__ import annotations

import itertools
import os
from collections import Counter
from collections.abc import Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from autograder import course, keys
from autograder.grading import named
from autograder.runner import Runner
from helpers.checks import public_items
from helpers.judge import FALSE_ALARM, NO_EVIDENCE, Z_DRAWS, Verdict, bernstein, judge, name_mistake

PAIRS = 4
"""How many pairs of mistakes of each task are tried."""

NOT_A_PAIR = {
    frozenset({"vpsde.loss:weight-outside", "vpsde.loss:weight-squared"}),
    frozenset({"vpsde.sample_ode:dt-sign", "vpsde.sample_ode:drift-sign"}),
    frozenset({"ddpm.sample_and_track:history-normalised", "ddpm.sample_and_track:samples-normalised"}),
}
"""Pairs that undo each other, or that are a known mistake of its own when they come together."""


@dataclass(frozen=True)
class Result:
    """One answer judged with one key item.

    `kind` is "reference", "alternative", "mistake", "unlisted" or "pair"; `outcome` is "ok", "rejected" (a right answer),
    "passed" (a wrong one), "unnamed" or "misnamed".
    """

    id: str
    task: str
    seed: int
    kind: str
    outcome: str
    verdict: Verdict


PUBLIC = -1
"""The seed that stands for the public item, with which mistakes are also named."""


def audit(assignment: str, seeds: Iterable[int], runner: Runner, wrong: bool = True) -> Iterator[Result]:
    """Examine all tasks of one assignment, in this process."""
    for task in course.load(assignment).tasks:
        for seed in seeds:
            yield from examine(task, seed, runner, wrong)


def audit_all(
    assignments: Iterable[str], seeds: Iterable[int], *, wrong: bool = True, every: bool = False, jobs: int = 0
) -> Iterator[Result]:
    """The same for several assignments in `jobs` processes (by default one for each core), in no particular order."""
    work = [(task, seed, wrong, every) for name in assignments for task in course.load(name).tasks for seed in seeds]
    with ProcessPoolExecutor(jobs or os.cpu_count()) as pool:
        for results in pool.map(_examine, work):
            yield from results


def _examine(work: tuple[str, int, bool, bool]) -> list[Result]:
    from autograder.grading import shared_runner

    task, seed, wrong, every = work
    return list(examine(task, seed, shared_runner(), wrong, every))


def examine(task: str, seed: int, runner: Runner, wrong: bool = True, every: bool = False) -> Iterator[Result]:
    """Judge all known answers of one task with one key item.

    Args:
        task: its name.
        seed: of the key item.
        runner: where the answers run.
        wrong: false leaves the known mistakes out.
        every: look at every property of a known mistake, for the power. Else those suffice that show it to be wrong.
    """
    public, assignment = public_items()[task], course.tasks()[task]
    item = public if seed == PUBLIC else keys.item(task, seed)
    for answer in [keys.Answer(f"{task}:reference", task, course.load(assignment).answer(task)), *keys.alternatives(task)]:
        verdict = judge(task, item, runner.observe(task, item, answer.cell), reveal=True)
        kind = "reference" if answer.id.endswith(":reference") else "alternative"
        yield Result(answer.id, task, seed, kind, "ok" if verdict.passed else "rejected", verdict)
    if not wrong:
        return

    def observe(cell: str) -> tuple[Verdict, Verdict, dict[str, Any]]:
        """The verdicts with the item, without a name, and with the public item, and the observations with the latter."""
        seen = runner.observe(task, {**public, "seed": public["seed"] + seed + 1}, cell)  # its inputs, other random draws
        found = judge(task, public, seen, reveal=True)
        if seed == PUBLIC:
            return replace(found, misconception=None), found, seen
        first = failing(public, found)[:1]
        for wanted in (None,) if every else (first, None):  # one property that fails is enough, all are for the power
            part = [one for one in item["properties"] if wanted is None or one["name"] in wanted]
            if part:
                some = {**item, "wrong": [], "properties": part}
                verdict = judge(task, some, runner.observe(task, some, cell), reveal=True)
                if not verdict.passed:
                    break
        return verdict, found, seen

    def result(id: str, kind: str, names: set[str | None], verdict: Verdict, found: Verdict, seen: dict[str, Any]) -> Result:
        if verdict.passed:
            return Result(id, task, seed, kind, "passed", verdict)
        verdict = replace(named(verdict, found, public, seen), lines=verdict.lines)
        outcome = "ok" if verdict.misconception in names else "misnamed" if verdict.misconception else "unnamed"
        return Result(id, task, seed, kind, outcome, verdict)

    for mistake in keys.misconceptions(task):
        twins = {other.id for other in keys.misconceptions(task) if other.says == mistake.says}
        verdict, found, seen = observe(mistake.cell)
        yield result(mistake.id, "mistake", twins, verdict, found, seen)
        others = {**public, "wrong": [one for one in public["wrong"] if one["id"] != mistake.id]}
        other = name_mistake(others, seen, set(failing(public, found))) or {"id": None}
        yield result(mistake.id, "unlisted", {None, *twins}, verdict, replace(found, misconception=other["id"]), seen)
    for one, two, cell in pairs(task):
        verdict, found, seen = observe(cell)
        if not any(observation.get("failed") in NO_EVIDENCE for observation in seen.values()):
            name = f"{one.id}+{two.id.partition(':')[2]}"
            yield result(name, "pair", {one.id, two.id, None}, verdict, found, seen)


def failing(item: dict[str, Any], verdict: Verdict) -> list[str]:
    """The names of the properties of an item that a verdict on it found wrong."""
    return [prop["name"] for prop, line in zip(item["properties"], verdict.lines, strict=True) if not line.ok]


def pairs(task: str, limit: int = PAIRS) -> list[tuple[keys.Answer, keys.Answer, str]]:
    """Pairs of known mistakes that change different places of the reference answer, each with the cell that has both.

    They are spread over all pairs of the task.
    """
    reference = course.load(course.tasks()[task]).answer(task)
    found = []
    for one, two in itertools.combinations([m for m in keys.misconceptions(task) if m.swap], 2):
        spans = [(reference.find(old), reference.find(old) + len(old)) for old, _ in (*one.swap, *two.swap)]
        apart = all(a[1] <= b[0] or b[1] <= a[0] for a, b in itertools.combinations(spans, 2))
        if apart and {one.id, two.id} not in NOT_A_PAIR:
            cell = reference
            for old, new in sorted((*one.swap, *two.swap), key=lambda change: -reference.find(change[0])):
                at = reference.find(old)
                cell = cell[:at] + new + cell[at + len(old) :]
            found.append((one, two, cell))
    return found[:: max(1, -(-len(found) // limit))]


# -------------------------------------------------------------------------------------------------------- reporting


def figures(results: list[Result]) -> dict[str, Any]:
    """The counts. Answers count as caught, named and so on if they are with every seed.

    `wrong`, `caught`, `named`, `misnamed`: known mistakes; `right`, `rejected`, `false_alarms` (verdicts): references and other
    right answers; `loo_misnamed`: mistakes that get another's name when their own entry is taken out; `pairs`, `pairs_passed`,
    `pairs_misnamed`; `seeds`; `verdicts`.
    """

    def ids(outcomes: set[str], *kinds: str) -> set[str]:
        return {r.id for r in results if r.kind in kinds and r.outcome in outcomes}

    everything = {"ok", "rejected", "passed", "unnamed", "misnamed"}
    wrong, right = ids(everything, "mistake"), ids(everything, "reference", "alternative")
    return {
        "wrong": len(wrong),
        "caught": len(wrong - ids({"passed"}, "mistake")),
        "named": len(wrong - ids({"passed", "unnamed", "misnamed"}, "mistake")),
        "misnamed": len(ids({"misnamed"}, "mistake")),
        "right": len(right),
        "rejected": len(ids({"rejected"}, "reference", "alternative")),
        "seeds": len({r.seed for r in results}),
        "false_alarms": sum(r.outcome == "rejected" for r in results),
        "loo_misnamed": len(ids({"misnamed"}, "unlisted")),
        "pairs": len(ids(everything, "pair")),
        "pairs_passed": len(ids({"passed"}, "pair")),
        "pairs_misnamed": len(ids({"misnamed"}, "pair")),
        "verdicts": len(results),
    }


def report(results: list[Result]) -> str:
    """A short text: the figures, then one line for every result that is not as it should be."""
    rows = [", ".join(f"{name.replace('_', ' ')} {count:,}" for name, count in figures(results).items())]
    for r in results:
        if r.outcome != "ok":
            failing = "; ".join(f"{line.title}: {line.observed}" for line in r.verdict.lines if not line.ok)
            rows.append(f"{r.outcome:9} {r.kind} {r.id} (seed {r.seed}) called {r.verdict.misconception}: {failing[:300]}")
    return "\n".join(rows)


def comparisons(task: str) -> Counter[str]:
    """How many statistical comparisons judge one answer to a task, by the kind of comparison."""
    counts: Counter[str] = Counter()
    for prop in keys.public_item(task)["properties"]:
        counts += _counted(prop["expect"])
    return counts


def _counted(expect: dict[str, Any]) -> Counter[str]:
    seen_at = {"law": "phase", "rows": "phase", "draws": "mean", "within": "low", "exact": "value"}[expect["kind"]]
    return Counter({expect["kind"]: np.size(expect[seen_at])})


def thresholds(task: str) -> dict[str, dict[str, Any]]:
    """For every property of a task that is judged by statistics: how far a mean may be off, and the probability of a false alarm.

    "comparisons" is their number, "threshold" the smallest and the largest distance of a mean (of cosines, of products, of
    repetitions) from what is expected that still passes, "false_alarm" a bound for the property as a whole.
    """
    found = {}
    for prop in keys.public_item(task)["properties"]:
        expect, count = prop["expect"], sum(_counted(prop["expect"]).values())
        if expect["kind"] == "law":
            limits = bernstein(np.asarray(expect["var"]), expect["shape"][0])
        elif expect["kind"] == "rows":  # at most: the terms' variance is estimated from the rows themselves
            limits = bernstein(np.ones(1), expect["shape"][0] // 2, 4.0) + 50 / (expect["shape"][0] // 2)
        elif expect["kind"] == "draws":
            limits = Z_DRAWS * np.asarray(expect["sd"]) / np.sqrt(expect["shape"][0]) + np.asarray(expect["atol"])
        else:
            continue
        ends = [float(f"{end:.3g}") for end in (np.min(limits), np.max(limits))]
        found[prop["title"]] = {
            "kind": expect["kind"],
            "comparisons": count,
            "threshold": ends,
            "false_alarm": FALSE_ALARM * count,
        }
    return found


def false_alarm_bound(tasks: Iterable[str]) -> float:
    """A bound on the probability that right answers to all these tasks lose a point anywhere.

    Each frequency of a law or of rows, each mean of draws and each bound of `within` errs with at most `FALSE_ALARM`. A few
    "exact" numbers, at most two a task on average, are counts that the probe itself compares with a bound, each of 1e-9 at most.
    """
    counts = [comparisons(task) for task in tasks]
    return FALSE_ALARM * sum(c[kind] for c in counts for kind in ("law", "rows", "draws", "within")) + 2e-9 * len(counts)


def power(results: list[Result]) -> dict[str, dict[str, float]]:
    """For every known mistake and property: the share of the seeds in which that property failed."""
    failed: dict[str, Counter[str]] = {}
    runs: Counter[str] = Counter()
    for r in results:
        if r.kind == "mistake":
            runs[r.id] += 1
            failed.setdefault(r.id, Counter()).update(line.title for line in r.verdict.lines if not line.ok)
    return {id: {title: count / runs[id] for title, count in counts.items()} for id, counts in failed.items()}
