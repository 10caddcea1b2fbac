"""Grading on workers of a Dask scheduler: real processes, which share no folder with the one that grades, and of which some are killed."""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
import sys
import time

import nbformat
import pytest

from autograder import bench_class, cluster, course, demo, grading, keys, sandbox
from tests.conftest import REPOSITORY

pytest.importorskip("distributed")
NAME, TASK = "01_sampling", "sampling.gaussian"
STUDENTS = 8


@pytest.fixture
def folder(tmp_path):
    """A course in which a small class has handed in one answer each: even numbers a right one, odd ones a known mistake."""
    root, _ = bench_class.our_course(tmp_path / "course", NAME)
    blank = (root / "notebooks" / NAME / f"{NAME}.ipynb").read_text(encoding="utf-8")
    mistake = next(m for m in keys.misconceptions(TASK) if m.id == "sampling.gaussian:factor-transposed")
    for number in range(STUDENTS):
        answer = mistake.cell if number % 2 else course.load(NAME).answer(TASK)
        path = root / "submitted" / f"s{number}" / NAME / f"{NAME}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(demo.fill(nbformat.reads(blank, as_version=4), {TASK: f"# {number}\n{answer}\nwho = {number}"}), path)
    (root / "course.secret").write_text("0f" * 32)
    return root


@pytest.fixture
def start(tmp_path, folder):
    """Start a scheduler (`start()`) or a worker (`start("--nthreads", "1", secret=...)`); all end with the test."""
    running, file = [], tmp_path / "scheduler.json"

    def begin(*words, secret="0f" * 32, **variables):
        place = tmp_path / f"machine{len(running)}"
        place.mkdir()
        for item in ("solutions", "notebooks"):
            shutil.copytree(folder / item, place / item)
        shutil.copy(folder / "course.toml", place)
        (place / "course.secret").write_text(secret)
        environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "DIFFUSION_LABS_COURSE": str(place), **variables}
        environment |= {sandbox.SWITCH: "off"} if sandbox.problem() else {}
        kind = ["worker", "--scheduler-file", str(file), *words] if words else ["scheduler", "--port", "0", "--host", "127.0.0.1",
                                                                             "--scheduler-file", str(file)]  # fmt: skip
        command = [sys.executable, "-m", "dask", *kind, "--no-dashboard"]
        with (place / "log").open("wb") as log:
            running.append(
                subprocess.Popen(command, cwd=place, env=environment, stdout=log, stderr=log, start_new_session=True)
            )
        if words:
            return running[-1]
        while not file.exists() or not file.read_text():
            assert running[-1].poll() is None, (place / "log").read_text()
            time.sleep(0.1)
        return json.loads(file.read_text())["address"]

    begin.running, begin.file = running, file
    yield begin
    for process in reversed(running):
        process.kill()
        process.wait()


def grade(folder, address):
    environment = {**os.environ, "PYTHONPATH": str(REPOSITORY), "DIFFUSION_LABS_COURSE": str(folder)}
    environment |= {sandbox.SWITCH: "off"} if sandbox.problem() else {}
    command = [sys.executable, "-m", "autograder", "grade", NAME[:2], "--scheduler", address]
    return subprocess.Popen(
        command, cwd=folder, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )


def points(folder):
    """Each student's points for the one answer, and how many submissions the gradebook has."""
    from nbgrader.api import Gradebook

    with Gradebook(f"sqlite:///{folder}/gradebook.db", "diffusion-labs") as gradebook:
        found = [(s.student.id, sum(g.auto_score for n in s.notebooks for g in n.grades if g.auto_score))
                 for s in gradebook.assignment_submissions(NAME)]  # fmt: skip
    assert len(found) == len(dict(found))
    return dict(found)


def everybody(worth):
    return {f"s{number}": 0.0 if number % 2 else worth for number in range(STUDENTS)}


@pytest.mark.slow
def test_a_worker_that_is_killed_in_mid_run_loses_nothing(folder, start):
    address = start()
    first, _ = start("--nthreads", "1", "--no-nanny"), start("--nthreads", "1", "--no-nanny")
    process = grade(folder, address)
    while not list((folder / ".verdicts").rglob("*.json")):
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.02)
    first.kill()
    log = process.communicate(timeout=600)[0]
    assert process.returncode == 0 and re.search(rf"\b{STUDENTS} of {STUDENTS} judged", log), log
    assert points(folder) == everybody(course.load(NAME).tasks[TASK])
    kept = [json.loads(path.read_text()) for path in (folder / ".verdicts").rglob("*.json")]
    assert sum("task" in one for one in kept) == STUDENTS  # judged by the workers, and not left to nbgrader
    again = grade(folder, address)
    log = again.communicate(timeout=600)[0]
    assert again.returncode == 0 and "computed for 0.0 s" in log, log  # nothing is judged again


