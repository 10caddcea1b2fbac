"""Grading again: another file with the same time, a gradebook in another place, two commands at once, and a command that was killed."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time

import nbformat
import pytest
from nbgrader.api import Gradebook

from autograder import bench_class, course, demo, keys, parallel
from autograder.__main__ import main
from tests.conftest import REPOSITORY

NAME, TASK = "01_sampling", "sampling.gaussian"


@pytest.fixture
def here(tmp_path, monkeypatch):
    """A course whose nbgrader_config.py names a gradebook elsewhere, and how to run a command in it."""
    root, environment = bench_class.our_course(tmp_path / "course", NAME)
    (root / "gradebook.db").unlink()
    with (root / "nbgrader_config.py").open("a") as file:
        file.write(f"\nc.CourseDirectory.db_url = 'sqlite:///{tmp_path}/other.db'\n")

    def command(*words):
        done = subprocess.run([sys.executable, "-m", *words], cwd=root, text=True, stdout=subprocess.PIPE, stderr=subprocess.STDOUT,
                              env={**os.environ, **environment, "PYTHONPATH": str(REPOSITORY)})  # fmt: skip
        assert done.returncode == 0, done.stdout
        return done.stdout

    return root, command


def hand_in(root, source):
    blank = nbformat.read(root / "notebooks" / NAME / f"{NAME}.ipynb", as_version=4)
    folder = root / "submitted" / "ada" / NAME
    folder.mkdir(parents=True, exist_ok=True)
    nbformat.write(demo.fill(blank, {TASK: source}), folder / f"{NAME}.ipynb")
    (folder / "timestamp.txt").write_text("2026-11-01 12:00:00 UTC")


@pytest.mark.slow  # four runs of nbgrader
def test_another_file_with_the_same_time_is_graded_wherever_the_gradebook_is(here):
    root, command = here
    right, worth = course.load(NAME).answer(TASK), course.load(NAME).tasks[TASK]
    wrong = next(iter(keys.misconceptions(TASK))).cell

    def score():
        with Gradebook(f"sqlite:///{root.parent}/other.db", "diffusion-labs") as gradebook:
            return gradebook.find_submission(NAME, "ada").score

    command("autograder", "release")
    hand_in(root, wrong)
    command("autograder", "grade", "01")
    assert score() == 0
    hand_in(root, right)
    assert "ada" in (said := command("autograder", "grade", "01", "--diff")) and f"{worth:g}" in said
    command("autograder", "grade", "01")
    assert score() == worth
    graded = root / "autograded" / "ada" / NAME / f"{NAME}.ipynb"
    written = graded.stat().st_mtime_ns
    command("nbgrader", "autograde", NAME)
    assert graded.stat().st_mtime_ns == written  # the same file is not graded again
    hand_in(root, wrong)
    command("nbgrader", "autograde", NAME)
    assert score() == 0
    assert "ada" in command("autograder", "table")
    assert len(list((root / "releases" / NAME).iterdir())) == 1
    assert not (root / "gradebook.db").exists()


def test_a_second_grading_waits_for_the_first(tmp_path, monkeypatch, capsys):
    pytest.importorskip("fcntl")
    monkeypatch.setattr(course, "ROOT", tmp_path)
    entered = threading.Event()

    def second():
        with parallel._alone():
            entered.set()

    with parallel._alone() as lock:
        thread = threading.Thread(target=second)
        thread.start()
        assert len(lock) == 1 and not entered.wait(0.5)
    thread.join(20)
    assert entered.is_set() and "Another grading of this course is running" in capsys.readouterr().err


CHIEF = f"""
import os, time
from autograder import parallel
if __name__ == "__main__":
    with parallel._workers(1, "", "{NAME}") as pool:
        print(pool.submit(os.getpid).result(), flush=True)
        time.sleep(600)
"""


def test_workers_end_with_a_command_that_was_killed(tmp_path):
    script = tmp_path / "chief.py"
    script.write_text(CHIEF)
    chief = subprocess.Popen(
        [sys.executable, str(script)], stdout=subprocess.PIPE, text=True, env={**os.environ, "PYTHONPATH": str(REPOSITORY)}
    )
    worker = int(chief.stdout.readline())
    chief.send_signal(signal.SIGKILL)
    chief.wait()
    deadline = time.monotonic() + 20
    while alive(worker):
        assert time.monotonic() < deadline, "the worker is still there"
        time.sleep(0.1)


def alive(process):
    state = subprocess.run(["ps", "-o", "stat=", "-p", str(process)], capture_output=True, text=True).stdout.strip()
    return bool(state) and not state.startswith("Z")


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("[due]\n01_samplin = 2027-02-01T23:59:00Z", "[due] names '01_samplin'"),
        ('[due]\n01_sampling = "tomorrow"', "needs a date and a time"),
        ("[due]\n01_sampling = 2027-02-01", "needs a date and a time"),
        ('[extra_credit]\nassignments = ["06_dim"]', "is '06_ddim' meant?"),
        ('[late]\nshare_per_day = "10%"', "[late] share_per_day needs a number"),
        ("[late]\nshare_per_day = 10", "is a share of 1"),
        ("[hints]\nenabled = tru", "course.toml cannot be read"),
    ],
)
def test_what_the_settings_cannot_mean_is_one_sentence(tmp_path, monkeypatch, capsys, text, words):
    (tmp_path / "course.toml").write_text(text)
    for name in course.assignment_names():
        (tmp_path / "solutions" / name).mkdir(parents=True)
        (tmp_path / "solutions" / name / f"{name}.py").touch()
    monkeypatch.setattr(course, "ROOT", tmp_path)
    assert main(["release"]) == 2
    said = capsys.readouterr().err
    assert words in said and said.count("\n") == 1


def test_a_notebook_that_was_worked_in_is_kept_before_a_build_writes_it_anew(tmp_path):
    root, environment = bench_class.our_course(tmp_path / "course", NAME)
    assert not (root / "kept").exists()
    place = root / "notebooks" / NAME / f"{NAME}.ipynb"
    mine = nbformat.writes(demo.fill(nbformat.read(place, as_version=4), {TASK: "mine = 1"}))
    place.write_text(mine)
    bench_class.run(root, environment, "autograder", "release")
    (kept,) = (root / "kept").iterdir()
    assert kept.read_text() == mine and "mine = 1" not in place.read_text()
