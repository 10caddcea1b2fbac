"""Three hints for each task, none with code of an answer, shown one by one, and one sentence where there are none."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys

import pytest

from autograder import bundle, course
from helpers import hint, hints
from tests.conftest import REPOSITORY

FILES = sorted((REPOSITORY / "helpers" / "hint_texts").iterdir())


@pytest.fixture(autouse=True)
def nothing_shown_yet(monkeypatch):
    monkeypatch.setattr(hints, "_shown", {})


def shown(capsys, *arguments) -> str:
    hint(*arguments)
    return capsys.readouterr().out


def test_every_task_has_three_distinct_hints_in_the_file_of_its_notebook():
    assert list(hints.texts()) == list(course.tasks())
    assert [path.stem for path in FILES] == course.assignment_names()
    for path in FILES:
        assert all(f'["{task}"]' in path.read_text(encoding="utf-8") for task in course.load(path.stem).tasks)
    for task, three in hints.texts().items():
        assert len(set(three)) == 3, task
        assert all(20 <= len(one) <= 600 and one == one.strip() and one[-1] in ".?!" for one in three), task
        assert all(len(re.findall(r"[.?!](?= |$)", one)) <= 3 for one in three), f"{task}: one to three sentences"


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_no_hint_holds_code_of_an_answer(path):
    assert bundle.code_in_hints(path.read_text(encoding="utf-8")) == []


def test_code_in_a_hint_is_found_in_any_layout_and_a_name_is_no_code():
    text = '["sampling.log_prob"]\nidea = "(x - mean) . T, torch.linalg.cholesky( cov )"\nnear = "torch.linalg.cholesky"'
    assert bundle.code_in_hints(text) == [("sampling.log_prob", "torch.linalg.cholesky(cov)")]
    assert bundle.expressions("y = mean + z @ factor.T") == {"y=mean+z@factor.T"}  # the sum alone has 15 characters


def test_each_call_shows_the_next_one(capsys):
    three = hints.texts()["vpsde.loss"]
    for number, text in enumerate(three, 1):
        assert shown(capsys, "vpsde.loss") == f"vpsde.loss: Hint {number} of 3\n  {text}\n"
    for _ in range(2):
        out = shown(capsys, "vpsde.loss")
        assert "Hint 3 of 3" in out and three[2] in out and "There are no more hints" in out
    assert "Hint 1 of 3" in shown(capsys, "vpsde.alpha")


def test_a_number_shows_that_one_and_the_next_call_goes_on_from_it(capsys):
    assert hints.texts()["vpsde.loss"][1] in shown(capsys, "vpsde.loss", 2)
    out = shown(capsys, "vpsde.loss")
    assert "Hint 3 of 3" in out and "no more" not in out
    assert "Hint 1 of 3" in shown(capsys, "vpsde.loss", 1)
    assert "There are three hints for each task: 1, 2 and 3, and no hint 4." in shown(capsys, "vpsde.loss", 4)


@pytest.mark.parametrize(
    ("task", "words"),
    [
        ("vpsde.los", "Do you mean vpsde.loss or"),
        ("posterior_mean", "Do you mean ddpm.posterior_mean"),
        ("unet.loss", "ddpm.loss"),
        ("?", "a task's name is in the TODO line of its cell"),
    ],
)
def test_an_unknown_task_gets_one_sentence_with_names_that_are_near(capsys, task, words):
    out = shown(capsys, task)
    assert words in out and out.startswith("No hints\n") and out.count("\n") == 2


def test_a_notebook_gets_the_look_of_the_check():
    html = hints.panel.note("a.b: Hint 2 of 3", "where x < y")._repr_html_()
    assert html.startswith('<div role="status"') and "Hint 2 of 3" in html and "x &lt; y" in html


def run(folder) -> str:
    code = "import sys; from helpers import hint; hint('mlp.init'); assert 'torch' not in sys.modules"
    done = subprocess.run([sys.executable, "-c", code], cwd=folder, env={"PYTHONPATH": str(folder), "PYTHONUTF8": "1"},
                          capture_output=True, text=True)  # fmt: skip
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_it_needs_no_torch():
    assert "mlp.init: Hint 1 of 3" in run(REPOSITORY)


@pytest.mark.parametrize("enabled", [True, False])
def test_an_instructor_switches_them_off(enabled, monkeypatch, tmp_path):
    settings = {**course.settings(), "hints": {"enabled": enabled}}
    monkeypatch.setattr(course, "settings", lambda: settings)
    names = {f"helpers/hint_texts/{path.name}" for path in FILES}
    files = bundle.contents()
    assert names & set(files) == (names if enabled else set())
    for name in ("checks", "hints", "judge", "notebook", "panel", "__init__"):  # what `hint` needs of the bundle
        (tmp_path / "helpers").mkdir(exist_ok=True)
        (tmp_path / f"helpers/{name}.py").write_text(files[f"helpers/{name}.py"], encoding="utf-8")
    if enabled:
        shutil.copytree(REPOSITORY / "helpers/hint_texts", tmp_path / "helpers/hint_texts")
    out = run(tmp_path)
    assert ("Hint 1 of 3" in out) == enabled
    assert ("Your instructor has switched hints off." in out) == (not enabled)


@pytest.mark.parametrize("enabled", [True, False])
def test_the_banner_mentions_them_if_there_are_any(enabled, monkeypatch):
    import nbformat

    from autograder.nbgrader_parts import TaskStub

    monkeypatch.setattr(course, "hints_enabled", lambda: enabled)
    cell = nbformat.v4.new_code_cell("def f():\n    ### BEGIN SOLUTION\n    return 1\n    ### END SOLUTION")
    flags = {"solution": True, "grade": False, "task": False, "schema_version": 3}
    cell.metadata["nbgrader"] = {"grade_id": "mlp-init", **flags}
    stub = TaskStub().preprocess_cell(cell, {"language": "python"}, 0)[0].source
    assert ('hint("mlp.init")' in stub) == enabled
    assert "# ==== TODO mlp.init: about 1 line ====" in stub
    compile(stub, "cell", "exec")
