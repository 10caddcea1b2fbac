"""The zip for Gradescope, unpacked and run as Gradescope does, on what students upload."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import zipfile
from pathlib import Path

import nbformat
import pytest

from autograder import course, gradescope, sandbox
from autograder.demo import fill, reference
from autograder.keys import answers
from tests.conftest import REPOSITORY

NAME = "01_sampling"
TASKS = course.load(NAME).tasks
MISTAKE = "sampling.gaussian:factor-transposed"


def unpack(folder, without_sandbox=False):
    """Gradescope's folder with the zip in source/."""
    archive = gradescope.write(NAME, folder / "autograder.zip", without_sandbox)
    root = folder / "autograder"
    with zipfile.ZipFile(archive) as files:
        files.extractall(root / "source")
    (root / "submission").mkdir()
    shutil.copy(root / "source" / "run_autograder", root / "run_autograder")
    return root


def submit(root, content, name=f"{NAME}.ipynb"):
    shutil.rmtree(root / "submission")
    (root / "submission").mkdir()
    if content is not None:
        (root / "submission" / name).write_text(
            content if isinstance(content, str) else nbformat.writes(content), encoding="utf-8"
        )


def filled(**other):
    notebook = nbformat.read(REPOSITORY / "notebooks" / NAME / f"{NAME}.ipynb", as_version=4)
    return fill(notebook, {**reference(NAME), **{task.replace("__", "."): source for task, source in other.items()}})


def results(root):
    """results.json, looked at as Gradescope's documentation describes it."""
    found = json.loads((root / "results" / "results.json").read_text(encoding="utf-8"))
    assert set(found) <= {
        "score",
        "execution_time",
        "output",
        "output_format",
        "visibility",
        "stdout_visibility",
        "extra_data",
        "tests",
    }
    assert isinstance(found.get("execution_time", 0), int) and found["stdout_visibility"] == "hidden"
    for test in found.get("tests", []):
        assert {"name", "number", "score", "max_score", "status", "output", "output_format", "visibility", "tags"} == set(
            test
        )
        assert 0 <= test["score"] <= test["max_score"] and isinstance(test["output"], str) and test["output"]
        assert (test["output_format"], test["visibility"]) == ("text", "visible") and isinstance(test["tags"], list)
    assert "score" in found or found["tests"]
    return found


def start(root, **environment):
    done = subprocess.run(
        ["bash", str(root / "run_autograder")], cwd=root, capture_output=True, text=True, timeout=600,
        env={**os.environ, "GRADESCOPE_ROOT": str(root), "GRADESCOPE_PYTHON": sys.executable, **environment},
    )  # fmt: skip
    assert done.returncode == 0, done.stdout + done.stderr
    return results(root)


def points(found):
    return sum(test["score"] for test in found["tests"])


def test_the_zip_holds_what_gradescope_asks_for_and_a_secret_of_its_own(tmp_path):
    root = unpack(tmp_path)
    with zipfile.ZipFile(tmp_path / "autograder.zip") as files:
        modes = {info.filename: stat.S_IMODE(info.external_attr >> 16) for info in files.infolist()}
    assert modes["setup.sh"] == modes["run_autograder"] == 0o755
    assert not any("misconceptions" in name or "alternatives" in name for name in modes)
    assert (root / "source" / "course.secret").read_text().strip() != course.secret().hex()
    for name in ("setup.sh", "run_autograder"):
        assert subprocess.run(["bash", "-n", str(root / "source" / name)]).returncode == 0
    assert (
        "nbgrader" in (root / "source" / "setup.sh").read_text()
        and "diffusion-labs" not in (root / "source" / "setup.sh").read_text()
    )
    assert stat.S_IMODE((tmp_path / "autograder.zip").stat().st_mode) == 0o600


@pytest.fixture
def prepared(tmp_path, monkeypatch, runner):
    """The same folder for grading within this process, on one task (the others' cells are empty: they cost nothing)."""
    root = tmp_path / "autograder"
    (root / "submission").mkdir(parents=True)
    (tmp_path / "gradescope.json").write_text(json.dumps({"assignment": NAME, "without_sandbox": True}))
    for name in ("course.toml", "course.secret"):
        if (REPOSITORY / name).exists():
            shutil.copy(REPOSITORY / name, tmp_path)
    shutil.copytree(REPOSITORY / "notebooks" / NAME, tmp_path / "notebooks" / NAME)
    course.tasks(), course.secret()  # kept for the whole process: from their own place
    monkeypatch.setattr(course, "ROOT", tmp_path)
    return root


def blank_but(task, source):
    notebook = nbformat.read(REPOSITORY / "notebooks" / NAME / f"{NAME}.ipynb", as_version=4)
    return fill(notebook, {**dict.fromkeys(TASKS, ""), task: source})


