"""`make demo`: a small class hands in what students really hand in, and stock nbgrader grades it.

Everything happens in demo-course/, a course folder of its own: copies of solutions/, course.toml and nbgrader_config.py.
"""

from __future__ import annotations

import copy
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import nbformat

from autograder import course, keys

REPOSITORY = Path(__file__).resolve().parent.parent
Notebook = nbformat.NotebookNode


def main() -> int:
    """Build, release, hand in, autograde, write feedback, print the table. Returns the exit code."""
    folder = REPOSITORY / "demo-course"
    if os.environ.get("DIFFUSION_LABS_COURSE") != str(folder):
        _copy_course(folder)
        command = [sys.executable, "-m", "autograder", "demo"]
        return subprocess.call(command, cwd=folder, env={**os.environ, "DIFFUSION_LABS_COURSE": str(folder)})
    from autograder import build, sandbox, table

    if not sandbox.in_use():
        os.environ[sandbox.SWITCH] = "off"  # these submissions are ours
    names = course.assignment_names()
    _say("A class hands in all notebooks, and stock nbgrader grades it: some minutes (four on two cores).")
    _say("Building the source notebooks from solutions/ ...")
    build.write_sources()
    for name in names:
        _nbgrader("generate_assignment", name)
    students = hand_in(folder, names)
    _say(f"{len(students)} students have handed in: {', '.join(students)}")
    for step in ("autograde", "generate_feedback"):
        for name in names:
            _nbgrader(step, name)
    print("\n" + table.text(table.rows()))
    place = folder.relative_to(REPOSITORY)
    print(f"""
What next:
  read a student's feedback    {place}/feedback/emil/{names[0]}/{names[0]}.html
  be a student                 make lab
  grade your own class         README.md, "An instructor's five minutes\"""")
    return 0


def _copy_course(folder: Path) -> None:
    if folder.exists():
        shutil.rmtree(folder)
    folder.mkdir()
    shutil.copytree(REPOSITORY / "solutions", folder / "solutions")
    for name in ("course.toml", "nbgrader_config.py"):
        shutil.copy(REPOSITORY / name, folder / name)


def _say(text: str) -> None:
    print(text, flush=True)


def _nbgrader(step: str, name: str) -> None:
    """Run one stock nbgrader command; its log goes to a file, and is shown when the command fails."""
    log = course.ROOT / "nbgrader.log"
    start = time.perf_counter()
    print(f"nbgrader {step} {name} ...", end=" ", flush=True)
    with log.open("a") as stream:
        command = [sys.executable, "-m", "nbgrader", step, name]
        code = subprocess.call(command, cwd=course.ROOT, stdout=stream, stderr=subprocess.STDOUT)
    _say(f"{time.perf_counter() - start:.0f} s")
    if code:
        raise SystemExit(f"nbgrader {step} {name} ended with exit code {code}. The end of {log}:\n{log.read_text()[-2000:]}")


# ------------------------------------------------------------------------------------------------------- the class


def hand_in(folder: Path, names: list[str]) -> list[str]:
    """Write submitted/<student>/<notebook>/ for the whole class; returns the students."""
    for name in names:
        blank = nbformat.read(folder / "notebooks" / name / f"{name}.ipynb", as_version=4)
        for student, make in CLASS.items():
            notebook = make(copy.deepcopy(blank), name)
            if notebook is not None:
                path = folder / "submitted" / student / name / f"{name}.ipynb"
                path.parent.mkdir(parents=True)
                if isinstance(notebook, dict) and not isinstance(notebook, Notebook):
                    path, notebook = path.with_name(notebook["filename"]), notebook["notebook"]
                path.write_text(notebook if isinstance(notebook, str) else nbformat.writes(notebook), encoding="utf-8")
    return list(CLASS)


def fill(notebook: Notebook, answers: dict[str, str]) -> Notebook:
    """Put answers (task -> source of the cell) into a student's notebook."""
    by_id = {course.grade_id(task): source for task, source in answers.items()}
    for cell in notebook.cells:
        identity = cell.metadata.get("nbgrader", {}).get("grade_id")
        if identity in by_id:
            cell.source = by_id[identity]
    return notebook


def reference(name: str) -> dict[str, str]:
    """The reference's answers, by task."""
    return {task: course.load(name).answer(task) for task in course.load(name).tasks}


def _right(notebook: Notebook, name: str) -> Notebook:
    return fill(notebook, reference(name))


def _other_style(which: int) -> Callable[[Notebook, str], Notebook]:
    """Right answers in another style wherever there are enough of them, else the reference's."""

    def make(notebook: Notebook, name: str) -> Notebook:
        answers = reference(name)
        for task in answers:
            others = [one.cell for one in keys.answers("alternatives", name) if one.task == task]
            if len(others) > which:
                answers[task] = others[which]
        return fill(notebook, answers)

    return make


def _blank(notebook: Notebook, name: str) -> Notebook:
    return notebook


