"""`make bench`: what judging, grading and training cost, as printed rows and in bench.json. Ratios within one run are what counts; machines differ."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from unittest import mock

import nbformat

from autograder import (
    bench_class,
    bench_ddpm,
    bench_images,
    bench_profile,
    bench_scale,
    course,
    demo,
    grading,
    keys,
    sandbox,
    worker,
)
from autograder.bench_rows import FILE, Rows
from autograder.runner import SECONDS, Runner, request
from helpers.judge import judge

PARTS = ("judge", "autograde", "profile", "class", "recipes", "images", "scale")
"""What `--only` knows; all of it but the last, which takes long, is `make bench`."""


def main(minutes: float = 3.0, only: str = "", stock: int = 20, count: int = 0) -> int:
    """Print the rows, and write bench.json.

    Args:
        minutes: minutes of CPU time for each training on images.
        only: one of `PARTS`; figures of other parts stay in bench.json as they are.
        stock: how many of the class of 60 stock nbgrader grades.
        count: submissions of the class (60) or of the scale (2,000).
    """
    parts: dict[str, Callable[[Rows], None]] = {
        "judge": judge_rows,
        "autograde": autograde_rows,
        "profile": bench_profile.rows,
        "class": lambda show: bench_class.rows(show, count or 60, stock),
        "recipes": lambda show: (recipe(show), bench_ddpm.recipe(show)),
        "images": lambda show: bench_images.rows(minutes, show),
        "scale": lambda show: bench_scale.rows(show, count or 2000),
    }
    show = Rows(FILE, keep=bool(only))
    show(f"{os.cpu_count()} cores", machine_cores_n=os.cpu_count() or 0)
    for name in (only,) if only else PARTS[:-1]:
        parts[name](show)
    return 0


def judge_rows(show: Rows) -> None:
    """The warm worker, the judge on every notebook, and what the sandbox adds."""
    with Runner() as runner:
        start = time.perf_counter()
        runner.observe(next(iter(course.tasks())), keys.public_item(next(iter(course.tasks()))))
        show.seconds("start the worker (once for a whole class)", time.perf_counter() - start, "worker_start_s")
        for name in course.assignment_names():
            show.seconds(f"judge all tasks of {name}", _judge(name, runner), f"judge_{name[:2]}_s")
    for name in course.assignment_names():
        sandbox_rows(name, show)


def autograde_rows(show: Rows) -> None:
    """One and six right submissions of every notebook, graded by `nbgrader autograde`."""
    for name in course.assignment_names():
        one, many = _autograde(name, 1), _autograde(name, 6)
        show.seconds(f"nbgrader autograde {name}, one submission", one, f"autograde_{name[:2]}_first_s")
        show.seconds(f"nbgrader autograde {name}, every further one", (many - one) / 5, f"autograde_{name[:2]}_further_s")


def sandbox_rows(name: str, show: Rows) -> None:
    """What judging one notebook costs more in the sandbox than without it, and in processes of their own (with the numbers' way out of
    them) than with all cells and probes in this very process: by turns for every answer, and the sum of the medians."""
    if sandbox.problem() is not None:
        show(f"(no sandbox to measure: {sandbox.problem()})")
        return
    items = {task: keys.item(task, 1) for task in course.load(name).tasks}

    def once(task: str, observe: Callable[[str, dict[str, Any]], dict[str, Any]]) -> float:
        start = time.perf_counter()
        assert judge(task, items[task], observe(task, items[task])).passed
        return time.perf_counter() - start

    def here(task: str, item: dict[str, Any]) -> dict[str, Any]:
        with mock.patch.dict(os.environ, sandbox.VARIABLES):
            return worker.run(request(task, item, None, None, SECONDS))

    with (
        Runner(caged=True) as caged,
        Runner(caged=False) as free,
        tempfile.TemporaryDirectory() as folder,
        contextlib.chdir(folder),
    ):
        ways = caged.observe, free.observe, here
        [once(task, way) for way in ways for task in items]
        times = {task: [[once(task, way) for way in ways] for _ in range(9)] for task in items}

    def adds(more: int, less: int) -> float:
        return sum(statistics.median(one[more] - one[less] for one in rounds) for rounds in times.values())

    short = name[:2]
    show.seconds(f"sandbox and outside verdict add to {name} (limit 0.5)", adds(0, 2), f"outside_adds_{short}_s")
    show.seconds("  of that, the sandbox", adds(0, 1), f"sandbox_adds_{short}_s")
    show.seconds(f"  and processes of their own, {len(items)} answers", adds(1, 2), f"processes_add_{short}_s")


RECIPE = """
import json, time
torch.set_num_threads(1)
for name, steps in (("ring", 600), ("chequerboard", 1700)):
    cpu, found = [], []
    for seed in range(3):
        torch.manual_seed(seed)
        start = time.process_time()
        trained, _ = train(getattr(data, name)(300_000), steps)
        cpu.append(time.process_time() - start)
        samples = lambda n: trained.as_score().sample_heun(n, 2, steps=25)[-1]
        found.append(metrics.w2_ratio(samples, getattr(data, name), 10_000, range(20)))
    print(json.dumps({"name": name, "cpu": sorted(cpu)[1], "ratios": found}))
