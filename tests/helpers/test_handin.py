"""submit(): says what is missing and writes one zip with a receipt, whatever is missing; bad files are one sentence."""

from __future__ import annotations

import errno
import hashlib
import json
import os
import re
import sys
import types
import zipfile
from datetime import UTC, datetime
from pathlib import Path

import nbformat
import pytest

from autograder import build, course
from autograder.demo import fill, reference
from helpers import handin, records, submit

NAME = "03_vpsde"
PICTURE = nbformat.v4.new_output("display_data", data={"image/png": "iVBORw0KGgo="})


@pytest.fixture
def here(tmp_path, monkeypatch):
    """An empty folder to work in, without Drive, Colab or JupyterLab."""
    folder = tmp_path / NAME
    folder.mkdir()
    monkeypatch.chdir(folder)
    monkeypatch.setattr(records, "DRIVE", tmp_path / "no-drive")
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    monkeypatch.delenv("JPY_SESSION_NAME", raising=False)
    return folder


def student_notebook(name=NAME):
    """A notebook as it is given out: with stubs."""
    notebook = build.source_notebook(course.load(name))
    for cell in notebook.cells:
        if cell.cell_type == "code" and cell.metadata.get("nbgrader", {}).get("solution"):
            task = cell.metadata.nbgrader.grade_id.replace("-", ".", 1)
            stub = f'    # ==== TODO {task}: about 2 lines ====\n    raise NotImplementedError("{task}")'
            cell.source = course.SOLUTION.sub(lambda _, stub=stub: stub, cell.source)
    return notebook


def solved_notebook(name=NAME):
    """Everything answered, run in order and checked."""
    notebook = fill(student_notebook(name), reference(name))
    for number, cell in enumerate((cell for cell in notebook.cells if cell.cell_type == "code"), 1):
        cell.execution_count = number
        if found := re.match(r'check\("([\w.]+)"', cell.source):
            cell.outputs = [nbformat.v4.new_output("display_data", data={"text/plain": f"✓ {found[1]}: right"})]
        elif handin.draws(cell.source):
            cell.outputs = [PICTURE]
    for cell in notebook.cells:
        if cell.source.startswith("*Your answer to"):
            cell.source = "Because the sum of independent normals is normal."
    return notebook


def save(notebook, path: Path) -> bytes:
    content = notebook if isinstance(notebook, bytes) else nbformat.writes(notebook).encode()
    path.write_bytes(content)
    return content


def handed_in(folder: Path) -> tuple[Path, dict, zipfile.ZipFile]:
    (path,) = folder.glob("handin-*.zip")
    archive = zipfile.ZipFile(path)
    return path, json.loads(archive.read("receipt.json")), archive


def test_the_zip_holds_the_notebook_and_a_receipt_that_fits_it(here, capsys):
    content = save(solved_notebook(), here / f"{NAME}.ipynb")
    submit(student="ada")
    out = capsys.readouterr().out
    path, receipt, archive = handed_in(here)
    inside = f"{NAME}/{NAME}.ipynb"
    assert set(archive.namelist()) == {"receipt.json", inside} and archive.read(inside) == content
    assert receipt["files"] == {inside: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)}}
    assert (
        receipt["format"] == 1
        and receipt["student"] == "ada"
        and set(receipt["versions"]) == {"python", "torch", "numpy", "helpers"}
    )
    when = datetime.fromisoformat(receipt["time"])
    assert when.utcoffset().total_seconds() == 0 and abs((datetime.now(UTC) - when).total_seconds()) < 60
    assert path.name == f"handin-ada-{when:%Y%m%dT%H%M%SZ}.zip"
    assert "✓ Nothing is missing." in out and receipt["files"][inside]["sha256"] in out and path.name in out
    assert list(here.glob("*.part")) == []


def test_a_blank_notebook_is_written_and_everything_blank_is_named(here, capsys):
    save(student_notebook(), here / f"{NAME}.ipynb")
    submit()
    out = capsys.readouterr().out
    path, receipt, _ = handed_in(here)
    assert path.name.startswith("handin-unnamed-") and receipt["student"] == ""
    assert 'Whose work is this? The receipt does not say: call submit(student="your id")' in out
    assert f"Not filled in: {', '.join(course.load(NAME).tasks)}." in out
    assert "Written answers still blank: vpsde.ode_or_sde." in out
    assert re.search(r"Figures are missing below \d+ cells", out) and "Nothing is missing" not in out


