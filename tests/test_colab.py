"""Google Colab, simulated: an empty folder, Colab's packages and nothing of this project, and notebooks as Colab writes them."""

from __future__ import annotations

import http.server
import json
import os
import re
import shutil
import subprocess
import sys
import threading
import time
import zipfile

import nbformat
import pytest

import helpers
from autograder import build, bundle, course, intake, salvage
from autograder.demo import fill, reference
from tests import colab
from tests.conftest import REPOSITORY

NAMES = course.assignment_names()
FIRST = NAMES[0]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    """The students' wheel; that it holds no answer is seen in test_bundle."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(bundle, "leaks", lambda files: [])
        return bundle.write_wheel(tmp_path_factory.mktemp("dist"))


@pytest.fixture(scope="module")
def python(tmp_path_factory):
    """The Python of an environment that has what Colab has."""
    return colab.environment(tmp_path_factory.mktemp("environment") / "venv")


def run(python, folder, source):
    """Run source as a cell of a session that starts in the folder; gives what it printed, and its last line of error."""
    done = subprocess.run([str(python), "-c", source], cwd=folder, env=colab.clean(), capture_output=True, text=True)
    return done.stdout, (done.stderr.strip().splitlines() or [""])[-1]


WHERE = "\nimport helpers; print(helpers.__file__)"


# ------------------------------------------------------------------------------------------------------ the first cell


def test_the_first_cell_has_the_same_words_in_all_notebooks_and_knows_our_version():
    assert len({colab.setup(name) for name in NAMES}) == 1
    for name in NAMES:
        cell = next(cell for cell in build.source_notebook(course.load(name)).cells if cell.cell_type == "code")
        assert f'HELPERS_ADDRESS, HELPERS_VERSION = "", "{helpers.__version__}"\n' in cell.source


@pytest.mark.slow
@pytest.mark.parametrize("how", ["uploaded", "uploaded twice", "address"])
def test_the_first_cell_gets_the_helpers_into_an_empty_folder_in_seconds(python, wheel, tmp_path, how):
    assert "No module named 'helpers'" in run(python, tmp_path, "import helpers")[1]
    if how != "address":  # a browser that has a file of that name already adds a number
        name = wheel.name if how == "uploaded" else wheel.name.replace(".whl", " (1).whl")
        (tmp_path / name).write_bytes(wheel.read_bytes())
    start = time.perf_counter()
    found, error = run(python, tmp_path, colab.setup(address=wheel.as_uri() * (how == "address")) + WHERE)
    seconds = time.perf_counter() - start
    print(f"first cell, {how}: {seconds:.1f} s")
    assert found.strip() == str(tmp_path / "helpers" / "__init__.py"), error
    assert seconds < 15
    assert {path.name for path in tmp_path.iterdir()} - {"helpers"} == {p.name for p in tmp_path.glob("*.whl")}
    assert "helpers" in run(python, tmp_path, colab.setup() + WHERE)[0]  # and again, without fetching anything


@pytest.mark.slow
def test_what_is_not_in_order_is_said(python, wheel, tmp_path):
    def error(source=None, folder=tmp_path):
        return run(python, folder, source or colab.setup())[1]

    (tmp_path / "inside").mkdir()
    message = error(folder=tmp_path / "inside")
    assert message.startswith("ImportError: The course's helpers are not here, or not in order (No module named 'helpers')")
    assert "In Colab, upload" in message and "folder icon on the left" in message

    half = tmp_path / wheel.name
    half.write_bytes(wheel.read_bytes()[:1_000_000])
    assert "File is not a zip file" in error() and not (tmp_path / "helpers").exists()
    half.unlink()

    server = http.server.HTTPServer(("127.0.0.1", 0), http.server.BaseHTTPRequestHandler)  # it answers 501 to everything
    threading.Thread(target=server.serve_forever, daemon=True).start()
    address = f"http://127.0.0.1:{server.server_address[1]}/x.whl"
    assert "HTTP Error 501" in error(colab.setup(address=address))
    server.shutdown()
    server.server_close()
    assert "Connection refused" in error(colab.setup(address=address))

    (tmp_path / "helpers.py").write_text("x = 1\n")
    assert f"cannot import name 'begin' from 'helpers' ({tmp_path / 'helpers.py'})" in error()
    (tmp_path / "helpers.py").unlink()
    (tmp_path / "helpers").mkdir()
    (tmp_path / "helpers" / "mine.py").write_text("x = 1\n")
    half.write_bytes(wheel.read_bytes())
    assert "Directory not empty" in error() and os.listdir(tmp_path / "helpers") == ["mine.py"]
    (tmp_path / "helpers" / "mine.py").unlink()

    assert not error(colab.setup(version=helpers.__version__))
    assert f"are of version {helpers.__version__}, and this notebook needs 99.1" in error(colab.setup(version="99.1"))
    (tmp_path / "helpers" / "judge.py").unlink()
    assert "No module named 'helpers.judge'" in error()


def test_versions_are_compared_as_numbers(monkeypatch):
    monkeypatch.setattr(helpers, "__version__", "0.10.0")
    helpers.begin("0.9.1")
    helpers.begin("")
    with pytest.raises(ImportError, match=r"needs 0\.11\.0"):
        helpers.begin("0.11.0")


def test_in_colab_the_first_cell_says_where_files_go(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    helpers.begin()
    assert not capsys.readouterr().out
    monkeypatch.setitem(sys.modules, "google.colab", object())
    helpers.begin()
    assert f"goes to {tmp_path}, and Colab deletes that" in capsys.readouterr().out
    monkeypatch.setattr("helpers.notebook.DRIVE", tmp_path)
    helpers.begin()
    assert not capsys.readouterr().out


def test_panels_need_nothing_that_colabs_frame_does_not_have():
    from helpers import panel
    from helpers.judge import Line, Verdict

    lines = (Line("a property", True, "[1] <b>"), Line("another", False, "[2]"))
    pages = [panel.html(Verdict("a.b", good, lines, "A sentence.", None, ("A note.",))) for good in (True, False)]
    for page in [*pages, panel.note("a title", "A sentence.").html]:
        assert not re.search(r"<(?!/?(div|b|span)\b)|class=|var\(|url\(|https?:", page), (
            page
        )  # no scripts, style sheets, pictures
        assert "background" not in page and not re.search(r"color:(black|white|#000|#fff)", page)


# -------------------------------------------------------------------------------------------------------- the notebooks


@pytest.mark.slow
def test_nothing_is_imported_that_colab_does_not_have():
    sources = [path.read_text(encoding="utf-8") for path in (REPOSITORY / "helpers").rglob("*.py")]
    sources += [cell.source for name in NAMES for cell in course.load(name).cells if cell.type == "code"]
    ours = {
        "helpers",
        "diffusion",
        "network",
        "pieces",
        "train",
        "train_cifar",
    }  # but for the first, files that notebooks write
    owners = colab.metadata.packages_distributions()
    needed = {
        owner for top in colab.imports(sources) - set(sys.stdlib_module_names) - ours for owner in owners.get(top, [top])
    }
    assert {"torch", "matplotlib", "numpy", "tqdm"} <= needed
    assert not {colab.plain(name) for name in needed} - colab.packages()


@pytest.mark.slow
def test_all_notebooks_start_in_colab(python, wheel, tmp_path):
    (tmp_path / wheel.name).write_bytes(wheel.read_bytes())
    cells = [source for name in NAMES for source in colab.first_cells(name)]
    assert len(cells) >= 3 * len(NAMES)
    printed, error = run(python, tmp_path, "\n".join([*cells, "print(sorted(plots.COLOURS)[0], plots.__file__)"]))
    assert str(tmp_path) in printed, error


@pytest.mark.slow
def test_a_whole_notebook_with_right_answers_runs_in_colab(python, wheel, tmp_path, monkeypatch):
    from nbclient import NotebookClient

    spec = {
        "argv": [str(python), "-m", "ipykernel_launcher", "-f", "{connection_file}"],
        "display_name": "Colab",
        "language": "python",
    }
    place = tmp_path / "jupyter" / "kernels" / "colab"
    place.mkdir(parents=True)
    (place / "kernel.json").write_text(json.dumps(spec))
    for name in set(os.environ) - set(colab.clean()):
        monkeypatch.delenv(name)
    monkeypatch.setenv("JUPYTER_PATH", str(tmp_path / "jupyter"))
    folder = tmp_path / "content"
    folder.mkdir()
    (folder / wheel.name).write_bytes(wheel.read_bytes())
    notebook = fill(nbformat.read(REPOSITORY / "notebooks" / FIRST / f"{FIRST}.ipynb", as_version=4), reference(FIRST))
    notebook.cells.append(nbformat.v4.new_code_cell("import helpers; print(helpers.__file__)"))
    NotebookClient(notebook, timeout=300, kernel_name="colab").execute(cwd=str(folder))
    assert str(folder / "helpers") in notebook.cells[-1].outputs[0].text
    checks = [cell for cell in notebook.cells if cell.cell_type == "code" and cell.source.startswith("check(")]
    assert len(checks) == len(course.load(FIRST).tasks)
    assert all("right" in cell.outputs[0].data["text/plain"].splitlines()[0] for cell in checks)


# ------------------------------------------------------------------------------------------- what Colab writes is graded


def answers(name):
    """The reference's answers between the lines of the banner, where students write theirs."""
    sources = {cell.task: cell.source for cell in course.load(name).cells if cell.kind == "answer" and cell.type == "code"}
    for task, source in sources.items():
        source = source.replace("### BEGIN SOLUTION", f"# ==== TODO {task}: about 3 lines ====")
        sources[task] = source.replace("### END SOLUTION", "# ==== end of TODO ====")
    return sources


