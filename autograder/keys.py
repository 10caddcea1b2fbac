"""Key items: for one task and one set of probe inputs, the right numbers and those of the known mistakes.

Item 0 of a task is public and ships in helpers/keys; the secret items follow from the course's secret. Whether an answer is
right is decided by closed forms alone (`autograder/expected`). The numbers of known mistakes are what their wrong code
(`autograder/misconceptions`) gives in the same process that runs students' code. Only the public item has them: an answer that
fails on a secret item is run on the public one to be named.
"""

from __future__ import annotations

import functools
import hashlib
import itertools
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autograder import course, expected
from autograder.runner import Runner
from helpers.arrays import pack
from helpers.judge import NO_EVIDENCE, distance, judge, summary

_IMPORT = re.compile(r"^\s*from helpers\.probes\.(\w+) import", re.MULTILINE)

POOL = 16
"""Number of secret items per task."""

PUBLIC_SEED = 20_11_13_456


def item(task: str, seed: int) -> dict[str, Any]:
    """The key item of `task` for a seed: properties with inputs and right numbers, no mistakes yet."""
    form = expected.form(task)
    properties = list(form.properties(np.random.default_rng([seed, *task.encode()])))
    names = [prop["name"] for prop in properties]
    if len(set(names)) != len(names):
        raise ValueError(f"{task} has two properties of one name: {names}")
    return {"needs": list(form.needs), "seed": seed % 2**31, "properties": plain(properties)}


def public_item(task: str) -> dict[str, Any]:
    """Item 0, whose numbers students may see."""
    return item(task, PUBLIC_SEED)


def same(one: Any, two: Any) -> bool:
    """Whether two items (or parts of them) are equal, numbers up to the rounding of another machine's libraries."""
    if isinstance(one, dict) and isinstance(two, dict):
        return one.keys() == two.keys() and all(same(one[key], two[key]) for key in one)
    if isinstance(one, list) and isinstance(two, list):
        return len(one) == len(two) and all(map(same, one, two))
    if isinstance(one, float) and isinstance(two, (int, float)):
        return abs(one - two) <= 1e-6 * (1 + abs(one))
    return one == two


@functools.lru_cache(maxsize=1024)
def secret_item(task: str, index: int) -> dict[str, Any]:
    """One of the secret items of a task."""
    return item(task, seed(task, index))


def seed(task: str, index: int) -> int:
    """What a secret item follows from."""
    return course.draw("item", task, str(index))


def index_for(assignment: str, student: str) -> int:
    """Which secret item grades this student: the same one at every regrade."""
    return course.draw("student", assignment, student) % POOL


# ------------------------------------------------------------------------------------------------- known mistakes


@dataclass(frozen=True)
class Answer:
    """An answer to a task that is not the reference: a known mistake (with a sentence) or another right style."""

    id: str
    task: str
    cell: str
    says: str = ""
    source: str = ""
    swap: tuple[tuple[str, str], ...] = ()
    varies: tuple[str, ...] = ()


def answers(kind: str, assignment: str) -> list[Answer]:
    """Read autograder/<kind>/<assignment>.py, where kind is "misconceptions" or "alternatives".

    The file calls `answer(task, name, ...)` with either `cell=` (the whole answer cell) or `swap=` (pairs of a fragment of the
    reference answer, found exactly once, and what stands there instead), for mistakes also `says=` and `source=`, or `like=` with
    the name of an earlier one that is the same mistake in other code, and `varies=` with properties whose numbers differ now and then.
    """
    path = Path(__file__).parent / kind / f"{assignment}.py"
    if not path.exists():
        return []
    found: list[Answer] = []

    def answer(
        task: str,
        name: str,
        cell: str = "",
        swap: list[tuple[str, str]] | None = None,
        says: str = "",
        source: str = "",
        like: str = "",
        varies: tuple[str, ...] = (),
    ) -> None:
        code = cell.strip("\n")
        if like:
            first = next(one for one in found if one.id == f"{task}:{like}")
            says, source = first.says, first.source
        if swap:
            code = course.load(assignment).answer(task)
            for old, new in swap:
                if code.count(old) != 1:
                    raise ValueError(f"{task}:{name}: {old!r} stands {code.count(old)} times in the reference answer")
                code = code.replace(old, new)
        found.append(Answer(f"{task}:{name}", task, code, " ".join(says.split()), source, tuple(swap or ()), varies))

    exec(compile(path.read_text(encoding="utf-8"), str(path), "exec"), {"answer": answer})
    ids = [one.id for one in found]
    if len(set(ids)) != len(ids):
        raise ValueError(f"{path} has an id twice: {sorted(i for i in ids if ids.count(i) > 1)}")
    return found