@pytest.mark.parametrize("name", ["03_vpsde", "04_ddpm", "07_cifar"])
def test_a_written_answer_that_was_deleted_is_blank(here, capsys, name):
    notebook = student_notebook(name)
    last = [cell for cell in notebook.cells if cell.id.endswith("-answer")][-1]
    task = re.search(r"answer to (\S+) here", last.source)[1]
    for cell in notebook.cells:
        if cell.source.startswith("*Your answer to"):
            cell.source = "Because."
    place = notebook.cells.index(last)
    del notebook.cells[place]
    save(notebook, here / f"{name}.ipynb")
    submit()
    assert f"Written answers still blank: {task}." in capsys.readouterr().out
    notebook.cells.insert(place, nbformat.v4.new_markdown_cell("Because, in a cell of my own."))
    save(notebook, here / f"{name}.ipynb")
    submit()
    assert "Written answers still blank" not in capsys.readouterr().out


def cell_of(notebook, words):
    return next(cell for cell in notebook.cells if cell.cell_type == "code" and words in cell.source)


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (lambda n: cell_of(n, 'check("vpsde.loss"').update(outputs=[]), "The check was not run: vpsde.loss."),
        (lambda n: cell_of(n, "def sigma(self").update(execution_count=999), "The check was run before the answer was changed: vpsde.sigma."),
        (lambda n: cell_of(n, 'check("vpsde.alpha"').outputs[0].data.update({"text/plain": "✗ vpsde.alpha: not yet"}), "The check has not passed: vpsde.alpha."),
        (lambda n: cell_of(n, "process = VPSDE(network=None)").update(outputs=[]), "Figures are missing below 1 cell (the first has the line “"),
        (lambda n: n.cells.append(nbformat.v4.new_code_cell('unlock("vpsde.flow", "k")')), "Opened for you, worth no points: vpsde.flow."),
    ],
)  # fmt: skip
def test_what_is_missing_is_said(here, capsys, change, sentence):
    notebook = solved_notebook()
    change(notebook)
    save(notebook, here / f"{NAME}.ipynb")
    submit(student="ada")
    out = capsys.readouterr().out
    assert sentence in out and out.count("\n    ! ") == 1, out
    handed_in(here)


def known(monkeypatch, **entries):
    monkeypatch.setattr(records, "read", lambda: (entries, []))


def test_what_checks_have_kept_tells_a_changed_answer_from_a_restarted_kernel(here, capsys, monkeypatch):
    notebook = solved_notebook()
    sigma = cell_of(notebook, "def sigma(self")
    sigma.source = f"# ==== TODO vpsde.sigma: about 2 lines ====\n{sigma.source}"
    sigma.execution_count = 999  # of an earlier session: by its number alone it seems to have been run after the check
    save(notebook, here / f"{NAME}.ipynb")
    entry = {"passed": True, "opened": False, "time": datetime(2026, 1, 1, tzinfo=UTC)}
    known(monkeypatch, **{"vpsde.sigma": {**entry, "cell": records.digest(sigma.source)}})
    submit(student="ada")
    assert "Nothing is missing" in capsys.readouterr().out
    known(monkeypatch, **{"vpsde.sigma": {**entry, "cell": records.digest(sigma.source + "\n# later")}})
    submit(student="ada")
    assert "before the answer was changed: vpsde.sigma" in capsys.readouterr().out


def test_a_file_older_than_the_last_check_is_not_saved(here, capsys, monkeypatch):
    save(solved_notebook(), here / f"{NAME}.ipynb")
    os.utime(here / f"{NAME}.ipynb", (1_700_000_000, 1_700_000_000))
    known(
        monkeypatch,
        **{
            "vpsde.loss": {"passed": True, "opened": False, "cell": None, "time": datetime.fromtimestamp(1_700_000_600, UTC)}
        },
    )
    submit(student="ada")
    assert re.search(r"The file was saved at .*, before your last check at .*: save it", capsys.readouterr().out)
    handed_in(here)