@pytest.mark.slow
def test_a_right_and_a_wrong_notebook(prepared, runner):
    mistake = next(one for one in answers("misconceptions", NAME) if one.id == MISTAKE)
    submit(prepared, blank_but(mistake.task, reference(NAME)[mistake.task]))
    gradescope.run(prepared, runner)
    right = {test["name"]: test for test in results(prepared)["tests"]}
    assert right[mistake.task]["score"] == TASKS[mistake.task] and list(right) == list(TASKS)
    submit(prepared, blank_but(mistake.task, mistake.cell), "Copy of mine (2).ipynb")
    gradescope.run(prepared, runner)
    wrong = {test["name"]: test for test in results(prepared)["tests"]}
    assert wrong[mistake.task]["score"] == 0 and wrong[mistake.task]["tags"] == [MISTAKE]
    assert mistake.says.split(".")[0].split()[-1] in wrong[mistake.task]["output"]


def test_without_a_sandbox_nothing_is_graded_unless_the_zip_allows_it(prepared, runner, monkeypatch):
    monkeypatch.delenv(sandbox.SWITCH, raising=False)
    monkeypatch.setattr(sandbox, "problem", lambda: "bubblewrap (the command bwrap) is not installed")
    (course.ROOT / "gradescope.json").write_text(json.dumps({"assignment": NAME, "without_sandbox": False}))
    submit(prepared, filled())
    found = gradescope.run(prepared, runner)
    assert results(prepared)["score"] == 0 and "tests" not in found
    assert found["output"].startswith("Nothing is graded, because the sandbox") and "--without-sandbox" in found["output"]
    assert "The 0 is no grade" in found["output"]


def test_a_grader_that_fails_says_so_and_writes_no_grade(prepared, runner, monkeypatch):
    (course.ROOT / "gradescope.json").write_text("{")
    assert "the grader itself failed" in gradescope.run(prepared, runner)["output"]
    results(prepared)


def test_a_python_that_does_not_start_leaves_a_result_too(tmp_path):
    root = unpack(tmp_path)
    assert "the grader itself did not run" in start(root, GRADESCOPE_PYTHON="/bin/false")["output"]


@pytest.mark.parametrize("names, meant", [(["a.ipynb"], 0), ([f"{NAME}.ipynb", "a.ipynb"], 0), (["a.ipynb", f"my {NAME} (1).ipynb"], 1),
                                          (["x/y.ipynb", ".ipynb_checkpoints/y.ipynb"], 0), (["a.ipynb", "b.ipynb"], None), ([], None)])  # fmt: skip
def test_the_notebook_that_was_meant(tmp_path, names, meant):
    for name in names:
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text("{}")
    assert gradescope.find(tmp_path, NAME) == tmp_path / (f"{NAME}.ipynb" if meant is None else names[meant])


def nobody_has_python():
    command = ["setpriv", "--reuid=65534", "--clear-groups", "env", sys.executable, "-c", ""]  # as in sandbox.nobody_command
    return os.geteuid() == 0 and subprocess.run(command, capture_output=True).returncode == 0


@pytest.mark.full
@pytest.mark.parametrize("caged", [True, False])
def test_through_run_autograder(tmp_path, caged):
    """The unpacked zip alone, once with bubblewrap and once without, where answers run as nobody and cannot read the grader."""
    if (caged and sandbox.problem()) or (not caged and not nobody_has_python()):
        pytest.skip("needs bubblewrap; or root, and an interpreter that everybody may run")
    root = unpack(tmp_path, without_sandbox=not caged)
    tools = tmp_path / "bin"
    tools.mkdir()
    for tool in ("bash", "env", "setpriv", "chmod", "mkdir"):
        os.symlink(shutil.which(tool), tools / tool)
    environment = {} if caged else {"PATH": f"{tools}"}
    everything = sum(TASKS.values())
    submit(root, filled())
    assert points(start(root, **environment)) == everything
    spy = (
        reference(NAME)["sampling.gaussian"]
        + f"""
import pathlib as _pathlib
for _place in ({str(root / "source" / "course.secret")!r}, {str(root / "source" / "solutions")!r}):
    try:
        found = [*_pathlib.Path(_place).parent.iterdir()] and _pathlib.Path(_place).exists()
    except OSError:
        found = False
    if found:
        raise RuntimeError("I can see the grader")
"""
    )
    tmp_path.chmod(0o755)
    for folder in Path(tmp_path).parents[:2]:
        folder.chmod(0o755)  # only the grader's own folder is closed
    submit(root, filled(sampling__gaussian=spy))
    assert points(start(root, **environment)) == everything
    submit(root, json.dumps(filled())[:3000])
    broken = start(root, **environment)
    assert points(broken) == 0 and "could not be read as a notebook" in broken["output"]
    submit(root, None)
    assert "there is no such file" in start(root, **environment)["output"]
