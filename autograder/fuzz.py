"""`python -m autograder fuzz`: a hundred right notebooks, mutilated, are graded by stock nbgrader; how many answers keep their points?

Cells are duplicated, deleted, split, merged, moved and emptied; ids, banners, metadata and outputs are stripped, swapped and
made up. An answer is *recognisable* if a code cell of the mutilated notebook still holds its whole definition, at top level.
"""

from __future__ import annotations

import copy
import json
import os
import random
import re
import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat

from autograder import course, demo, intake, salvage, sandbox

NAMES = ("01_sampling", "02_mlp", "03_vpsde", "06_ddim")
Cells = list[dict[str, Any]]


@dataclass
class Result:
    """What came of it."""

    notebooks: int = 0
    graded: int = 0
    answers: int = 0
    recognisable: int = 0
    recovered: int = 0
    lost: list[str] = field(default_factory=list)

    @property
    def rate(self) -> float:
        """The share of the recognisable answers that keep their points."""
        return self.recovered / max(1, self.recognisable)


def mutilated(name: str, seed: int) -> tuple[dict[str, Any], set[str]]:
    """A notebook with the reference's answers after three to eight mutations, and its tasks that are still recognisable."""
    rng = random.Random(f"{name} {seed}")
    blank = nbformat.read(course.ROOT / "notebooks" / name / f"{name}.ipynb", as_version=4)
    raw = json.loads(nbformat.writes(demo.fill(copy.deepcopy(blank), demo.reference(name))))
    for cell in raw["cells"]:
        cell["source"] = "".join(cell["source"])
    _banners(raw["cells"], rng)
    for _ in range(rng.randint(3, 8)):
        rng.choice(MUTATIONS)(raw["cells"], rng)
    if rng.random() < 0.3:
        raw["metadata"] = rng.choice([{}, {"kernelspec": 3}, {"diffusion_labs": {"notes": 3}}])
    return raw, {task for task in course.load(name).tasks if _recognisable(task, raw["cells"], name)}


def _recognisable(task: str, cells: Cells, name: str) -> bool:
    """Whether a cell holds the whole definition, at top level, and no cell holds another one under that name."""
    right = {salvage._unparse(node) for node in salvage.statements(demo.reference(name)[task])
             if salvage.definitions(salvage._unparse(node))}  # fmt: skip
    return any(
        right <= {salvage._unparse(node) for node in salvage.statements(cell["source"])}
        for cell in cells
        if cell.get("cell_type") == "code" and isinstance(cell.get("source"), str)
    )


def salvaged(name: str, seeds: range) -> Result:
    """How many answers the salvage alone finds: quick, and without the judge."""
    result = Result()
    blank = nbformat.read(course.ROOT / "notebooks" / name / f"{name}.ipynb", as_version=4)
    for seed in seeds:
        raw, recognisable = mutilated(name, seed)
        rebuilt = salvage.salvage(intake.tidy(json.loads(json.dumps(raw))), blank)
        sources = {cell.metadata.nbgrader.grade_id: cell.source for cell in rebuilt.cells if "nbgrader" in cell.metadata}
        found = {task for task in recognisable if _recognisable(task, [{"cell_type": "code", "source": sources[course.grade_id(task)]}], name)}  # fmt: skip
        _count(result, name, seed, recognisable, found)
    return result


def _count(result: Result, name: str, seed: int, recognisable: set[str], found: set[str]) -> None:
    result.notebooks += 1
    result.answers += len(course.load(name).tasks)
    result.recognisable += len(recognisable)
    result.recovered += len(recognisable & found)
    result.lost += [f"{name}, seed {seed}: {task}" for task in sorted(recognisable - found)]


def run(count: int = 100, seed: int = 0) -> Result:
    """Grade `count` mutilated notebooks with stock nbgrader, in a temporary course."""
    from autograder.demo import REPOSITORY

    result = Result()
    with tempfile.TemporaryDirectory(prefix="diffusion-labs-fuzz-") as folder:
        root = Path(folder)
        for one in NAMES:
            shutil.copytree(REPOSITORY / "solutions" / one, root / "solutions" / one)
        for file in ("course.toml", "nbgrader_config.py"):
            shutil.copy(REPOSITORY / file, root)
        environment = {**os.environ, "DIFFUSION_LABS_COURSE": folder, "PYTHONPATH": str(REPOSITORY)}
        if not sandbox.in_use():
            environment[sandbox.SWITCH] = "off"  # these submissions are ours
        subprocess.run(
            [sys.executable, "-m", "autograder", "release"], cwd=root, env=environment, check=True, capture_output=True
        )
        made = {}
        for number in range(seed, seed + count):
            name = NAMES[number % len(NAMES)]
            raw, made[name, number] = mutilated(name, number)
            path = root / "submitted" / f"s{number}" / name / f"{name}.ipynb"
            path.parent.mkdir(parents=True)
            path.write_text(json.dumps(raw), encoding="utf-8")
        for name in NAMES:
            subprocess.run(
                [sys.executable, "-m", "nbgrader", "autograde", name], cwd=root, env=environment, capture_output=True
            )
        for (name, number), recognisable in made.items():
            path = root / "autograded" / f"s{number}" / name / f"{name}.ipynb"
            passed = set()
            if path.is_file():
                result.graded += 1
                verdicts = json.loads(path.read_text(encoding="utf-8"))["metadata"]["diffusion_labs"]["verdicts"]
                passed = {task for task, verdict in verdicts.items() if verdict["passed"]}
            _count(result, name, number, recognisable, passed)
    return result


