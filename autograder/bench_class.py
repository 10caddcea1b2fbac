"""A class of 60 in `make bench`: what grading it costs, with stock nbgrader and with ours, from the same files in one run.

`python -m autograder bench --only class` runs it alone. Stock nbgrader has its default configuration: it executes every notebook,
with its check cells, in a kernel of its own. Cells that train are left out of the notebook that it gets (ours runs none anyway).
"""

from __future__ import annotations

import ast
import copy
import os
import random
import re
import resource
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from pathlib import Path

import nbformat

from autograder import build, course, demo, keys, sandbox
from autograder.bench_rows import Rows

REPOSITORY = Path(__file__).resolve().parent.parent
NAME = "03_vpsde"
KINDS = ("right", "wrong", "right", "wrong", "blank", "right", "wrong", "crashing", "right", "slow")
"""What the students of every ten hand in."""

WAYS = (
    ("", "ours, nbgrader autograde", ("nbgrader", "autograde", NAME), False),
    ("_2jobs", "ours, grade --jobs 2", ("autograder", "grade", NAME, "--jobs", "2"), False),
    ("_2jobs_alike", "ours, grade --jobs 2, where many write alike", ("autograder", "grade", NAME, "--jobs", "2"), True),
)
"""How the class is graded: a name for the figures, a title, the command, and whether right answers are the same code for many students."""

MISTAKES = 3
"""How many of a wrong student's answers are known mistakes."""

CRASHES = ('raise RuntimeError("I was in the middle of something")', "return undefined_name", "return (")
SLOW = ("sum(k * k for k in range(1_000_000))", "while True: pass")
"""What stands at the beginning of a slow student's first function with a docstring: right after some seconds, or never."""


def answers(number: int, name: str = NAME) -> dict[str, str]:
    """The answers of a student of the class, by task. The same number always gives the same answers."""
    kind, chance = KINDS[number % len(KINDS)], random.Random(number)
    found = demo.reference(name)
    if kind == "blank":
        return {}
    if kind == "right" and number % 4:  # some write like the reference, some in other styles
        for task in found:
            found[task] = chance.choice([found[task], *(other.cell for other in keys.alternatives(task))])
    if kind == "wrong":
        for task in chance.sample(sorted(task for task in found if keys.misconceptions(task)), MISTAKES):
            found[task] = chance.choice(keys.misconceptions(task)).cell
    if kind in ("crashing", "slow"):
        bodies = CRASHES if kind == "crashing" else SLOW
        task = chance.choice([task for task, source in found.items() if '"""\n' in source])
        head, mark, rest = found[task].partition('"""\n')
        indent = rest[: len(rest) - len(rest.lstrip())]
        found[task] = f"{head}{mark}{indent}{bodies[number // len(KINDS) % len(bodies)]}\n{rest}"
    return found


def hand_in(folder: Path, blank: nbformat.NotebookNode, numbers: list[int], name: str = NAME, alike: bool = True) -> None:
    """Write submitted/<student>/<name>/ for these students. If they do not write alike, each has a line of their own, on which all answers may depend."""
    for number in numbers:
        path = folder / "submitted" / f"s{number:04d}" / name / f"{name}.ipynb"
        path.parent.mkdir(parents=True)
        notebook = demo.fill(copy.deepcopy(blank), answers(number, name))
        if not alike:
            notebook.cells.insert(1, nbformat.v4.new_code_cell(f"MINE = {number}"))
        nbformat.write(notebook, path)


def stratified(count: int, wanted: int) -> list[int]:
    """`wanted` students of `count`, of each kind about as many as its share."""
    by_kind = {kind: [n for n in range(count) if KINDS[n % len(KINDS)] == kind] for kind in dict.fromkeys(KINDS)}
    shares = {kind: wanted * len(members) / count for kind, members in by_kind.items()}
    sizes = {kind: int(share) for kind, share in shares.items()}
    for kind in sorted(shares, key=lambda kind: sizes[kind] - shares[kind])[: wanted - sum(sizes.values())]:
        sizes[kind] += 1
    return sorted(number for kind, size in sizes.items() for number in by_kind[kind][:size])


