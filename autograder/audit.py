"""Grade the grader: references, other right answers and known mistakes, over many key items, the way grading runs them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from autograder import course, keys
from autograder.runner import Runner
from helpers.judge import Verdict, judge


@dataclass(frozen=True)
class Result:
    """One answer judged with one key item: "ok", "rejected", "passed" (a mistake that got through), "unnamed" or "misnamed"."""

    id: str
    task: str
    seed: int
    outcome: str
    verdict: Verdict


def audit(assignment: str, seeds: range, runner: Runner, wrong: bool = True) -> Iterator[Result]:
    """Judge the reference, the alternatives and (unless `wrong` is false) the known mistakes of one assignment."""
    alternatives = keys.answers("alternatives", assignment)
    for task in course.load(assignment).tasks:
        right = [keys.Answer(f"{task}:reference", task, course.load(assignment).answer(task))]
        right += [one for one in alternatives if one.task == task]
        for seed in seeds:
            item = keys.item(task, seed)
            for answer in right:
                verdict = judge(task, item, runner.observe(task, item, answer.cell), reveal=True)
                yield Result(answer.id, task, seed, "ok" if verdict.passed else "rejected", verdict)
            if not wrong or not keys.misconceptions(task):
                continue
            full = keys.with_mistakes(task, item, runner)
            for mistake in keys.misconceptions(task):
                verdict = judge(task, full, runner.observe(task, item, mistake.cell), reveal=True)
                named = {mistake.id: "ok", None: "unnamed"}.get(verdict.misconception, "misnamed")
                yield Result(mistake.id, task, seed, "passed" if verdict.passed else named, verdict)


def report(results: list[Result]) -> str:
    """A short text: the counts, then one line for every result that is not as it should be."""
    counts: dict[str, int] = {}
    for result in results:
        counts[result.outcome] = counts.get(result.outcome, 0) + 1
    rows = [f"{len({r.id for r in results})} answers, {len(results)} verdicts: {counts}"]
    for r in results:
        if r.outcome != "ok":
            failing = "; ".join(f"{line.title}: {line.observed}" for line in r.verdict.lines if not line.ok)
            rows.append(f"{r.outcome:9} {r.id} (seed {r.seed}) called {r.verdict.misconception}: {failing[:300]}")
    return "\n".join(rows)
