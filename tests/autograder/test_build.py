"""notebooks/ and helpers/keys/ are exactly what solutions/ builds, and a student notebook holds stubs that name their task."""

from __future__ import annotations

import json
import re
import subprocess
import sys

import nbformat
import pytest

from autograder import build, course, keys
from tests.conftest import REPOSITORY

NAMES = course.assignment_names()


@pytest.fixture(scope="module")
def built(tmp_path_factory):
    """A second build, in a copy of the course, by the command that instructors use."""
    import os
    import shutil

    folder = tmp_path_factory.mktemp("course")
    shutil.copytree(REPOSITORY / "solutions", folder / "solutions")
    for name in ("course.toml", "nbgrader_config.py"):
        shutil.copy(REPOSITORY / name, folder / name)
    code = "from autograder import build; build.write_sources(); build.write_notebooks()"
    environment = {**os.environ, "DIFFUSION_LABS_COURSE": str(folder), "PYTHONPATH": str(REPOSITORY)}
    subprocess.run([sys.executable, "-c", code], cwd=folder, env=environment, check=True, capture_output=True)
    return folder


@pytest.mark.parametrize("name", NAMES)
def test_committed_notebooks_are_current_and_the_build_repeats_itself(built, name):
    path = f"notebooks/{name}/{name}.ipynb"
    committed = (REPOSITORY / path).read_text(encoding="utf-8")
    assert committed == (built / path).read_text(encoding="utf-8"), "run `make build` and commit notebooks/"


@pytest.mark.parametrize("name", NAMES)
def test_committed_keys_are_current(name):  # that they name every known mistake is seen in test_answers
    committed = json.loads((REPOSITORY / "helpers" / "keys" / f"{name}.json").read_text(encoding="utf-8"))
    assert list(committed) == list(course.load(name).tasks)
    for task, item in committed.items():
        assert keys.same({**item, "wrong": 0}, {**keys.public_item(task), "wrong": 0}), (
            f"{task}: run `make build` and commit"
        )
        assert {w["id"]: w["says"] for w in item["wrong"]} == {m.id: m.says for m in keys.misconceptions(task)}, task


def test_the_committed_outline_is_current_and_repeats_itself(monkeypatch):
    written = {}
    monkeypatch.setattr(build, "_write", lambda path, text: written.update({path: text}))
    build.write_outline()
    ((path, text),) = written.items()
    assert path.read_text(encoding="utf-8") == text, "run `make build` and commit helpers/course.json"
    outline = json.loads(text)
    assert {task: name for name in outline for task in outline[name]["tasks"]} == course.tasks()
    assert [name for name in outline if outline[name]["extra_credit"]] == course.settings()["extra_credit"]["assignments"]


@pytest.mark.parametrize("name", NAMES)
def test_student_notebooks(name):
    notebook = nbformat.read(REPOSITORY / "notebooks" / name / f"{name}.ipynb", as_version=4)
    nbformat.validate(notebook)
    sources = {cell.metadata.nbgrader.grade_id: cell.source for cell in notebook.cells if "nbgrader" in cell.metadata}
    assert not any(cell.get("outputs") for cell in notebook.cells)
    for task in course.load(name).tasks:
        stub = sources[course.grade_id(task)]
        assert f'raise NotImplementedError("{task}")' in stub
        assert re.search(rf"# ==== TODO {re.escape(task)}: about \d+ lines? ====", stub)
        assert "# ==== end of TODO ====" in stub
        assert f'check("{task}"' in sources[course.grade_id(task, "check")]
    ids = [cell.id for cell in notebook.cells]
    assert len(set(ids)) == len(ids)
    assert (REPOSITORY / "notebooks" / name / f"{name}.ipynb").stat().st_size < 1_000_000


@pytest.mark.parametrize("name", NAMES)
def test_headings_are_in_order(name):
    levels = [
        len(found[1])
        for cell in course.load(name).cells
        if cell.type == "markdown"
        for found in re.finditer(r"^(#+) ", cell.source, re.M)
    ]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False))


def test_every_notebook_ends_with_progress_and_submit_in_the_same_words():
    ends = [[(cell.kind, cell.source) for cell in course.load(name).cells[-3:]] for name in NAMES]
    assert all(end == ends[0] for end in ends)
    assert "progress()" in ends[0][1][1] and 'submit(student="")' in ends[0][2][1]
    assert all(kind == "show" for kind, _ in ends[0])


def test_a_written_question_becomes_a_task_cell_with_an_answer_cell_and_loses_its_mark_scheme():
    cells = build._written(
        course.Cell("written", "Why?\n\n=== BEGIN MARK SCHEME ===\nx\n=== END MARK SCHEME ===", "markdown", "a.why", 3)
    )
    assert cells[0].metadata.nbgrader.task and cells[0].metadata.nbgrader.points == 3
    assert cells[1].source == "*Your answer to a.why here.*" and "nbgrader" not in cells[1].metadata
    for name in NAMES:
        assert "MARK SCHEME" not in (REPOSITORY / "notebooks" / name / f"{name}.ipynb").read_text(encoding="utf-8")


def test_solutions_and_student_notebooks_differ_only_in_answers():
    for name in NAMES:
        release = nbformat.read(REPOSITORY / "notebooks" / name / f"{name}.ipynb", as_version=4)
        source = build.source_notebook(course.load(name))
        assert [cell.id for cell in release.cells] == [cell.id for cell in source.cells]
        for a, b in zip(release.cells, source.cells, strict=True):
            if not b.metadata.get("nbgrader", {}).get("solution") and not b.metadata.get("nbgrader", {}).get("task"):
                assert a.source == b.source