def rows(show: Rows, count: int = 60, stock: int = 20) -> None:
    """Hand in and grade the class in several ways, and print what each took.

    Args:
        show: where the rows go.
        count: students in the class.
        stock: how many of them stock nbgrader grades; its seconds a submission are multiplied for the rest.
    """
    key = f"grade_{NAME[:2]}"
    with tempfile.TemporaryDirectory() as place:
        sample = stratified(count, min(stock, count))
        found = [f"{size} {kind}" for kind, size in Counter(KINDS[n % len(KINDS)] for n in range(count)).items()]
        show(f"A class of {count} hands in {NAME}: {', '.join(found)}.", **{f"{key}_class_n": count})
        plain = _plain_course(Path(place, "stock"), sample)
        seconds, cpu, _ = run(plain, {}, "nbgrader", "autograde", NAME)
        stock_s = seconds / len(sample)
        kinds = ", ".join(f"{size} {kind}" for kind, size in Counter(KINDS[n % len(KINDS)] for n in sample).items())
        title = f"stock nbgrader autograde, {len(sample)} of them ({kinds})"
        figures = {f"{key}_stock_n": len(sample), f"{key}_stock_s": stock_s, f"{key}_stock_cpu_s": cpu / len(sample)}
        show(_row(title, stock_s, cpu / len(sample)), **figures)
        each = {}
        for name, title, words, alike in WAYS:
            folder, environment = our_course(Path(place, f"ours{name}"), NAME)
            blank = nbformat.read(folder / "notebooks" / NAME / f"{NAME}.ipynb", as_version=4)
            hand_in(folder, blank, list(range(count)), alike=alike)
            seconds, cpu, log = run(folder, environment, *words)
            each[name] = seconds / count
            title += " (CPU outside the sandbox)" if sandbox.in_use() else ""
            figures = {f"{key}_ours{name}_s": each[name], f"{key}_ours{name}_cpu_s": cpu / count}
            show(_row(title, each[name], cpu / count), **figures)
            if "--jobs" in words:
                own = float(re.search(r"computed for ([\d.]+) s", log)[1]) / count
                beyond = cpu / count - own * (not sandbox.in_use())  # what ran in a sandbox is in no count of the system's
                figures = {f"{key}_answers{name}_cpu_s": own, f"{key}_beyond_answers{name}_cpu_s": beyond}
                show(f"  in the answers' own processes {own:.2f} s of CPU, beyond them {beyond:.2f} s (goal: 1; the sandboxes' starts not counted)", **figures)  # fmt: skip
                faster = stock_s / each[name]
                show(
                    f"  faster than stock: {faster:.1f} times (goal: 8)",
                    **{f"{key}_speedup{name.removeprefix('_2jobs')}": faster},
                )


def _row(title: str, each: float, cpu: float) -> str:
    return f"{title:80}{each:7.2f} s a submission, {cpu:6.2f} s CPU"


def our_course(folder: Path, *names: str) -> tuple[Path, dict[str, str]]:
    """A course folder with some of the notebooks, released, and the environment to grade in it."""
    for name in names:
        for item in ("solutions", "notebooks"):
            shutil.copytree(REPOSITORY / item / name, folder / item / name)
    for item in ("course.toml", "nbgrader_config.py"):
        shutil.copy(REPOSITORY / item, folder / item)
    environment = {"DIFFUSION_LABS_COURSE": str(folder)}
    if not sandbox.in_use():
        environment[sandbox.SWITCH] = "off"  # these submissions are ours
    run(folder, environment, "autograder", "release")
    return folder, environment


def _plain_course(folder: Path, numbers: list[int]) -> Path:
    """A course with nothing but stock nbgrader and our source notebook, without the cells that train."""
    folder.mkdir()
    (folder / "nbgrader_config.py").write_text("c = get_config()\nc.CourseDirectory.course_id = 'plain'\n")
    source = folder / "source" / NAME / f"{NAME}.ipynb"
    source.parent.mkdir(parents=True)
    assignment = course.load(NAME)
    notebook = build.source_notebook(course.Assignment(NAME, tuple(without_training(assignment.cells))))
    source.write_text(nbformat.writes(notebook), encoding="utf-8")
    run(folder, {}, "nbgrader", "generate_assignment", NAME)
    hand_in(folder, nbformat.read(folder / "release" / NAME / f"{NAME}.ipynb", as_version=4), numbers)
    return folder


def without_training(cells: tuple[course.Cell, ...]) -> list[course.Cell]:
    """The cells without the shown ones that train (those with a budget), and those that need what such a cell makes."""
    kept, missing = [], set()
    for cell in cells:
        if cell.type == "code" and cell.kind == "show":
            nodes = list(ast.walk(ast.parse(cell.source)))
            names = [node for node in nodes if isinstance(node, ast.Name)]
            made = {node.id for node in names if isinstance(node.ctx, ast.Store)}
            made |= {node.name for node in nodes if isinstance(node, (ast.FunctionDef, ast.ClassDef))}
            if "budget(" in cell.source or missing & {node.id for node in names} - made:
                missing |= made
                continue
            missing -= made
        kept.append(cell)
    return kept


def run(folder: Path, environment: dict[str, str], *words: str) -> tuple[float, float, str]:
    """Run `python -m words` (or `python -c ...`) in a course folder: seconds, CPU seconds of it and all that it started, and what it printed."""
    before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
    command = [sys.executable, *words] if words[0] == "-c" else [sys.executable, "-m", *words]
    done = subprocess.run(
        command, cwd=folder, env=surroundings(environment), stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    seconds, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
    if done.returncode:
        raise RuntimeError(f"{' '.join(words)} ended with exit code {done.returncode}: {done.stdout[-2000:]}")
    return seconds, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime, done.stdout


def surroundings(environment: dict[str, str]) -> dict[str, str]:
    """The environment for a command: this one's, with these packages, nbgrader's tools on the path, and what is given."""
    path = os.pathsep.join([str(Path(sys.executable).parent), os.environ.get("PATH", "")])
    return {**os.environ, "PATH": path, "PYTHONPATH": str(REPOSITORY), **environment}
