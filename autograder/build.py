"""From solutions/ to everything else: source notebooks for nbgrader, the public answer key, and the students' notebooks.

The build repeats itself byte for byte: cell ids come from task names and positions, never from chance.
"""

from __future__ import annotations

import ast
import base64
import json
import os
import re
import sys
import tempfile
import urllib.parse
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import nbformat

import helpers
from autograder import course, keys
from autograder.course import Assignment, Cell
from autograder.runner import Runner
from autograder.salvage import statements

MARK_SCHEME = re.compile(r"=== BEGIN MARK SCHEME ===.*?=== END MARK SCHEME ===\n?", re.S)
BADGE = Path(__file__).resolve().parent.parent / "docs" / "pictures" / "badge.png"
KERNEL = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def source_notebook(assignment: Assignment) -> nbformat.NotebookNode:
    """The nbgrader source notebook of an assignment, with reference answers, mark schemes and nbgrader's metadata."""
    link = colab_link(assignment.name)
    cells = [_badge(link)] if link else []
    given = 0
    for position, cell in enumerate(assignment.cells):
        if cell.kind == "given":
            given += 1
            cells.append(_cell(cell.type, _configured(cell.source), f"given-{given:02d}", locked=True))
        elif cell.kind == "answer":
            cells.append(_cell(cell.type, cell.source, course.grade_id(cell.task), solution=True))
        elif cell.kind == "check":
            identity = course.grade_id(cell.task, "check")
            cells.append(_cell(cell.type, cell.source, identity, locked=True, grade=True, points=cell.points))
        elif cell.kind == "written":
            cells += _written(cell)
        else:
            new = nbformat.v4.new_markdown_cell if cell.type == "markdown" else nbformat.v4.new_code_cell
            cells.append(new(cell.source, id=f"{assignment.name[:2]}-{position:03d}"))
    return nbformat.v4.new_notebook(cells=cells, metadata=KERNEL)


def _badge(link: str) -> nbformat.NotebookNode:
    """The badge that opens the notebook in Colab; its picture is in the cell, so that it loads nothing and tells nobody who reads."""
    picture = base64.b64encode(BADGE.read_bytes()).decode()
    source = f"[![Open this notebook in Colab](attachment:badge.png)]({link})"
    return nbformat.v4.new_markdown_cell(source, id="colab", attachments={"badge.png": {"image/png": picture}})


def _written(cell: Cell) -> list[nbformat.NotebookNode]:
    """A question marked by hand: a task cell, whose mark scheme only the marker sees, and an ordinary cell for the answer."""
    identity = course.grade_id(cell.task)
    question = _cell("markdown", cell.source, identity, locked=True, task=True, points=cell.points)
    return [question, nbformat.v4.new_markdown_cell(f"*Your answer to {cell.task} here.*", id=f"{identity}-answer")]


def _cell(kind: str, source: str, identity: str, points: float | None = None, **flags: bool) -> nbformat.NotebookNode:
    meta: dict[str, Any] = {"grade": False, "grade_id": identity, "locked": False, "schema_version": 3}
    meta |= {"solution": False, "task": False, **flags}
    if points is not None:
        meta["points"] = int(points) if points == int(points) else points
    new = nbformat.v4.new_markdown_cell if kind == "markdown" else nbformat.v4.new_code_cell
    return new(source, id=identity, metadata={"nbgrader": meta})


def _configured(source: str) -> str:
    """Fill the address that Colab gets the helpers from, set in course.toml, and their version into the first cell."""
    address = course.settings().get("colab", {}).get("helpers", "")
    if address and not re.match(r"(https?|file)://", address):
        raise ValueError(f"[colab] helpers in course.toml is the https address of the helpers' wheel, not {address!r}.")
    filled = f"HELPERS_ADDRESS, HELPERS_VERSION = {json.dumps(address)}, {json.dumps(helpers.__version__)}"
    return source.replace('HELPERS_ADDRESS, HELPERS_VERSION = "", ""', filled)


