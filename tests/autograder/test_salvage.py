"""Answers are found in whatever was handed in."""

from __future__ import annotations

import copy
import json

import nbformat
import pytest

from autograder import course, intake, salvage
from autograder.demo import CLASS, fill, reference
from autograder.grading import _names_of_the_course
from tests.conftest import REPOSITORY

NAME = "01_sampling"
PNG = "iVBORw0KGgo="
TASKS = list(course.load(NAME).tasks)


@pytest.fixture(scope="module")
def blank():
    return nbformat.read(REPOSITORY / "notebooks" / NAME / f"{NAME}.ipynb", as_version=4)


def answers(notebook) -> dict[str, str]:
    return {c.metadata.nbgrader.grade_id: c.source for c in notebook.cells if c.metadata.get("nbgrader", {}).get("solution")}


def right(name: str = NAME) -> dict[str, str]:
    return {course.grade_id(task): source for task, source in reference(name).items()}


def filled(blank):
    return fill(copy.deepcopy(blank), reference(NAME))


def test_an_untouched_submission_comes_back_whole_and_without_notes(blank):
    result = salvage.salvage(filled(blank), blank)
    assert answers(result).items() >= right().items()
    assert result.metadata.diffusion_labs.notes == []
    assert [c.id for c in result.cells] == [c.id for c in blank.cells]


@pytest.mark.parametrize("student", ["hana", "ines", "jonas", "luca"])
def test_the_demo_classes_odd_submissions(blank, student):
    make = CLASS[student]
    while make.__closure__ and make.__name__ == "<lambda>":
        make = next(cell.cell_contents for cell in make.__closure__ if callable(cell.cell_contents))
    result = salvage.salvage(make(copy.deepcopy(blank), NAME), blank)
    nbformat.validate(result)
    for identity, source in right().items():
        last = [line for line in source.splitlines() if line.strip()][-1]
        assert last in answers(result)[identity], student


def test_edited_checks_and_given_cells_are_ours_again(blank):
    mine = filled(blank)
    for cell in mine.cells:
        if cell.metadata.get("nbgrader", {}).get("locked"):
            cell.source = "def check(*_): pass"
    result = salvage.salvage(mine, blank)
    locked = [c.source for c in result.cells if c.metadata.get("nbgrader", {}).get("locked")]
    assert locked == [c.source for c in blank.cells if c.metadata.get("nbgrader", {}).get("locked")]


def test_flags_that_a_student_changed_do_not_matter(blank):
    mine = filled(blank)
    for cell in mine.cells:
        if "nbgrader" in cell.metadata:
            cell.metadata.nbgrader.update(solution=False, grade=False, locked=False, points=100)
            cell.metadata["tags"] = ["skip-execution"]
    result = salvage.salvage(mine, blank)
    assert answers(result).items() >= right().items()
    assert [c.metadata.get("nbgrader") for c in result.cells] == [c.metadata.get("nbgrader") for c in blank.cells]
    assert not any("tags" in c.metadata for c in result.cells)


@pytest.mark.parametrize("name", course.assignment_names())
def test_answers_are_found_by_what_they_define_when_banner_and_metadata_are_gone(name):
    pristine = nbformat.read(REPOSITORY / "notebooks" / name / f"{name}.ipynb", as_version=4)
    wanted = {course.grade_id(task): source for task, source in reference(name).items()}
    mine = fill(copy.deepcopy(pristine), reference(name))
    for number, cell in enumerate(mine.cells):
        cell["id"], cell["metadata"] = f"x{number}", nbformat.from_dict({})
    assert answers(salvage.salvage(mine, pristine)).items() >= wanted.items()


@pytest.mark.parametrize("name", course.assignment_names())
def test_cells_of_the_course_that_were_merged_into_an_answer_are_not_run_with_it(name):
    pristine = nbformat.read(REPOSITORY / "notebooks" / name / f"{name}.ipynb", as_version=4)
    mine = fill(copy.deepcopy(pristine), reference(name))
    given = [c for c in pristine.cells if c.cell_type == "code" and not c.metadata.get("nbgrader") and "\n" in c.source]
    for number, cell in enumerate(c for c in mine.cells if c.metadata.get("nbgrader", {}).get("grade_id") in right(name)):
        cell.source = f"{given[number % len(given)].source}\n\n{cell.source}\n{given[-1 - number % len(given)].source}\n"
    found = {task: source.strip() for task, source in answers(salvage.salvage(mine, pristine)).items()}
    assert found.items() >= {task: source.strip() for task, source in right(name).items()}.items()


@pytest.mark.parametrize(("name", "task"), [("05_mnist", "train.ema"), ("07_cifar", "cifar.flip")])
def test_a_script_that_imports_an_answer_is_not_taken_for_it(name, task):
    pristine = nbformat.read(REPOSITORY / "notebooks" / name / f"{name}.ipynb", as_version=4)
    mine = fill(copy.deepcopy(pristine), reference(name))  # without banners
    for cell in mine.cells:
        cell.metadata = {}
    assert answers(salvage.salvage(mine, pristine))[course.grade_id(task)] == reference(name)[task]


