"""What checks find is kept in a student's own file, shown by progress(); stale objects are noticed; opened tasks open."""

from __future__ import annotations

import json
import os
import sys

import pytest

from autograder import course
from autograder.opened import encode
from helpers import notebook, overview, panel, records, stale, unlocking

RIGHT = """# ==== TODO sampling.gaussian: about 2 lines ====
import torch
def sample_gaussian(n, mean, cov, generator=None):
    return torch.distributions.MultivariateNormal(mean, cov).sample((n,))
"""
CHECK = 'from helpers import check\ncheck("sampling.gaussian", sample_gaussian)'


@pytest.fixture
def shell(tmp_path, monkeypatch):
    """A session of IPython as a kernel has it, in a folder of its own."""
    from IPython.core.interactiveshell import InteractiveShell
    from traitlets.config import Config

    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(records, "DRIVE", tmp_path / "no-drive")
    monkeypatch.setattr(records, "_complained", set())
    monkeypatch.setattr(stale, "_said", set())
    monkeypatch.setattr(unlocking, "opened", set())
    monkeypatch.setattr(notebook, "attached", {})
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    monkeypatch.delenv(records.SWITCH, raising=False)
    main = sys.modules["__main__"]
    session = InteractiveShell.instance(config=Config({"HistoryManager": {"hist_file": ":memory:"}}))
    yield session
    session.history_manager.end_session()
    InteractiveShell.clear_instance()
    sys.modules["__main__"] = main


def run(shell, capsys, source: str) -> str:
    """What a cell shows."""
    result = shell.run_cell(source, store_history=True)
    assert result.success, source
    return capsys.readouterr().out


def test_checks_are_kept_and_progress_shows_them(shell, capsys, tmp_path):
    run(shell, capsys, RIGHT)
    assert "right" in run(shell, capsys, CHECK)
    run(shell, capsys, 'check("sampling.log_prob", print)')
    lines = [json.loads(line) for line in (tmp_path / records.FILE).read_text().split("\n") if line]
    assert [(line["task"], line["passed"]) for line in lines] == [("sampling.gaussian", True), ("sampling.log_prob", False)]
    assert lines[0]["cell"] == records.digest(RIGHT) and set(lines[0]) == {"task", "passed", "time", "cell"}
    run(shell, capsys, "def perturb(*_): raise NotImplementedError('sampling.perturb')\ncheck('sampling.perturb', perturb)")
    out = run(shell, capsys, "from helpers import progress\nprogress()")
    assert "by your own checks; grading uses other numbers" in out
    assert "█▒·····  1 passed, 1 failed, 5 not tried; 3 of 20 points; written: none" in out
    assert "Together: 3 of " in out and "Next: sampling.log_prob in 01_sampling (its last check failed)." in out
    assert "(extra credit)" in out


def test_the_last_check_of_a_task_counts_and_broken_lines_cost_themselves_alone(shell, capsys, tmp_path):
    records.keep("mlp.forward", passed=True)
    path = tmp_path / records.FILE
    path.write_bytes(
        path.read_bytes() + b'\n{"task": "mlp.init", "pas\n[]\n{"task": "mlp.init", "time": 3}\n\xff\xfe{"task": "mlp'
    )
    before = path.read_bytes()
    records.keep("mlp.forward", passed=False)  # begins a line of its own after the broken one
    assert path.read_bytes().startswith(before)
    found, notes = records.read()
    assert list(found) == ["mlp.forward"] and not found["mlp.forward"]["passed"]
    assert notes == [f"4 lines of {records.FILE} cannot be read; the rest counts, and nothing was changed in it."]
    assert notes[0] in run(shell, capsys, "from helpers import progress\nprogress()")


def test_two_notebooks_write_at_the_same_time_and_nothing_is_lost(shell, tmp_path):
    from concurrent.futures import ThreadPoolExecutor

    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda number: records.keep(f"t.{number}", passed=True), range(400)))
    assert set(records.read()[0]) == {f"t.{number}" for number in range(400)} and records.read()[1] == []


def test_one_file_serves_all_notebooks_of_a_course_folder(shell, tmp_path, monkeypatch):
    (tmp_path / "helpers").mkdir()
    (tmp_path / "helpers" / "checks.py").touch()
    for name in ("03_vpsde", "04_ddpm"):
        folder = tmp_path / "notebooks" / name
        folder.mkdir(parents=True)
        monkeypatch.chdir(folder)
        records.keep(f"{name}.x", passed=True)
    assert set(records.read()[0]) == {"03_vpsde.x", "04_ddpm.x"} and (tmp_path / records.FILE).exists()
    drive = tmp_path / "drive"
    drive.mkdir()
    monkeypatch.setattr(records, "DRIVE", drive)
    records.keep("c.d", passed=True)
    assert (drive / "diffusion-labs" / records.FILE).exists()


