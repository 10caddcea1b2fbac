"""Where the seconds of `grade 03` go: `python -m autograder bench --only profile`. Findings are in docs/performance.md.

Everything is in seconds of computing, which a busy machine stretches less than those on the clock, except where a row says "on the clock".
"""

from __future__ import annotations

import pstats
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

from autograder import bench_class, course, grading, keys
from autograder.bench_rows import Rows
from autograder.parallel import NBGRADER
from autograder.runner import Runner
from helpers.judge import judge

NAME = bench_class.NAME
STUDENTS = [0, 1, 2, 3, 5, 6]
"""Of the class of 60: right and wrong ones, none who takes long."""

PROFILER = """
import cProfile, runpy, sys, time
file, *sys.argv = sys.argv[1:]
profile = cProfile.Profile(time.process_time)
try:
    profile.runcall(runpy.run_module, sys.argv[0], run_name="__main__", alter_sys=True)
finally:
    profile.dump_stats(file)
"""

STEPS = {
    "the submission is read (ours)": ("intake.py", "read_notebook"),
    "its answers are salvaged (ours)": ("salvage.py", "salvage"),
    "verdicts are found (ours)": ("grading.py", "judge_notebook"),
    "SaveAutoGrades: points into the gradebook": ("saveautogrades.py", "preprocess"),
    "student and submission into the gradebook": ("autograde.py", "init_assignment"),
    "CheckCellMetadata": ("checkcellmetadata.py", "preprocess"),
    "OverwriteCells": ("overwritecells.py", "preprocess"),
    "the notebook is copied before each step": ("copy.py", "deepcopy"),
    "the notebook is validated": ("exporter.py", "_validate_preprocessor"),
}
"""Steps of nbgrader's run over a submission, by the function that does it. Some are parts of others."""


def rows(show: Rows) -> None:
    """The rows of the profile."""
    judge_parts(show)
    with tempfile.TemporaryDirectory() as place:
        nbgrader_parts(show, Path(place))


def judge_parts(show: Rows) -> None:
    """What judging one right submission is made of."""
    source, used, clock = course.load(NAME), {"items": 0.0, "compare": 0.0}, 0.0
    first = next(iter(source.tasks))
    with Runner() as runner:
        start = time.perf_counter()
        runner.observe(first, keys.public_item(first))
        show.seconds("start of the warm worker, once, on the clock", time.perf_counter() - start, "profile_worker_start_s")
        times, before = [], runner.used
        for _ in range(10):
            start = time.perf_counter()
            runner.observe(first, keys.public_item(first), "raise ValueError")
            times.append(time.perf_counter() - start)
        show.seconds("a process for an answer that ends at once, on the clock", sorted(times)[5], "profile_process_s")
        show.seconds("  in that process", (runner.used - before) / 10, "profile_process_cpu_s")
        before = runner.used
        for task in source.tasks:
            start = time.process_time()
            item = keys.item(task, 1)
            used["items"] += time.process_time() - start
            start = time.perf_counter()
            seen = runner.observe(task, item, source.answer(task))
            clock += time.perf_counter() - start
            start = time.process_time()
            assert judge(task, item, seen).passed
            used["compare"] += time.process_time() - start
        show.seconds(f"one set of secret items of {NAME}, from closed forms", used["items"], "profile_items_cpu_s")
        show(f"  (a class needs {keys.POOL} sets; they are drawn once and kept)")
        show.seconds(
            f"the {len(source.tasks)} answers of {NAME} in their processes", runner.used - before, "profile_answers_cpu_s"
        )
        show.seconds("  on the clock", clock, "profile_answers_s")
        show.seconds("their numbers are compared", used["compare"], "profile_compare_cpu_s")


def nbgrader_parts(show: Rows, place: Path) -> None:
    """What nbgrader's own run takes when all verdicts are there."""
    folder, environment = bench_class.our_course(place / "course", NAME)
    blank = nbformat.read(folder / "notebooks" / NAME / f"{NAME}.ipynb", as_version=4)
    bench_class.hand_in(folder, blank, STUDENTS)
    bench_class.run(folder, environment, "autograder", "grade", NAME, "--jobs", "2")
    environment[grading.KEEP] = str(folder / ".verdicts")
    words = ["autograde", NAME, "--force"]
    _, everybody, _ = bench_class.run(folder, environment, "-c", NBGRADER, *words)
    _, one, _ = bench_class.run(folder, environment, "-c", NBGRADER, *words, "--student", f"s{STUDENTS[0]:04d}")
    each = (everybody - one) / (len(STUDENTS) - 1)
    show.seconds("nbgrader's own run with all verdicts at hand: its start", one - each, "profile_nbgrader_start_cpu_s")
    show.seconds("  each submission", each, "profile_nbgrader_each_cpu_s")
    file = place / "profile"
    profiled = [sys.executable, "-c", PROFILER, str(file), "nbgrader", *words]
    subprocess.run(profiled, cwd=folder, env=bench_class.surroundings(environment), check=True, capture_output=True)
    stats = {
        (Path(where).name, name): total for (where, _, name), (_, _, _, total, _) in pstats.Stats(str(file)).stats.items()
    }
    whole = stats["base.py", "convert_notebooks"]
    for title, step in STEPS.items():
        share = stats.get(step, 0.0) / whole
        key = f"profile_{Path(step[0]).stem}_{step[1].strip('_')}_percent"
        show(f"    {title:56}{share:9.0%}", **{key: 100 * share})
