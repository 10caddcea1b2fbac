"""The notebooks as students run them, with the reference answers filled in."""

from __future__ import annotations

import json
import os
import re
from html import escape

import nbformat
import pytest
from nbclient import NotebookClient

from autograder import build, course
from autograder.demo import fill, reference
from helpers import handin
from tests.conftest import REPOSITORY

NAMES = course.assignment_names()


def student_notebook(name):
    return nbformat.read(REPOSITORY / "notebooks" / name / f"{name}.ipynb", as_version=4)


def run(notebook, folder, **environment):
    client = NotebookClient(notebook, timeout=900, kernel_name="python3")
    client.execute(cwd=str(folder), env={**os.environ, **environment})
    return notebook


def pictures(notebook):
    return [
        out
        for cell in notebook.cells
        if cell.cell_type == "code"
        for out in cell.outputs
        if "image/png" in out.get("data", {})
    ]


def sizes(notebook):
    """How many bytes each cell's outputs have in the file."""
    return [len(json.dumps(cell.outputs)) for cell in notebook.cells if cell.cell_type == "code"]


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_every_cell_runs_in_seconds_while_nbgrader_executes_it(name, tmp_path):
    # slow: a kernel of its own for every notebook
    notebook = fill(student_notebook(name), reference(name))
    run(notebook, tmp_path, NBGRADER_EXECUTION="validate")
    assert pictures(notebook)
    found = handin._look(nbformat.writes(notebook).encode(), f"{name}.ipynb")
    assert not [line for line in handin.missing(found) if "Figures" in line]  # submit() asks for those that are drawn only
    for out in pictures(notebook):
        assert out.data["text/plain"] and f'alt="{escape(out.data["text/plain"])}"' in out.data["text/html"]
        assert out.metadata["image/png"]["alt"] == out.data["text/plain"]
    assert max(sizes(notebook)) < 2_000_000
    assert "widgets" not in notebook.metadata  # sliders are still figures here
    streams = [
        out for cell in notebook.cells if cell.cell_type == "code" for out in cell.outputs if out.get("name") == "stderr"
    ]
    assert not streams, streams


@pytest.mark.full
@pytest.mark.parametrize("name", NAMES)
def test_the_reference_runs_with_all_its_training_and_every_check_passes(name, tmp_path):
    notebook = run(fill(student_notebook(name), reference(name)), tmp_path, NBGRADER_EXECUTION="")
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.source.startswith("check("):
            assert "right" in cell.outputs[0].data["text/plain"].splitlines()[0], cell.source
    assert max(sizes(notebook)) < 2_000_000


@pytest.mark.parametrize("name", NAMES)
def test_the_headings_of_a_notebook_skip_no_level_and_its_file_is_small(name):
    levels = []
    for cell in student_notebook(name).cells:
        if cell.cell_type == "markdown":
            text = re.sub(r"^```.*?^```", "", cell.source, flags=re.M | re.S)
            levels += [len(signs) for signs in re.findall(r"^(#{1,6}) ", text, flags=re.M)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(after <= before + 1 for before, after in zip(levels, levels[1:], strict=False)), levels
    assert (REPOSITORY / "notebooks" / name / f"{name}.ipynb").stat().st_size < 1_000_000


def test_figures_have_a_text_alternative_and_long_cells_say_how_long():
    for name in NAMES:
        cells = course.load(name).cells
        for before, after in zip(cells, cells[1:], strict=False):
            if before.kind == "show" and before.type == "code" and re.search(r"plt\.|animate\(|explore\(", before.source):
                assert after.type == "markdown", f"{name}: no words after the figure of {before.source[:80]!r}"


@pytest.mark.slow
def test_the_first_cells_work_from_the_bundle_and_say_one_sentence_without_helpers(tmp_path):
    import subprocess
    import sys
    import zipfile

    from autograder import bundle

    zipfile.ZipFile(bundle.write(tmp_path / "b.zip")).extractall(tmp_path)
    for name in NAMES:
        setup = next(cell.source for cell in course.load(name).cells if cell.kind == "given")
        folder = tmp_path / "diffusion-labs" / "notebooks" / name
        code = f"import sys; sys.path = [p for p in sys.path if {str(REPOSITORY)!r} not in p or 'site-packages' in p]\n"
        code += "sys.meta_path = [f for f in sys.meta_path if 'editable' not in repr(f).lower()]\n" + setup
        inside = subprocess.run(
            [sys.executable, "-c", code + "\nimport helpers; print(helpers.__file__)"],
            cwd=folder,
            capture_output=True,
            text=True,
        )
        assert str(tmp_path) in inside.stdout, inside.stderr
        alone = subprocess.run([sys.executable, "-c", code], cwd=tmp_path.parent, capture_output=True, text=True)
        assert "ImportError: The course's helpers are not here" in alone.stderr


def test_the_colab_address_reaches_the_first_cell(monkeypatch):
    monkeypatch.setattr(course, "settings", lambda: {"colab": {"helpers": "https://example.org/helpers.whl"}})
    first = build.source_notebook(course.load(NAMES[0])).cells
    assert any('HELPERS_ADDRESS, HELPERS_VERSION = "https://example.org/helpers.whl", "' in cell.source for cell in first)