def test_nothing_is_written_while_grading_outside_notebooks_or_when_switched_off(shell, capsys, tmp_path, monkeypatch):
    monkeypatch.setenv(records.SWITCH, "off")
    assert records.keep("a.b", passed=True) == ""
    monkeypatch.delenv(records.SWITCH)
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    run(shell, capsys, RIGHT)
    assert "right" in run(shell, capsys, CHECK)
    quiet = run(shell, capsys, "from helpers import progress, submit, unlock\nprogress(); submit(); unlock('a.b', 'no key')")
    assert quiet == "" and stale._after_cell not in shell.events.callbacks["post_run_cell"]
    monkeypatch.delenv("NBGRADER_EXECUTION")
    monkeypatch.setattr(records, "shell", lambda: None)
    assert records.keep("a.b", passed=True) == ""
    assert list(tmp_path.iterdir()) == []


def test_a_notebook_that_cannot_be_read_is_not_said_to_be_elsewhere(shell, capsys, tmp_path):
    (tmp_path / "04_ddpm.ipynb").write_text("{")
    shown = run(shell, capsys, "from helpers import progress\nprogress()")
    assert shown.count("file cannot be read") == 1 and shown.count("file not here") > 1


@pytest.mark.skipif(os.name == "nt", reason="a folder in the way of the file")
def test_a_file_that_cannot_be_written_is_one_sentence_once_and_the_check_goes_on(shell, capsys, tmp_path):
    (tmp_path / records.FILE).mkdir()
    run(shell, capsys, RIGHT)
    first, second = run(shell, capsys, CHECK), run(shell, capsys, CHECK)
    assert f"Your progress cannot be kept in {records.FILE}: it is a folder." in first and "right" in first
    assert "right" in second and "cannot be kept" not in second
    assert "cannot be read: it is a folder" in run(shell, capsys, "from helpers import progress\nprogress()")


def test_the_panel_tells_its_states_apart_without_colour_and_runs_nothing(shell):
    rows = [overview._row("01_sampling", {"sampling.gaussian": {"passed": True, "opened": False, "time": None}})]
    html = overview._html(rows)
    assert 'scope="row"' in html and "1 passed, 6 not tried" in html and "<script" not in html
    assert "repeating-linear-gradient" in panel.stripes({"failed": 1}) and "gradient" not in panel.stripes(
        {"passed": 1, "not tried": 2}
    )


# ------------------------------------------------------------------------------------------------------- stale objects

CLASSES = """
from helpers import attach
class Part: pass
class Base: pass
class Model(Base):
    def __init__(self): self.parts = {"first": [Part()]}
"""


def test_an_object_older_than_its_class_is_noticed_after_the_cell_and_by_the_check(shell, capsys):
    run(shell, capsys, CLASSES + "flow = Model()")
    run(shell, capsys, RIGHT)
    run(shell, capsys, CHECK)  # from the first check on, cells are looked after
    assert run(shell, capsys, "flow.parts") != ""
    out = run(shell, capsys, CLASSES)
    assert "flow was made from an earlier version of Model: run the cell that makes flow again." in out
    assert run(shell, capsys, "x = 1") == ""  # it is said once
    out = run(shell, capsys, 'check("sampling.gaussian", sample_gaussian)\ncheck("sampling.log_prob", flow)')
    assert out.count("flow was made from an earlier version of Model") == 1
    assert "earlier" not in run(shell, capsys, 'flow = Model()\ncheck("sampling.log_prob", flow)')


@pytest.mark.parametrize(
    ("again", "sentence"),
    [
        (
            "class Part: pass",
            "flow holds something made from an earlier version of Part: run the cells that make both again.",
        ),
        (
            "class Base: pass",
            "flow was made from Model, which builds on an earlier version of Base: run the cell that defines Model again",
        ),
        ("class Base: pass", "Model builds on an earlier version of Base: run the cell that defines Model again."),
    ],
)
def test_parts_and_bases_are_followed(shell, capsys, again, sentence):
    run(shell, capsys, CLASSES + "flow = Model()")
    assert stale.notes((shell.user_ns["flow"], shell.user_ns["Model"]), shell.user_ns) == []
    run(shell, capsys, again)
    assert any(sentence in note for note in stale.notes((shell.user_ns["flow"], shell.user_ns["Model"]), shell.user_ns))