@pytest.mark.full
def test_a_scheduler_that_goes_away_is_said_and_the_command_goes_on_later(folder, start):
    address = start()
    start("--nthreads", "1", "--no-nanny")
    process = grade(folder, address)
    while not list((folder / ".verdicts").rglob("*.json")):
        assert process.poll() is None, process.stdout.read()
        time.sleep(0.02)
    start.running[0].kill()
    log = process.communicate(timeout=300)[0]
    assert process.returncode == 1 and f"The scheduler at {address} went away" in log and "Traceback" not in log, log
    assert not (folder / "autograded").exists()
    start.running[0].wait()
    start.file.unlink()
    process = grade(folder, start())
    start("--nthreads", "1", "--no-nanny")
    log = process.communicate(timeout=600)[0]
    assert process.returncode == 0 and f"{STUDENTS} of {STUDENTS} judged" in log, log
    assert points(folder) == everybody(course.load(NAME).tasks[TASK])


@pytest.mark.full
def test_a_worker_with_another_secret_is_refused(folder, start):
    address = start()
    start("--nthreads", "1", "--no-nanny", secret="1e" * 32)
    _wait_for_one(address)
    process = grade(folder, address)
    log = process.communicate(timeout=300)[0]
    assert process.returncode == 1 and "not a grader like this machine; what differs: course.secret." in log, log
    assert "Traceback" not in log and not (folder / "autograded").exists()


@pytest.mark.full
@pytest.mark.skipif(shutil.which("openssl") is None, reason="makes certificates with openssl, as docs/cluster.md does")
def test_over_tls_with_the_commands_and_the_configuration_of_the_page(folder, start, tmp_path, monkeypatch):
    page = (REPOSITORY / "docs" / "cluster.md").read_text(encoding="utf-8")
    place = tmp_path / "tls"
    place.mkdir()
    for line in re.findall(r"^openssl .+$", page, re.M):
        subprocess.run(line, shell=True, cwd=place, check=True, capture_output=True)
    (settings,) = re.findall(r"```yaml\n(distributed:.+?)```", page, re.S)
    (place / "distributed.yaml").write_text(settings.replace("/home/me/tls", str(place)))
    monkeypatch.setenv("DASK_CONFIG", str(place))  # in place of ~/.config/dask
    address = start()
    start("--nthreads", "1", "--no-nanny")
    assert address.startswith("tls://")
    with monkeypatch.context() as without:
        without.delenv("DASK_CONFIG")  # whoever has no certificate gets nowhere
        log = (process := grade(folder, address)).communicate(timeout=300)[0]
        assert process.returncode == 1 and f"There is no scheduler that answers at {address}" in log, log
    log = (process := grade(folder, address)).communicate(timeout=600)[0]
    assert process.returncode == 0 and f"{STUDENTS} of {STUDENTS} judged" in log, log
    assert points(folder) == everybody(course.load(NAME).tasks[TASK])


def _wait_for_one(address):
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        client.wait_for_workers(1, timeout=300)


def test_one_sentence_if_there_is_no_distributed_or_no_scheduler(monkeypatch):
    monkeypatch.setattr(cluster, "PATIENCE", 1)
    with (
        pytest.raises(cluster.Problem, match=r"There is no scheduler that answers at tcp://127\.0\.0\.1:9"),
        cluster.workers("tcp://127.0.0.1:9", NAME),
    ):
        pass
    with (
        pytest.raises(cluster.Problem, match="There is no scheduler that answers at nonsense://x"),
        cluster.workers("nonsense://x", NAME),
    ):
        pass
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(cluster.Problem, match=r"pip install 'diffusion-labs\[cluster\]'"), cluster.workers("tcp://x", NAME):
        pass


def test_a_verdict_is_kept_under_a_name_that_needs_no_number_of_the_item(monkeypatch, runner, tmp_path):
    answer = course.load(NAME).answer(TASK)
    kept = grading.Kept(tmp_path)
    verdict = grading.judge_answer(TASK, answer, 0, runner, kept=kept)
    monkeypatch.setattr(grading.keys, "secret_item", lambda *_: pytest.fail("drawn again"))
    assert verdict.passed and grading.judge_answer(TASK, answer, 0, runner, kept=kept) == verdict
    grading._secret_item.cache_clear()
    with pytest.raises(pytest.fail.Exception):
        grading.judge_answer(TASK, answer, 1, runner, kept=kept)
    with pytest.raises(pytest.fail.Exception):
        grading.judge_answer(TASK, answer + "\nother = 1", 0, runner, kept=kept)


POISON = """
import os
from autograder import salvage
stock = getattr(salvage, "stock", salvage.salvage)  # Dask loads a file like this more than once
salvage.stock = stock
def dies(notebook, pristine):
    if any("# 3\\n" in cell.source for cell in notebook.cells):
        os._exit(1)
    if any("# 5\\n" in cell.source for cell in notebook.cells):
        return dies(notebook, pristine)  # an error too deep to be sent
    return stock(notebook, pristine)
salvage.salvage = dies
"""


@pytest.mark.full
@pytest.mark.slow
def test_a_submission_that_kills_workers_does_not_stop_the_others(folder, start, tmp_path):
    address = start()
    preload = tmp_path / "poison.py"
    preload.write_text(POISON)
    start("--nthreads", "1", "--preload", str(preload))
    process = grade(folder, address)
    log = process.communicate(timeout=900)[0]
    assert process.returncode == 0 and "s3 is left to nbgrader's own run" in log, log
    assert "s5 is left to nbgrader's own run: RecursionError" in log, log
    assert points(folder) == everybody(course.load(NAME).tasks[TASK])