"""


def recipe(show: Rows) -> None:
    """What the training recipe of notebook 03 reaches: its own cells (long ones cut short), then a measuring cell."""
    from nbclient import NotebookClient

    notebook = demo.fill(
        nbformat.read(course.ROOT / "notebooks/03_vpsde/03_vpsde.ipynb", as_version=4), demo.reference("03_vpsde")
    )
    notebook.cells.append(nbformat.v4.new_code_cell(RECIPE))
    client = NotebookClient(notebook, timeout=900, kernel_name="python3")
    client.execute(cwd=str(course.ROOT / "notebooks/03_vpsde"), env={**os.environ, "NBGRADER_EXECUTION": "validate"})
    text = "".join(output.text for output in notebook.cells[-1].outputs if output.output_type == "stream")
    for found in map(json.loads, text.split("\n")[:-1]):
        name, ratios = found["name"], found["ratios"]
        ratio = sum(ratios) / len(ratios)
        show(f"recipe of 03_vpsde, {name}: {found['cpu']:.1f} CPU s of training (median of 3), sliced W2 {ratio:.2f} times the "
             f"sampling floor (mean of 3 seeds, 20 draws each: {', '.join(f'{one:.2f}' for one in ratios)})",
             **{f"vpsde_{name}_cpu_s": found["cpu"], f"vpsde_{name}_w2_per_floor": ratio})  # fmt: skip


def _judge(name: str, runner: Runner, repeats: int = 3) -> float:
    """The median of seconds to judge a reference notebook with a warm worker."""
    notebook = _submission(name)
    times = []
    for repeat in range(repeats):
        keys.secret_item.cache_clear(), grading._secret_item.cache_clear()
        start = time.perf_counter()
        verdicts = grading.judge_notebook(notebook, name, f"student {repeat}", runner)
        times.append(time.perf_counter() - start)
        assert all(verdict.passed for verdict in verdicts.values())
    return sorted(times)[repeats // 2]


def _submission(name: str) -> nbformat.NotebookNode:
    blank = nbformat.read(course.ROOT / "notebooks" / name / f"{name}.ipynb", as_version=4)
    return demo.fill(blank, demo.reference(name))


def _autograde(name: str, students: int) -> float:
    """Seconds of one stock `nbgrader autograde` with our parts for so many copies of the reference."""
    with tempfile.TemporaryDirectory() as place:
        folder, environment = bench_class.our_course(Path(place, "course"), name)
        for number in range(students):
            path = folder / "submitted" / f"s{number}" / name / f"{name}.ipynb"
            path.parent.mkdir(parents=True)
            nbformat.write(_submission(name), path)
        return bench_class.run(folder, environment, "nbgrader", "autograde", name)[0]
