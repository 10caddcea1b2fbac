"""`make bench`: what judging and grading cost, as printed rows. Ratios within one run are what counts; machines differ."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
import time
from pathlib import Path

import nbformat

from autograder import bench_ddpm, bench_images, course, demo, grading, keys, sandbox
from autograder.runner import Runner

REPOSITORY = Path(__file__).resolve().parent.parent


def main(minutes: float = 3.0) -> int:
    """Print the table; `minutes` of CPU time go into each training on images."""
    print(f"{'':46}{'seconds':>9}")
    with Runner() as runner:
        start = time.perf_counter()
        runner.observe(next(iter(course.tasks())), keys.public_item(next(iter(course.tasks()))))
        _row("start the worker (once for a whole class)", time.perf_counter() - start)
        judged = {name: _judge(name, runner) for name in course.assignment_names()}
    for name, seconds in judged.items():
        _row(f"judge all tasks of {name}", seconds)
    sandbox_rows(next(iter(judged)))
    for name in course.assignment_names():
        one, many = _autograde(name, 1), _autograde(name, 6)
        each = (many - one) / 5
        _row(f"nbgrader autograde {name}, one submission", one)
        _row(f"nbgrader autograde {name}, every further one", each)
        _row(f"  the judge's share of that: {judged[name] / each:.0%}", judged[name])
    print(recipe())
    print(bench_ddpm.recipe())
    bench_images.rows(minutes)
    return 0


def sandbox_rows(name: str) -> None:
    """What the sandbox adds to judging one notebook: two warm workers, with and without it, by turns in one run."""
    if sandbox.problem() is not None:
        print(f"(no sandbox to measure: {sandbox.problem()})")
        return
    with Runner(caged=True) as inside, Runner(caged=False) as outside:
        _judge(name, inside, 1), _judge(name, outside, 1)
        pairs = [(_judge(name, inside, 1), _judge(name, outside, 1)) for _ in range(7)]
    differences = sorted(one - two for one, two in pairs)
    _row(f"the sandbox adds to {name} (limit 0.5)", differences[len(differences) // 2])


RECIPE = """
import time
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
    print(f"recipe of 03_vpsde, {name}: {sorted(cpu)[1]:.1f} CPU s of training (median of 3), sliced W2 "
          f"{sum(found) / 3:.2f} times the sampling floor (mean of 3 seeds, 20 draws each: {', '.join(f'{r:.2f}' for r in found)})")
"""


def recipe() -> str:
    """What the training recipe of notebook 03 reaches: its own cells (long ones cut short), then a measuring cell."""
    from nbclient import NotebookClient

    notebook = demo.fill(
        nbformat.read(course.ROOT / "notebooks/03_vpsde/03_vpsde.ipynb", as_version=4), demo.reference("03_vpsde")
    )
    notebook.cells.append(nbformat.v4.new_code_cell(RECIPE))
    client = NotebookClient(notebook, timeout=900, kernel_name="python3")
    client.execute(cwd=str(course.ROOT / "notebooks/03_vpsde"), env={**os.environ, "NBGRADER_EXECUTION": "validate"})
    return "".join(output.text for output in notebook.cells[-1].outputs if output.output_type == "stream").strip()


def _row(title: str, seconds: float) -> None:
    print(f"{title:46}{seconds:9.2f}", flush=True)


def _judge(name: str, runner: Runner, repeats: int = 3) -> float:
    """The median of seconds to judge a reference notebook with a warm worker."""
    notebook = _submission(name)
    times = []
    for repeat in range(repeats):
        keys.secret_item.cache_clear()
        start = time.perf_counter()
        verdicts = grading.judge_notebook(notebook, name, f"student {repeat}", runner)
        times.append(time.perf_counter() - start)
        assert all(verdict.passed for verdict in verdicts.values())
    return sorted(times)[repeats // 2]


def _submission(name: str) -> nbformat.NotebookNode:
    blank = nbformat.read(course.ROOT / "notebooks" / name / f"{name}.ipynb", as_version=4)
    return demo.fill(blank, demo.reference(name))


def _autograde(name: str, students: int) -> float:
    """Seconds of one stock `nbgrader autograde` for so many copies of the reference."""
    with tempfile.TemporaryDirectory() as folder:
        root = Path(folder)
        for item in ("solutions", "notebooks"):
            shutil.copytree(REPOSITORY / item, root / item)
        for item in ("course.toml", "nbgrader_config.py"):
            shutil.copy(REPOSITORY / item, root / item)
        environment = {**os.environ, "DIFFUSION_LABS_COURSE": folder, "PYTHONPATH": str(REPOSITORY)}
        if not sandbox.in_use():
            environment[sandbox.SWITCH] = "off"  # these submissions are ours

        def run(*words: str) -> float:
            start = time.perf_counter()
            subprocess.run([sys.executable, "-m", *words], cwd=root, env=environment, check=True, capture_output=True)
            return time.perf_counter() - start

        run("autograder", "release")
        for number in range(students):
            path = root / "submitted" / f"s{number}" / name / f"{name}.ipynb"
            path.parent.mkdir(parents=True)
            nbformat.write(_submission(name), path)
        return run("nbgrader", "autograde", name)