@pytest.mark.parametrize("keeps_metadata", [True, False])
@pytest.mark.parametrize("name", NAMES)
def test_all_answers_are_found_in_what_colab_writes(name, keeps_metadata, tmp_path):
    blank = nbformat.read(REPOSITORY / "notebooks" / name / f"{name}.ipynb", as_version=4)
    mine = fill(nbformat.from_dict(blank), answers(name))
    questions = [cell for cell in mine.cells if cell.cell_type == "markdown" and cell.source.startswith("*Your answer to ")]
    written = {cell.id: f"Since {cell.id} is so." for cell in questions}
    for cell in questions:
        cell.source = written[cell.id]
    path = tmp_path / f"{name}.ipynb"
    path.write_text(json.dumps(colab.as_written(mine, keeps_metadata)))
    blank = nbformat.read(REPOSITORY / "notebooks" / name / f"{name}.ipynb", as_version=4)
    result = salvage.salvage(intake.read_notebook(path), blank)
    nbformat.validate(result)
    found = {cell.metadata.nbgrader.grade_id: cell for cell in result.cells if "nbgrader" in cell.metadata}
    for task, source in answers(name).items():
        assert found[course.grade_id(task)].source.strip() == source.strip(), task
        assert "image/png" in str(found[course.grade_id(task)].outputs)
    assert {cell.id: cell.source for cell in result.cells if cell.id in written} == written
    assert ["no nbgrader metadata" in note for note in result.metadata.diffusion_labs.notes] == [True] * (not keeps_metadata)