def colab_link(name: str) -> str:
    """The address at which Colab opens a notebook; "" where `[colab] notebooks` in course.toml is empty.

    Raises:
        ValueError: if the setting is no place that Colab can open notebooks from.
    """
    given = course.settings().get("colab", {}).get("notebooks", "")
    place = given.strip("/").removeprefix("https://").removeprefix("colab.research.google.com/")
    place = re.sub(r"^github\.com/", "github/", re.sub(r"^gist\.github\.com/", "gist/", place))
    place = re.sub(r"^(github/[^/]+/[^/]+)/tree/", r"\1/blob/", place)  # what a browser shows for a folder
    if not place:
        return ""
    if re.fullmatch(r"gist/[\w-]+/[0-9a-f]+", place):
        path = f"{place}/{name}.ipynb"  # a gist has no folders
    elif re.fullmatch(r"github/[\w.-]+/[\w.-]+/blob/.+", place):
        path = f"{place}/{name}/{name}.ipynb"
    else:
        raise ValueError(
            f'[colab] notebooks in course.toml is "github/ORGANISATION/REPOSITORY/blob/BRANCH/FOLDER" or "gist/USER/ID", not {given!r}.'
        )
    return f"https://colab.research.google.com/{urllib.parse.quote(path)}"


def write_sources() -> list[Path]:
    """Write source/<name>/<name>.ipynb for every assignment: what `nbgrader generate_assignment` starts from."""
    return [
        _write(course.ROOT / "source" / name / f"{name}.ipynb", nbformat.writes(source_notebook(course.load(name))) + "\n")
        for name in course.assignment_names()
    ]


def write_keys(names: list[str] | None = None) -> list[Path]:
    """Write helpers/keys/<name>.json: the public item of every task, with the numbers of its known mistakes.

    Only mistakes that are new or whose sources have changed are run.
    """
    written = []
    with Runner() as runner:
        for name in names or course.assignment_names():
            path = Path(__file__).parent.parent / "helpers" / "keys" / f"{name}.json"
            made = json.loads(path.read_text(encoding="utf-8")) if path.exists() else {}
            items = {
                task: keys.with_mistakes(task, keys.public_item(task), runner, made.get(task))
                for task in course.load(name).tasks
            }
            text = json.dumps(items, ensure_ascii=False, separators=(",", ":")).replace('},{"name"', '},\n{"name"')
            written.append(_write(path, text + "\n"))
    return written


def write_outline() -> Path:
    """Write helpers/course.json: what a student's `progress()` and `submit()` need to know of all notebooks."""
    extra = course.settings().get("extra_credit", {}).get("assignments", [])
    outline = {}
    for name in course.assignment_names():
        cells = course.load(name).cells
        written = {cell.task: cell.points for cell in cells if cell.kind == "written"}
        ids = [cell.id for cell in source_notebook(course.load(name)).cells]
        outline[name] = {
            "title": re.search(r"^# (.+)$", cells[0].source, re.M)[1].strip(),
            "extra_credit": name in extra,
            "tasks": course.load(name).tasks,
            "written": written,
            "after": {task: (*ids, "")[ids.index(f"{course.grade_id(task)}-answer") + 1] for task in written},
        }
    path = Path(__file__).parent.parent / "helpers" / "course.json"
    return _write(path, json.dumps(outline, ensure_ascii=False, indent=1) + "\n")


def write_notebooks() -> list[Path]:
    """Release every source notebook as `nbgrader generate_assignment` does, without touching the course's gradebook."""
    with tempfile.TemporaryDirectory() as scratch:
        return [_generate_assignment(name, f"sqlite:///{scratch}/gradebook.db") for name in course.assignment_names()]


def release() -> list[Path]:
    """Write the sources, release them into the course's gradebook, and set the due dates of course.toml."""
    from nbgrader.api import Gradebook

    write_sources()
    address = nbgrader_config().CourseDirectory.db_url
    written = [_generate_assignment(name, address) for name in course.assignment_names()]
    with Gradebook(address, course.settings()["course"]["id"]) as gradebook:
        for name, due in course.settings().get("due", {}).items():
            gradebook.update_or_create_assignment(name, duedate=due.astimezone(UTC).replace(tzinfo=None))
    return written


def _generate_assignment(name: str, database: str) -> Path:
    from nbgrader.converters import GenerateAssignment
    from nbgrader.coursedir import CourseDirectory
    from nbgrader.utils import capture_log

    config = nbgrader_config()
    config.CourseDirectory.db_url = database
    config.CourseDirectory.assignment_id = name
    path = course.ROOT / "notebooks" / name / f"{name}.ipynb"
    before = path.read_text(encoding="utf-8") if path.exists() else None
    if before is not None and _worked_on(before):
        kept = _write(course.ROOT / "kept" / f"{name}-{datetime.now(UTC):%Y%m%d-%H%M%S}.ipynb", before)
        print(f"{path} had been worked in; a copy of it is {kept}.", file=sys.stderr)
    result = capture_log(GenerateAssignment(coursedir=CourseDirectory(config=config), config=config, force=True))
    lines = result.get("log", "").splitlines()
    if not result["success"]:
        if before is not None:  # nbgrader has removed it
            _write(path, before)
        refused = [line.partition("] ")[2] for line in lines if "was not released:" in line]
        raise RuntimeError(refused[0] if refused else f"nbgrader could not release {name}:\n{result.get('log', '')}")
    for line in lines:
        if line.startswith(f"[WARNING] {name}: "):
            print(line.partition("] ")[2])
    return path