def test_a_written_answer_without_its_id_is_found_below_its_question_and_nothing_is_lost():
    name = "03_vpsde"
    pristine = nbformat.read(REPOSITORY / "notebooks" / name / f"{name}.ipynb", as_version=4)
    place = next(number for number, cell in enumerate(pristine.cells) if cell.source.startswith("*Your answer to"))
    for keeps_ids in (True, False):
        mine = copy.deepcopy(pristine)
        mine.cells[place].source = "The second part."
        mine.cells.insert(place, nbformat.v4.new_markdown_cell("The first part."))
        for number, cell in enumerate(mine.cells):
            cell.id = cell.id if keeps_ids else f"new-{number}"
        result = salvage.salvage(mine, pristine)
        text = [cell.source for cell in result.cells]
        there, other = ("The second part.", "The first part.")[:: 1 if keeps_ids else -1]
        assert text[place] == there and text.index(other) > len(pristine.cells)


def test_added_cells_and_pictures_are_kept_and_live_outputs_are_not(blank):
    mine = filled(blank)
    show = next(c for c in mine.cells if c.cell_type == "code" and "nbgrader" not in c.metadata)
    show.outputs = [
        nbformat.v4.new_output(
            "display_data", data={"image/png": PNG, "text/html": "<script>x</script>", "text/plain": "a"}
        ),
        nbformat.v4.new_output("stream", name="stderr", text="a warning"),
        nbformat.v4.new_output("display_data", data={"application/javascript": "x"}),
    ]
    mine.cells.append(nbformat.v4.new_code_cell("mine = 1"))
    tolerant = intake.tidy(json.loads(nbformat.writes(mine)))
    result = salvage.salvage(tolerant, blank)
    kept = next(c for c in result.cells if c.source == show.source)
    assert kept.outputs[0].data == {"image/png": PNG, "text/plain": "a"}
    assert [o.output_type for o in kept.outputs] == ["display_data", "stream"] and kept.outputs[1].name == "stdout"
    assert result.cells[-1].source == "mine = 1" and result.cells[-1].metadata.tags == ["added"]


@pytest.mark.parametrize(
    "content",
    [b"", b"{", b"[]", b"null", b'{"cells": 3}', b'{"cells": [3, {"cell_type": "code"}]}', b"\xff\xfe\x00", b"[" * 100_000,
     b'{"nbformat": 3, "worksheets": [{"cells": []}]}', b'{"cells": [{"cell_type": "code", "source": 7, "metadata": 8, "outputs": [1]}]}'],
)  # fmt: skip
def test_any_file_is_read_without_an_error(tmp_path, blank, content):
    path = tmp_path / "x.ipynb"
    path.write_bytes(content)
    result = salvage.salvage(intake.read_notebook(path), blank)
    nbformat.validate(result)
    assert answers(result) == answers(blank)


def test_a_missing_file_gives_a_note(tmp_path):
    notebook = intake.read_notebook(tmp_path / "none.ipynb")
    assert "could not be read" in notebook.metadata.diffusion_labs.notes[0]


def test_helper_functions_are_carried_and_the_courses_own_names_are_not(blank):
    mine = filled(blank)
    mine.cells.insert(
        3,
        nbformat.v4.new_code_cell(
            "import string\nK = 3\nrun = train_for_hours()\ndef mine(x): return x\ndef sample_gaussian(): pass"
        ),
    )
    result = salvage.salvage(mine, blank)
    carried = salvage.carried_definitions(result, _names_of_the_course(NAME))
    assert carried == ["import string", "K = 3", "def mine(x):\n    return x"]


def test_magics_and_syntax_errors_define_nothing():
    assert salvage.definitions("%matplotlib inline\ndef f(): pass\n!ls") == {"f"}
    assert salvage.definitions("def f(:") == set()


def output(**data):
    return intake.safe_output({"output_type": "display_data", "data": data})


def test_a_progress_bar_is_kept_as_it_stood_last():
    bar = "".join(f"\rtraining: {n:3d}%|{'#' * (n // 10):10s}|" for n in range(101)) + "\r\ndone\r\n50\rloss 0.25"
    kept = intake.safe_output({"output_type": "stream", "name": "stderr", "text": bar})
    assert kept.text == "training: 100%|##########|\ndone\nloss 0.25" and kept.name == "stdout"
    long = "".join(f"\r{n} of 100000" for n in range(100_000)) + "\nlast\r"
    assert intake.safe_output({"output_type": "stream", "text": [long]}).text == "99999 of 100000\nlast"
    assert intake.as_shown("\r" * 2_000_000) == ""  # at once


def test_of_an_animation_the_last_frame_is_kept():
    first, last = "iVBORw0KGgoAAAA=", "iVBORw0KGgoBBBB="
    html = f'<script>frames[0] = "data:image/png;base64,{first}"\nframes[1] = "data:image/png;base64,{last[:8]}\\\n{last[8:]}"</script>'
    kept = output(**{"text/html": html, "text/plain": "<IPython.core.display.HTML object>"}).data
    assert "".join(kept["image/png"].split()) == last and set(kept) == {"image/png", "text/plain"}
    assert kept["text/plain"] == intake.DROPPED
    assert output(**{"text/html": html, "image/png": PNG}).data == {"image/png": PNG}  # a figure of its own comes first


@pytest.mark.parametrize("html", ["<script>data:image/png;base64,QUJD</script>", "<video src='data:video/mp4;base64,AAAA'>", "data:image/",
                                  "data:image/svg+xml;base64,PHN2Zz4=", "data:image/png;base64,", "<b>x</b>"])  # fmt: skip
def test_nothing_else_of_html_is_kept(html):
    assert output(**{"text/html": html}) is None
    assert output(**{"text/html": html, "text/plain": "<IPython.core.display.HTML object>"}).data == {
        "text/plain": intake.DROPPED
    }
    assert output(**{"text/html": html, "text/plain": "Figure(2x2)"}).data == {"text/plain": "Figure(2x2)"}