@pytest.mark.full
def test_nbgrader_grades_what_colab_writes_in_full(tmp_path):
    from nbgrader.api import Gradebook

    environment = {**os.environ, "DIFFUSION_LABS_COURSE": str(tmp_path), "PYTHONPATH": str(REPOSITORY)}

    def command(*words):
        done = subprocess.run([sys.executable, "-m", *words], cwd=tmp_path, env=environment, capture_output=True, text=True)
        assert done.returncode == 0, done.stdout + done.stderr

    shutil.copytree(REPOSITORY / "solutions" / FIRST, tmp_path / "solutions" / FIRST)
    for name in ("nbgrader_config.py", "course.toml"):
        shutil.copy(REPOSITORY / name, tmp_path)
    command("autograder", "release")
    for student in ("kept", "lost"):
        mine = fill(nbformat.read(tmp_path / "notebooks" / FIRST / f"{FIRST}.ipynb", as_version=4), answers(FIRST))
        path = tmp_path / "submitted" / student / FIRST / f"Copy of {FIRST}.ipynb"  # as Colab calls it
        path.parent.mkdir(parents=True)
        path.write_text(json.dumps(colab.as_written(mine, student == "kept")), encoding="utf-8")
    command("nbgrader", "autograde", FIRST)
    full = sum(course.load(FIRST).tasks.values())
    with Gradebook(f"sqlite:///{tmp_path}/gradebook.db", "diffusion-labs") as gradebook:
        graded = {one.student.id: one.score for one in gradebook.assignment_submissions(FIRST)}
    assert graded == {"kept": full, "lost": full}


