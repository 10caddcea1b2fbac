"""Key items: for one task and one set of probe inputs, the right numbers and those of the known mistakes.

Item 0 of a task is public and ships in helpers/keys; the secret items follow from the course's secret. Whether an answer is
right is decided by closed forms alone (`autograder/expected`). The numbers of known mistakes are what their wrong code
(`autograder/misconceptions`) gives in the same process that runs students' code; in grading they are looked up, and made
where missing, only once an answer has failed.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from autograder import course, expected
from autograder.runner import Runner
from helpers.arrays import pack
from helpers.judge import NO_EVIDENCE, distance, judge, summary

POOL = 16
"""Number of secret items per task."""

PUBLIC_SEED = 20_11_13_456


def item(task: str, seed: int) -> dict[str, Any]:
    """The key item of `task` for a seed: properties with inputs and right numbers, no mistakes yet."""
    form = expected.forms()[task]
    properties = list(form.properties(np.random.default_rng([seed, *task.encode()])))
    names = [prop["name"] for prop in properties]
    if len(set(names)) != len(names):
        raise ValueError(f"{task} has two properties of one name: {names}")
    return {"needs": list(form.needs), "seed": seed % 2**31, "properties": _plain(properties)}


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
    return item(task, course.draw("item", task, str(index)))


def index_for(assignment: str, student: str, key: bytes | None = None) -> int:
    """Which secret item grades this student: the same one at every regrade. (`key`: another course's secret.)"""
    return course.draw("student", assignment, student, key=key) % POOL


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


def answers(kind: str, assignment: str) -> list[Answer]:
    """Read autograder/<kind>/<assignment>.py, where kind is "misconceptions" or "alternatives".

    The file calls `answer(task, name, ...)` with either `cell=` (the whole answer cell) or `swap=` (pairs of a fragment of the
    reference answer, found exactly once, and what stands there instead), for mistakes also `says=` and `source=`.
    """
    path = Path(__file__).parent / kind / f"{assignment}.py"
    if not path.exists():
        return []
    found: list[Answer] = []

    def answer(
        task: str, name: str, cell: str = "", swap: list[tuple[str, str]] | None = None, says: str = "", source: str = ""
    ) -> None:
        code = cell.strip("\n")
        if swap:
            code = course.load(assignment).answer(task)
            for old, new in swap:
                if code.count(old) != 1:
                    raise ValueError(f"{task}:{name}: {old!r} stands {code.count(old)} times in the reference answer")
                code = code.replace(old, new)
        found.append(Answer(f"{task}:{name}", task, code, " ".join(says.split()), source, tuple(swap or ())))

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


def with_mistakes(task: str, one_item: dict[str, Any], runner: Runner, strict: bool = True) -> dict[str, Any]:
    """The item with the numbers of all known mistakes.

    Each wrong answer is run twice with different random draws, and twice more if any number differs. A property whose numbers
    differ by more than chance allows is "unstable" under that mistake.

    Raises:
        ValueError: if `strict` and a known mistake passes or does not run to its end, so that a harmless "mistake" never
            enters a public key. Otherwise that mistake is left out: in grading, nobody's points depend on it.
    """
    wrong = []
    for mistake in misconceptions(task):
        seeds = iter(one_item["seed"] + shift for shift in (77, 7_777, 77_777, 777_777))

        def run(seeds: Iterator[int] = seeds, cell: str = mistake.cell) -> dict[str, Any]:
            return runner.observe(task, {**one_item, "seed": next(seeds)}, cell)

        first = run()
        passed = judge(task, one_item, first).passed
        if passed or any(seen.get("failed") in NO_EVIDENCE for seen in first.values()):
            if strict:
                what = "passes the check" if passed else f"does not run to its end: {first}"
                raise ValueError(f"the known mistake {mistake.id} {what} (seed {one_item['seed']})")
            continue
        known = {prop["name"]: summary(prop["expect"], first[prop["name"]]) for prop in one_item["properties"]}
        runs = [first, run()]
        if pack(runs[0]) != pack(runs[1]):
            runs += [run(), run()]
        unstable = _unstable(one_item, known, runs[1:])
        prints = {name: "unstable" if name in unstable else _plain(seen, 6) for name, seen in known.items()}
        wrong.append({"id": mistake.id, "says": mistake.says, "prints": prints})
    return {**one_item, "wrong": wrong}


def _unstable(one_item: dict[str, Any], known: dict[str, Any], runs: list[dict[str, Any]]) -> set[str]:
    """The properties whose numbers in some run are not those in `known`."""
    return {
        prop["name"]
        for prop in one_item["properties"]
        for run in runs
        if distance(prop["expect"], known[prop["name"]], summary(prop["expect"], run[prop["name"]])) > 1
    }


def secret_item_with_mistakes(task: str, index: int, runner: Runner) -> dict[str, Any]:
    """`with_mistakes` of a secret item, kept in .cache/ until a source that it depends on changes."""
    one_item = secret_item(task, index)
    digest = hashlib.sha256(json.dumps([one_item, _sources(course.tasks()[task])]).encode()).hexdigest()[:24]
    path = course.ROOT / ".cache" / "keys" / f"{digest}.json"
    if path.exists():
        return json.loads(path.read_text())
    full = with_mistakes(task, one_item, runner, strict=False)
    path.parent.mkdir(parents=True, exist_ok=True)
    part = path.with_suffix(".part")
    part.write_text(json.dumps(full))
    part.replace(path)
    return full


@functools.cache
def _sources(assignment: str) -> str:
    """A digest of what the numbers of known mistakes depend on."""
    folder = Path(__file__).parent
    files = [course.ROOT / "solutions" / assignment / f"{assignment}.py", folder / "misconceptions" / f"{assignment}.py"]
    files += sorted((folder.parent / "helpers").rglob("*.py"))
    text = "".join(path.read_text(encoding="utf-8") for path in files if path.exists())
    return hashlib.sha256(text.encode()).hexdigest()


def _plain(value: Any, digits: int = 9) -> Any:
    """Arrays as nested lists of floats with so many significant digits, ready for JSON."""
    if isinstance(value, dict):
        return {key: _plain(entry, digits) for key, entry in value.items()}
    if isinstance(value, (list, tuple)):
        return [_plain(entry, digits) for entry in value]
    if isinstance(value, (np.ndarray, np.generic)):
        return _plain(value.tolist(), digits)
    if isinstance(value, float):
        return float(f"{value:.{digits}g}")
    return value