CLASSIC = {
    "01_sampling": "sampling.gaussian:factor-transposed",
    "02_mlp": "mlp.fcnetwork:not-normalised",
    "03_vpsde": "vpsde.sample_ode:no-half",
    "04_ddpm": "ddpm.sample:variance-as-sd",
    "05_mnist": "mnist.add_noise:noise-variance",
    "06_ddim": "ddim.sample:neighbour-is-t-minus-1",
    "07_cifar": "cifar.large_step:means-added",
}


def _classic_mistake(notebook: Notebook, name: str) -> Notebook:
    known = {mistake.id: mistake for mistake in keys.answers("misconceptions", name)}
    mistake = known[CLASSIC[name]]
    return fill(notebook, {**reference(name), mistake.task: mistake.cell})


def _first_task_says(body: str) -> Callable[[Notebook, str], Notebook]:
    """Everything right, but the body of the first task's function is `body`."""

    def make(notebook: Notebook, name: str) -> Notebook:
        answers = reference(name)
        task = next(iter(answers))
        head = answers[task].split('"""')
        answers[task] = f'{head[0]}"""{head[1]}"""\n    {body}\n'
        return fill(notebook, answers)

    return make


def _only(name: str, make: Callable[[Notebook, str], object]) -> Callable[[Notebook, str], object]:
    """A student who hands in one notebook."""
    return lambda notebook, this: make(notebook, this) if this == name else None


def _deleted_check(notebook: Notebook, name: str) -> Notebook:
    notebook = _right(notebook, name)
    checks = [cell for cell in notebook.cells if cell.metadata.get("nbgrader", {}).get("grade")]
    notebook.cells.remove(checks[0])
    return notebook


def _duplicated_cells(notebook: Notebook, name: str) -> Notebook:
    """Kept the empty answer cell and worked in a copy; copied a check cell too."""
    filled = _right(copy.deepcopy(notebook), name)
    cells = []
    for empty, full in zip(notebook.cells, filled.cells, strict=True):
        meta = empty.metadata.get("nbgrader", {})
        if meta.get("solution") or meta.get("grade"):
            cells += [copy.deepcopy(empty), full]
        else:
            cells.append(full)
    notebook.cells = cells
    for number, cell in enumerate(notebook.cells):
        cell["id"] = f"cell-{number}"
    return notebook


def _no_metadata(notebook: Notebook, name: str) -> Notebook:
    """As some editors save it: no nbgrader metadata, other cell ids; the TODO banners are still there."""
    answers = reference(name)
    for number, cell in enumerate(notebook.cells):
        identity = cell.metadata.get("nbgrader", {}).get("grade_id", "")
        task = next((task for task in answers if course.grade_id(task) == identity), None)
        if task:
            cell.source = f"# ==== TODO {task}: about 3 lines ====\n{answers[task]}"
        cell["id"], cell["metadata"] = f"cell-{number}", nbformat.from_dict({})
    return notebook


def _broken_json(notebook: Notebook, name: str) -> str:
    return json.dumps(_right(notebook, name))[:3000]


def _noisy(notebook: Notebook, name: str) -> Notebook:
    """Right answers that warn, print and draw a progress bar on stderr."""
    noise = "import sys, warnings\nfrom tqdm import tqdm\n"
    answers = {}
    for task, source in reference(name).items():
        head, sep, body = source.rpartition('"""\n')
        lines = 'warnings.warn("careful"); print("working"); print("still working", file=sys.stderr); list(tqdm(range(3)))'
        if not sep or source.startswith("%%"):
            answers[task] = source
            continue
        indent = body[: len(body) - len(body.lstrip())]
        answers[task] = f"{noise}{head}{sep}{indent}{lines}\n{body}"
    return fill(notebook, answers)


def _helper_elsewhere(notebook: Notebook, name: str) -> Notebook:
    """A helper function in a cell of the student's own, used by an answer; the file got another name on the way."""
    answers = reference(name)
    task = next(iter(answers))
    mine = "import torch\n\ndef my_helper(value):\n    return value\n"
    answers[task] = answers[task].replace("    return ", "    return my_helper(1.0) * ", 1)
    notebook = fill(notebook, answers)
    notebook.cells.insert(2, nbformat.v4.new_code_cell(mine))
    return {"filename": f"Copy of {name} (1).ipynb", "notebook": notebook}


CLASS: dict[str, Callable[[Notebook, str], object]] = {
    "ada": _right,
    "bela": _other_style(0),
    "chen": _other_style(1),
    "dana": _blank,
    "emil": _classic_mistake,
    "fatou": _only("01_sampling", _first_task_says('raise RuntimeError("I was in the middle of something")')),
    "goran": _only("01_sampling", _first_task_says("while True: pass")),
    "hana": _only("03_vpsde", _deleted_check),
    "ines": _only("02_mlp", _duplicated_cells),
    "jonas": _only("03_vpsde", _no_metadata),
    "kira": _only("02_mlp", _broken_json),
    "luca": _noisy,
    "mina": _only("01_sampling", _helper_elsewhere),
}