# ------------------------------------------------------------------------------------------------------------- the link


@pytest.mark.parametrize(
    ("place", "link"),
    [
        ("", ""),
        ("github/org/repo/blob/main/notebooks", "github/org/repo/blob/main/notebooks/01_sampling/01_sampling.ipynb"),
        ("https://github.com/org/repo/tree/main/a b/", "github/org/repo/blob/main/a%20b/01_sampling/01_sampling.ipynb"),
        ("https://colab.research.google.com/github/o/r/blob/v1/n", "github/o/r/blob/v1/n/01_sampling/01_sampling.ipynb"),
        ("gist/somebody/0123abcd", "gist/somebody/0123abcd/01_sampling.ipynb"),
        ("https://gist.github.com/somebody/0123abcd", "gist/somebody/0123abcd/01_sampling.ipynb"),
    ],
)
def test_every_notebook_begins_with_a_badge_for_colab_where_there_is_an_address(monkeypatch, place, link):
    monkeypatch.setattr(course, "settings", lambda: {"colab": {"notebooks": place}})
    first = build.source_notebook(course.load(FIRST)).cells[0]
    wanted = f"[![Open this notebook in Colab](attachment:badge.png)](https://colab.research.google.com/{link})"
    assert first.source == wanted if link else first.source.startswith("# 01")
    assert (list(first.attachments) == ["badge.png"]) if link else "attachments" not in first


@pytest.mark.parametrize(
    "setting",
    [
        {"notebooks": "my repository"},
        {"notebooks": "github/org/repo"},
        {"notebooks": "https://drive.google.com/drive/folders/abc"},
        {"helpers": "git+https://github.com/org/repo"},
        {"helpers": "diffusion_labs-0.1.0-py3-none-any.whl"},
    ],
)
def test_a_setting_that_cannot_work_is_one_sentence(monkeypatch, setting):
    monkeypatch.setattr(course, "settings", lambda: {"colab": setting})
    with pytest.raises(ValueError, match=rf"^\[colab\] {next(iter(setting))} in course.toml is .*, not '.*'\.$"):
        build.source_notebook(course.load(FIRST))


@pytest.mark.slow
def test_the_wheel_holds_the_helpers_alone_and_repeats_itself(wheel, tmp_path, monkeypatch):
    monkeypatch.setattr(bundle, "leaks", lambda files: [])
    names = set(zipfile.ZipFile(wheel).namelist())
    assert {name for name in bundle.contents() if name.startswith("helpers/")} == {
        n for n in names if n.startswith("helpers/")
    }
    assert {name.partition("/")[0] for name in names} == {"helpers", f"diffusion_labs-{helpers.__version__}.dist-info"}
    again = bundle.write_wheel(tmp_path)
    assert again.name == wheel.name and again.read_bytes() == wheel.read_bytes()
    info = zipfile.ZipFile(wheel).read(f"diffusion_labs-{helpers.__version__}.dist-info/METADATA").decode()
    assert "Requires-Dist" not in info