@pytest.mark.parametrize("content", [b"", b"{", b"[1]", b'{"cells": 3}', b"\xff\xfe\x00", b"[" * 100_000])
def test_a_broken_notebook_is_handed_in_as_it_is_with_one_sentence(here, capsys, content):
    save(content, here / f"{NAME}.ipynb")
    submit(student="ada")
    out = capsys.readouterr().out
    assert out.count("It cannot be read as a notebook") == 1
    _, receipt, archive = handed_in(here)
    assert archive.read(f"{NAME}/{NAME}.ipynb") == content and receipt["files"][f"{NAME}/{NAME}.ipynb"]["bytes"] == len(
        content
    )


@pytest.mark.parametrize("cells", [[None, 3, {}], [{"cell_type": "code", "source": None, "metadata": [], "outputs": [None, {"data": 3}]}],
                                   [{"cell_type": "code", "source": 'check("vpsde.loss", 1)', "outputs": [{"data": {"text/plain": [3]}}]}]])  # fmt: skip
def test_odd_cells_do_no_harm(here, capsys, cells):
    save(json.dumps({"cells": cells}).encode(), here / f"{NAME}.ipynb")
    submit(student="ada")
    assert "Not filled in" in capsys.readouterr().out
    handed_in(here)


def test_the_right_notebook_is_found_under_other_names_and_among_others(here, capsys):
    save(solved_notebook(), here / f"Copy of {NAME} (1).ipynb")
    save(nbformat.v4.new_notebook(cells=[nbformat.v4.new_code_cell("1 + 1")]), here / "scratch.ipynb")
    submit(student="ada")
    path, receipt, _ = handed_in(here)
    assert list(receipt["files"]) == [f"{NAME}/{NAME}.ipynb"] and f"from Copy of {NAME} (1).ipynb" in capsys.readouterr().out
    path.unlink()
    save(solved_notebook(), here / f"{NAME}-Copy1.ipynb")
    submit(student="ada")
    out = capsys.readouterr().out
    assert "Nothing was written" in out and f'say which one to hand in: submit("{NAME}-Copy1.ipynb")' in out
    submit(f"{NAME}-Copy1.ipynb", student="ada")
    path, _, _ = handed_in(here)
    path.unlink()
    first = save(student_notebook(), here / f"{NAME}.ipynb")  # the one with the right name is meant
    save(solved_notebook("01_sampling"), here / "01_sampling.ipynb")
    submit(student="ada")
    _, receipt, archive = handed_in(here)
    assert list(receipt["files"]) == ["01_sampling/01_sampling.ipynb", f"{NAME}/{NAME}.ipynb"]
    assert archive.read(f"{NAME}/{NAME}.ipynb") == first


def test_the_session_that_says_its_notebook_hands_in_that_one(here, monkeypatch):
    save(solved_notebook("01_sampling"), here / "01_sampling.ipynb")
    save(solved_notebook(), here / f"{NAME}.ipynb")
    monkeypatch.setenv("JPY_SESSION_NAME", str(here / f"{NAME}.ipynb"))
    submit(student="ada")
    assert list(handed_in(here)[1]["files"]) == [f"{NAME}/{NAME}.ipynb"]


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        ((), "There is no notebook of this course in "),
        (("nothing.ipynb",), "nothing.ipynb cannot be read: there is no such file or folder."),
        (("other.ipynb",), "other.ipynb is no notebook of this course"),
        ((".",), "cannot be read: it is a folder."),
        (("ada",), 'There is no notebook ada; if that is your id, call submit(student="ada").'),
    ],
)
def test_without_a_notebook_nothing_is_written(here, capsys, arguments, words):
    save(nbformat.v4.new_notebook(), here / "other.ipynb")
    submit(*arguments, student="ada")
    out = capsys.readouterr().out
    assert out.startswith("Nothing was written") and words in out and not list(here.glob("handin*"))