def write_solution(name: str, execute: bool = False) -> Path:
    """Write built-solutions/<name>.ipynb for an instructor to read, executed with all figures if asked."""
    notebook = source_notebook(course.load(name))
    if execute:
        from nbclient import NotebookClient

        folder = course.ROOT / "built-solutions" / name  # for the files that the cells write
        folder.mkdir(parents=True, exist_ok=True)
        quiet = {**os.environ, "DIFFUSION_LABS_PROGRESS": "off"}  # an instructor's run is nobody's progress
        NotebookClient(notebook, timeout=1800, kernel_name="python3").execute(cwd=str(folder), env=quiet)
    return _write(course.ROOT / "built-solutions" / f"{name}.ipynb", nbformat.writes(notebook) + "\n")


def nbgrader_config() -> Any:
    """The configuration in nbgrader_config.py, as stock nbgrader reads it."""
    from traitlets.config import PyFileConfigLoader

    return PyFileConfigLoader("nbgrader_config.py", path=str(course.ROOT)).load_config()


def write_task_table() -> Path:
    """Write docs/tasks.md: every task with its signature, what it returns, and its points."""
    rows = ["# All tasks", "", "Made by `make build` from `solutions/`.", ""]
    for name in course.assignment_names():
        assignment = course.load(name)
        rows += [f"## {name}", "", "| task | to write | what it does | points |", "| --- | --- | --- | --- |"]
        for task, points in assignment.tasks.items():
            for number, (signature, purpose) in enumerate(_signatures(assignment.answer(task))):
                first = (f"`{task}`", f"{points:g}") if number == 0 else ("", "")
                rows.append(f"| {first[0]} | `{signature}` | {purpose} | {first[1]} |")
        for cell in assignment.cells:
            if cell.kind == "written":
                rows.append(f"| `{cell.task}` | a written answer | marked by hand with a mark scheme | {cell.points:g} |")
        rows.append("")
    return _write(Path(__file__).parent.parent / "docs" / "tasks.md", "\n".join(rows))


def _signatures(answer: str) -> list[tuple[str, str]]:
    """(signature, first line of the docstring) of every function or class in an answer cell, else its assignments."""
    found = []
    for node in statements(answer):
        if isinstance(node, ast.FunctionDef):
            owners = [ast.unparse(d.args[0]) + "." for d in node.decorator_list if isinstance(d, ast.Call) and d.args]
            purpose = (ast.get_docstring(node) or "").split("\n")[0]
            found.append((f"{''.join(owners)}{node.name}({ast.unparse(node.args)})", purpose.replace("|", "\\|")))
        elif isinstance(node, ast.ClassDef):
            found.append((f"class {node.name}", (ast.get_docstring(node) or "").split("\n")[0].replace("|", "\\|")))
        elif isinstance(node, ast.Assign):
            found.append((ast.unparse(node.targets[0]), ""))
    return found


def build() -> list[Path]:
    """Everything, in order."""
    return [*write_sources(), *write_keys(), write_outline(), *write_notebooks(), write_task_table()]


def _worked_on(notebook: str) -> bool:
    """Whether somebody has run cells of a released notebook, or answered a task in it."""
    try:
        cells = json.loads(notebook)["cells"]
        answers = [
            cell for cell in cells if cell["metadata"].get("nbgrader", {}).get("solution") and cell["cell_type"] == "code"
        ]
        run = any(cell.get("execution_count") or cell.get("outputs") for cell in cells)
        return run or any("raise NotImplementedError" not in "".join(cell["source"]) for cell in answers)
    except (ValueError, KeyError, TypeError, AttributeError):
        return True


def _write(path: Path, text: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    if not path.exists() or path.read_text(encoding="utf-8") != text:
        path.write_text(text, encoding="utf-8")
    return path
