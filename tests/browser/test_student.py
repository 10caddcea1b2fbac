"""A student in JupyterLab: real keys into real cells, wrong answers first, and what the page then says."""

from __future__ import annotations

import re
import textwrap
import time

import nbformat
import pytest

from autograder import build, course, demo, keys
from tests.browser import drive

WALKED = ("01_sampling", "02_mlp", "03_vpsde")
PLACE = "notebooks/{}/{}.ipynb"
SHORT = 'import os; os.environ["NBGRADER_EXECUTION"] = "validate"'  # `budget` then does two steps


@pytest.fixture(autouse=True)
def quiet(lab):
    """No test leaves an error in the browser's console or asks another computer for anything."""
    yield
    assert drive.console_errors(lab.driver) == []
    assert drive.remote_requests(lab.driver) == set()


def first_code_cell(lab):
    return next(number for number, cell in enumerate(lab.cells()) if cell["cell_type"] == "code")


def run_given(lab, start, end, everything=False):
    """Run the cells that answers build on, and those with figures and training if asked."""
    for number, cell in list(enumerate(lab.cells()))[start:end]:
        identity = cell["metadata"].get("nbgrader", {}).get("grade_id", "")
        if cell["cell_type"] == "code" and (identity.startswith("given") or (everything and not identity)):
            lab.run(number)


def said(mistake):
    """A mistake's sentence as a page shows it: what stands between backticks is code."""
    return mistake.says.replace("`", "")


def body(cell):
    """The lines of an answer below its docstring, without their common indentation."""
    return textwrap.dedent(cell.rpartition('"""\n')[2]).rstrip()


@pytest.mark.parametrize("name", course.assignment_names())
def test_a_notebook_opens_and_its_first_cell_runs_within_ten_seconds(lab, name, capsys):
    seconds = []
    for _ in range(2):  # on a busy machine the first time may be anything
        start = time.perf_counter()
        lab.open(PLACE.format(name, name))
        assert lab.run(first_code_cell(lab)) == ""
        seconds.append(time.perf_counter() - start)
        lab.close()
    with capsys.disabled():
        print(f"\n{name}: opened, and its first cell run, in {seconds[0]:.1f} s, and once more in {seconds[1]:.1f} s")
    assert min(seconds) < 10


def test_a_typed_mistake_is_named_and_a_typed_right_answer_passes(lab):
    name, task = "01_sampling", "sampling.gaussian"
    lab.open(PLACE.format(name, name))
    answer, check = lab.index(course.grade_id(task)), lab.index(course.grade_id(task, "check"))
    run_given(lab, 0, answer, everything=True)
    mistake = next(one for one in keys.misconceptions(task) if one.id.endswith("cov-as-factor"))
    lab.type_over(answer, "raise NotImplementedError", body(mistake.cell))
    assert lab.run(answer) == ""
    assert said(mistake) in lab.run(check)
    lab.type_over(answer, "factor = cov", "factor = torch.linalg.cholesky(cov)")
    lab.run(answer)
    seen = lab.run(check)
    assert f"{task}: right" in seen and said(mistake) not in seen
    lab.close()


def test_a_hint_a_progress_bar_and_a_slider_in_cells_of_the_students_own(lab):
    lab.open(PLACE.format("01_sampling", "01_sampling"))
    run_given(lab, 0, lab.index("sampling-gaussian"))
    new = lab.insert_below(lab.index("sampling-gaussian-check"))
    lab.paste(new, 'from helpers import hint\nhint("sampling.log_prob")')
    assert "sampling.log_prob: Hint 1 of 3" in lab.run(new)
    bar = lab.insert_below(new)
    lab.paste(
        bar, "import time\nfrom helpers import progress_bar\nfor _ in progress_bar(20, 'walking'):\n    time.sleep(0.2)"
    )
    lab.start(bar)
    drive.wait("the bar", lambda: re.search(r"walking: +\d+%", lab.output(bar)), 15)
    drive.wait("its end", lambda: lab.count(bar) and lab.status() == "idle", 20)
    assert lab.output(bar) == ""
    slider = lab.insert_below(bar)
    lab.paste(slider, "import ipywidgets\nipywidgets.IntSlider()")
    lab.run(slider)
    drive.wait(
        "the slider", lambda: lab.js("return nb.widgets[arguments[0]].node.querySelector('.widget-slider')", slider), 15
    )
    lab.close()


@pytest.mark.parametrize("name", WALKED)
def test_the_whole_way_through_a_notebook(lab, student, name):
    lab.open(PLACE.format(name, name))
    right, done = demo.reference(name), 0
    for task in right:
        answer, check = lab.index(course.grade_id(task)), lab.index(course.grade_id(task, "check"))
        run_given(lab, done, answer)
        done = answer
        mistake = keys.misconceptions(task)[-1]
        lab.paste(answer, mistake.cell)
        lab.run(answer)
        seen = lab.run(check)
        assert f"{task}: not yet" in seen and said(mistake) in seen, (mistake.id, seen)
        lab.paste(answer, right[task])
        lab.run(answer)
        assert f"{task}: right" in lab.run(check)
    lab.restart_and_run_all(240, SHORT if name == "03_vpsde" else "")
    lab.save()
    cells = nbformat.read(student / "notebooks" / name / f"{name}.ipynb", as_version=4).cells
    assert drive.errors_in(cells) == []
    assert all(cell.execution_count for cell in cells if cell.cell_type == "code" and cell.source.strip())
    for task in right:
        assert f"{task}: right" in lab.output(lab.index(course.grade_id(task, "check")))
    lab.close()


def test_the_badge_for_colab_is_a_picture_that_is_a_link(lab, student, monkeypatch):
    monkeypatch.setattr(course, "settings", lambda: {"colab": {"notebooks": "github/org/repo/blob/main/notebooks"}})
    notebook = build.source_notebook(course.load("01_sampling"))
    nbformat.write(notebook, student / "with_a_badge.ipynb")
    lab.open("with_a_badge.ipynb")
    find = "const image = document.querySelector('a[href*=\"colab.research\"] img'); return image && image.naturalWidth > 100 && [image.alt, image.src.slice(0, 10)]"
    assert drive.wait("the badge", lambda: lab.js(find), 15) == ["Open this notebook in Colab", "data:image"]
    new = lab.insert_below(0)
    lab.paste(new, "1 + 1")
    assert lab.run(new).endswith("2")
    lab.close()