def text(result: Result) -> str:
    """The figures in a few lines."""
    return "\n".join([
        *(f"lost: {one}" for one in result.lost),
        f"{result.notebooks} mutilated notebooks, {result.graded} graded; {result.answers} answers, {result.recognisable} still "
        f"recognisable, of which {result.recovered} kept their points: a recovery rate of {result.rate:.1%}",
    ])  # fmt: skip


# ----------------------------------------------------------------------------------------------------------- mutations


def _banners(cells: Cells, rng: random.Random) -> None:
    """Half of the students leave the TODO banner where it was."""
    for cell in cells:
        meta = cell["metadata"].get("nbgrader", {})
        answers = meta.get("solution") and cell["cell_type"] == "code" and not cell["source"].startswith("%%")
        if answers and rng.random() < 0.5:
            cell["source"] = f"# ==== TODO {meta['grade_id'].replace('-', '.', 1)}: about 3 lines ====\n{cell['source']}"


def _at(cells: Cells, rng: random.Random) -> int:
    return rng.randrange(len(cells))


def _duplicate(cells: Cells, rng: random.Random) -> None:
    cells.insert(_at(cells, rng), copy.deepcopy(rng.choice(cells)))


def _delete(cells: Cells, rng: random.Random) -> None:
    if len(cells) > 5:
        cells.pop(_at(cells, rng))


def _move(cells: Cells, rng: random.Random) -> None:
    cells.insert(_at(cells, rng), cells.pop(_at(cells, rng)))


def _split(cells: Cells, rng: random.Random) -> None:
    """At any line; as in JupyterLab both halves have the metadata, or as in other editors only the first."""
    at = _at(cells, rng)
    lines = str(cells[at].get("source", "")).split("\n")
    cut = rng.randrange(len(lines))
    second = copy.deepcopy(cells[at])
    cells[at]["source"], second["source"] = "\n".join(lines[:cut]), "\n".join(lines[cut:])
    if rng.random() < 0.5:
        second["metadata"] = {}
    cells.insert(at + 1, second)


def _merge(cells: Cells, rng: random.Random) -> None:
    at = _at(cells, rng)
    if at + 1 < len(cells) and cells[at]["cell_type"] == cells[at + 1]["cell_type"]:
        cells[at]["source"] = f"{cells[at]['source']}\n\n{cells[at + 1]['source']}"
        cells.pop(at + 1)


def _merge_answers(cells: Cells, rng: random.Random) -> None:
    """All in one cell, as some like it: an answer goes to the end of the answer before it."""
    places = [i for i, cell in enumerate(cells) if cell["cell_type"] == "code" and re.search(r"^(def|class) ", str(cell["source"]), re.M)
              and not str(cell["source"]).startswith("%%")]  # fmt: skip
    if len(places) > 1:
        which = rng.randrange(len(places) - 1)
        cells[places[which]]["source"] += "\n\n" + cells[places[which + 1]]["source"]
        cells.pop(places[which + 1])


def _strip_metadata(cells: Cells, rng: random.Random) -> None:
    for cell in cells:
        cell["metadata"] = {}


def _strip_some_metadata(cells: Cells, rng: random.Random) -> None:
    for cell in cells:
        if rng.random() < 0.3:
            cell["metadata"] = {}


def _strip_ids(cells: Cells, rng: random.Random) -> None:
    for cell in cells:
        cell.pop("id", None)


def _strip_banners(cells: Cells, rng: random.Random) -> None:
    for cell in cells:
        cell["source"] = re.sub(r"^#.*TODO.*\n", "", str(cell["source"]))


def _swap_metadata(cells: Cells, rng: random.Random) -> None:
    one, two = rng.choice(cells), rng.choice(cells)
    one["metadata"], two["metadata"] = two["metadata"], one["metadata"]


def _strange_metadata(cells: Cells, rng: random.Random) -> None:
    rng.choice(cells)["metadata"] = rng.choice(
        [{"nbgrader": 3}, {"nbgrader": {"grade_id": ["x"]}}, {"tags": 3}, {"nbgrader": {}}]
    )


def _flags(cells: Cells, rng: random.Random) -> None:
    for cell in cells:
        if "nbgrader" in cell["metadata"] and isinstance(cell["metadata"]["nbgrader"], dict):
            cell["metadata"]["nbgrader"].update(
                grade=rng.random() < 0.5, solution=rng.random() < 0.5, points=rng.randrange(9)
            )


def _as_text(cells: Cells, rng: random.Random) -> None:
    cell = rng.choice(cells)
    if cell["cell_type"] == "code":
        cell.update(cell_type="markdown")


def _empty(cells: Cells, rng: random.Random) -> None:
    rng.choice(cells)["source"] = ""


def _insert(cells: Cells, rng: random.Random) -> None:
    source = rng.choice(
        ["x = 1", "print('hello')", "%%time\n1", "def my_own(x):\n    return x", "import os", "1 +", "raise ValueError"]
    )
    cells.insert(
        _at(cells, rng), {"cell_type": "code", "source": source, "metadata": {}, "outputs": [], "execution_count": None}
    )


def _comment(cells: Cells, rng: random.Random) -> None:
    cell = rng.choice(cells)
    cell["source"] = f"{cell['source']}\n# I am not sure about this"


MUTATIONS = (_duplicate, _duplicate, _delete, _move, _move, _split, _split, _merge, _merge_answers, _strip_metadata, _strip_some_metadata,
             _strip_ids, _strip_banners, _swap_metadata, _strange_metadata, _flags, _as_text, _empty, _insert, _comment)  # fmt: skip