@pytest.mark.parametrize(
    ("number", "words"),
    [(errno.ENOSPC, "the disk is full"), (errno.EACCES, "you may not do that there"), (errno.EROFS, "read-only")],
)
def test_a_disk_that_takes_nothing_is_one_sentence_and_leaves_no_half_file(here, capsys, monkeypatch, number, words):
    save(solved_notebook(), here / f"{NAME}.ipynb")

    def fail(*_, **__):
        raise OSError(number, os.strerror(number))

    monkeypatch.setattr(zipfile.ZipFile, "writestr", fail)
    submit(student="ada")
    out = capsys.readouterr().out
    assert out.startswith("Nothing was written") and words in out and os.listdir(here) == [f"{NAME}.ipynb"]


def test_any_student_id_makes_a_file_name_and_stands_in_the_receipt_as_it_is(here):
    save(solved_notebook(), here / f"{NAME}.ipynb")
    submit(student=" ../Zoë O'Hara\n ")
    path, receipt, _ = handed_in(here)
    assert re.fullmatch(r"handin-Zo-O-Hara-\d{8}T\d{6}Z\.zip", path.name) and receipt["student"] == "../Zoë O'Hara"


# --------------------------------------------------------------------------------------------------------------- Colab


@pytest.fixture
def colab(here, monkeypatch):
    """A stand-in for google.colab: the notebook is in the page, not in a file."""
    downloads, page = [], {"answer": None}
    notebook = json.loads(nbformat.writes(solved_notebook()))
    for cell in notebook["cells"]:
        cell["metadata"] = {"id": cell.pop("id")}  # as Colab keeps them, without nbgrader's
    notebook["metadata"] = {"colab": {"name": "Copy of 03_vpsde.ipynb"}}
    page["answer"] = {"ipynb": notebook}
    modules = {
        name: types.ModuleType(name) for name in ("google", "google.colab", "google.colab._message", "google.colab.files")
    }
    modules["google.colab._message"].blocking_request = lambda kind, request="", timeout_sec=5: (
        page["answer"] if kind == "get_ipynb" else None
    )
    modules["google.colab.files"].download = downloads.append
    for name, module in modules.items():
        monkeypatch.setitem(sys.modules, name, module)
    page["downloads"] = downloads
    return page


def test_in_colab_the_page_is_asked_and_the_zip_offered_as_a_download(here, colab, capsys):
    submit(student="ada")
    out = capsys.readouterr().out
    path, receipt, archive = handed_in(here)
    assert colab["downloads"] == [str(path)] and "Your browser saves it now" in out and "✓ Nothing is missing." in out
    assert json.loads(archive.read(f"{NAME}/{NAME}.ipynb")) == colab["answer"]["ipynb"] and list(receipt["files"]) == [
        f"{NAME}/{NAME}.ipynb"
    ]


def test_in_colab_a_mounted_drive_gets_a_copy(here, colab, capsys, monkeypatch):
    drive = here / "MyDrive"
    drive.mkdir()
    monkeypatch.setattr(records, "DRIVE", drive)
    submit("03_vpsde.ipynb", student="ada")
    path, _, _ = handed_in(here)
    assert (drive / "diffusion-labs" / path.name).read_bytes() == path.read_bytes() and colab["downloads"] == []
    assert "It is on your Google Drive, in the folder diffusion-labs." in capsys.readouterr().out
    monkeypatch.chdir(drive)  # somebody who works on Drive has it there already
    submit(student="bob")
    assert "It is on your Google Drive, in MyDrive." in capsys.readouterr().out
    assert [path.name for path in drive.rglob("handin-bob*")] == [path.name for path in drive.glob("handin-bob*")]


@pytest.mark.parametrize("answer", [None, {}, {"error": "x"}, 3])
def test_in_colab_a_page_that_does_not_answer_is_one_sentence(here, colab, capsys, answer):
    colab["answer"] = answer
    submit(student="ada")
    out = capsys.readouterr().out
    assert out.startswith("Nothing was written") and "choose File, Download, Download .ipynb" in out


def test_in_colab_a_download_that_fails_says_where_the_file_is(here, colab, capsys, monkeypatch):
    monkeypatch.setattr(sys.modules["google.colab.files"], "download", lambda _: 1 / 0)
    submit(student="ada")
    assert f"Find {handed_in(here)[0].name} under Files on the left" in capsys.readouterr().out