def test_methods_lost_with_a_new_class_are_named(shell, capsys):
    run(shell, capsys, CLASSES + "@attach(Model)\ndef alpha(self): pass\n@attach(Model)\ndef sigma(self): pass")
    run(shell, capsys, "class Model: pass\n@attach(Model)\ndef sigma(self): pass")
    model = shell.user_ns["Model"]
    assert stale.notes((model,), shell.user_ns) == [
        "Model was defined anew, without alpha: run the cells that write them again."
    ]


def test_odd_objects_are_no_news_and_large_ones_are_not_searched_to_the_end(shell, capsys):
    import time

    import torch

    run(shell, capsys, CLASSES)
    run(
        shell,
        capsys,
        "class Odd:\n    def __getattr__(self, name): raise RuntimeError(name)\n    __eq__ = None\nodd = Odd()",
    )
    loop = []
    loop.append(loop)
    space = {
        **shell.user_ns,
        "loop": loop,
        "numbers": list(range(10**6)),
        "net": torch.nn.Sequential(*[torch.nn.Linear(2, 2)] * 99),
    }
    start = time.perf_counter()
    assert stale.notes(tuple(space.values()), space) == []
    assert time.perf_counter() - start < 1


# ------------------------------------------------------------------------------------------------------- opened tasks


def opened_task(task: str) -> str:
    return encode(task, course.load(course.tasks()[task]).answer(task))


def test_an_opened_task_works_for_the_cells_that_follow_and_counts_for_nothing(shell, capsys):
    key = opened_task("sampling.gaussian")
    run(
        shell,
        capsys,
        "import torch\n"
        + 'def sample_gaussian(n, mean, cov, generator=None):\n    raise NotImplementedError("sampling.gaussian")',
    )
    run(shell, capsys, "from helpers import unlock")
    wrapped = "\n ".join(key[i : i + 40] for i in range(0, len(key), 40))  # as mail programs break lines
    out = run(shell, capsys, f'unlock("sampling.gaussian", """{wrapped}""")')
    assert "sampling.gaussian is open" in out and "it is worth no points" in out
    out = run(shell, capsys, CHECK)
    assert "right" in out and "This task was opened for you: it is worth no points." in out
    out = run(shell, capsys, "from helpers import progress\nprogress()")
    assert "o······  1 opened, 6 not tried; 0 of 20 points" in out and "Next: sampling.log_prob" in out


def test_an_opened_task_is_found_by_export(shell, capsys, tmp_path):
    run(shell, capsys, "import torch\nfrom helpers import unlock")
    run(shell, capsys, f'unlock("sampling.gaussian", "{opened_task("sampling.gaussian")}")')
    run(shell, capsys, "from helpers.notebook import export\nexport('mine', sample_gaussian)")
    assert "def sample_gaussian" in (tmp_path / "mine.py").read_text() and "unlock" not in (tmp_path / "mine.py").read_text()


@pytest.mark.parametrize(
    ("call", "words"),
    [
        ('"vpsde.alpha", "abc"', "This is not a key, or a part of it is missing"),
        ('"vpsde.alpha", KEY[:-20]', "a part of it is missing"),
        ('"vpsde.sigma", KEY', "This is the key of vpsde.alpha, not of vpsde.sigma."),
        ('"vpsde.alpha", KEY', "It could not be run here (NameError: name 'attach' is not defined): run the cells above"),
        ('"vpsde.alpha"', "There is no key (vpsde.alpha.open: there is no such file or folder)"),
    ],
)
def test_a_key_that_does_not_open_is_one_sentence(shell, capsys, call, words):
    shell.user_ns["KEY"] = opened_task("vpsde.alpha")
    out = run(shell, capsys, f"from helpers import unlock\nunlock({call})")
    assert "is not open" in out and words in out and records.read()[0] == {}


def test_a_key_in_a_file_beside_the_notebook_opens(shell, capsys, tmp_path):
    (tmp_path / "sampling.gaussian.open").write_text(opened_task("sampling.gaussian") + "\n")
    assert "is open" in run(shell, capsys, "import torch\nfrom helpers import unlock\nunlock('sampling.gaussian')")


def test_every_task_has_a_key_that_gives_its_answer_back():
    for task, name in course.tasks().items():
        assert unlocking.decode(opened_task(task)) == (task, course.load(name).answer(task))