@functools.cache
def misconceptions(task: str) -> tuple[Answer, ...]:
    """The known mistakes of a task."""
    return tuple(one for one in answers("misconceptions", course.tasks()[task]) if one.task == task)


@functools.cache
def alternatives(task: str) -> tuple[Answer, ...]:
    """The right answers in other styles to a task."""
    return tuple(one for one in answers("alternatives", course.tasks()[task]) if one.task == task)


def with_mistakes(task: str, one_item: dict[str, Any], runner: Runner, made: dict[str, Any] | None = None) -> dict[str, Any]:
    """The item with the numbers of all known mistakes.

    Each wrong answer is run twice with different random draws, and six times more if any number differs. A property whose numbers
    differ by more than chance allows, or sometimes do (the mistake's `varies`), is "unstable" under it. `made` is the item as an
    earlier build wrote it: a mistake whose numbers were made from the same sources is taken from there.

    Raises:
        ValueError: if a known mistake passes or does not run to its end, so that a harmless "mistake" never enters a key.
    """
    wrong, earlier = [], {entry["id"]: entry for entry in (made or {}).get("wrong", ())}
    for mistake in misconceptions(task):
        source = digest(task, one_item, mistake.cell, mistake.varies)
        if earlier.get(mistake.id, {}).get("made_from") == source:
            wrong.append({**earlier[mistake.id], "says": mistake.says})
            continue
        seeds = (one_item["seed"] + shift for shift in itertools.count(77, 7_700))

        def run(seeds: Iterator[int] = seeds, cell: str = mistake.cell) -> dict[str, Any]:
            return runner.observe(task, {**one_item, "seed": next(seeds)}, cell)

        first = run()
        passed = judge(task, one_item, first).passed
        if passed or any(seen.get("failed") in NO_EVIDENCE for seen in first.values()):
            what = "passes the check" if passed else f"does not run to its end: {first}"
            raise ValueError(f"the known mistake {mistake.id} {what} (seed {one_item['seed']})")
        known = {prop["name"]: summary(prop["expect"], first[prop["name"]]) for prop in one_item["properties"]}
        runs = [first, run()]
        if pack(runs[0]) != pack(runs[1]):
            runs += [run() for _ in range(6)]
        unstable = {*mistake.varies, *_unstable(one_item, known, runs[1:])}
        prints = {name: "unstable" if name in unstable else plain(seen, 6) for name, seen in known.items()}
        wrong.append({"id": mistake.id, "says": mistake.says, "made_from": source, "prints": prints})
    return {**one_item, "wrong": wrong}


def digest(task: str, one_item: dict[str, Any], cell: str, varies: tuple[str, ...] = ()) -> str:
    """A digest of what the numbers of a mistake depend on: the cells that are run, the inputs and the probes."""
    cells = course.load(course.tasks()[task]).cells_before_check(task, cell)
    return hashlib.sha256(json.dumps([cells, one_item, _probe(task), *varies]).encode()).hexdigest()[:16]


@functools.cache
def _probe(task: str) -> list[str]:
    """The files that observe a task: that of its probe, and whatever it imports from the probes and the data."""
    helpers = Path(__file__).parent.parent / "helpers"
    texts = {path.stem: path.read_text(encoding="utf-8") for path in sorted((helpers / "probes").glob("*.py"))}
    found = ["__init__", *(name for name, text in texts.items() if f'@probe("{task}")' in text)]
    for name in found:  # the list grows
        found += [other for other in _IMPORT.findall(texts[name]) if other not in found]
    return [*(texts[name] for name in found), (helpers / "data.py").read_text(encoding="utf-8")]


def _unstable(one_item: dict[str, Any], known: dict[str, Any], runs: list[dict[str, Any]]) -> set[str]:
    """The properties whose numbers in some run are not those in `known`."""
    return {
        prop["name"]
        for prop in one_item["properties"]
        for run in runs
        if distance(prop["expect"], known[prop["name"]], summary(prop["expect"], run[prop["name"]])) > 1
    }


def plain(value: Any, digits: int = 9) -> Any:
    """Arrays as nested lists of floats with so many significant digits, ready for JSON."""
    if isinstance(value, dict):
        return {key: plain(entry, digits) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain(entry, digits) for entry in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return plain(value.tolist(), digits)
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    return value
