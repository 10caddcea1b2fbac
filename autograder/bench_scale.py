"""Does a class of 2,000 cost what eight of 250 do? `python -m autograder bench --only scale --count 2000` (an hour on two cores).

Every student answers one task of notebook 01: right, with a known mistake, or with a mistake of her own that nobody else makes. One
run grades them all; rows say after how long the first 250, 500, ... were judged, and how long nbgrader then took for as many.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterable
from pathlib import Path

import nbformat

from autograder import bench_class, demo, keys
from autograder.bench_rows import Rows

NAME, OWN = "01_sampling", "sampling.log_prob"
MARKS = (250, 500, 1000, 2000)
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")


def answer(number: int) -> dict[str, str]:
    """The one answer of a student, by task."""
    found = demo.reference(NAME)
    task = sorted(found)[number % len(found)]
    if number % 4 == 1 and keys.misconceptions(task):
        mistakes = keys.misconceptions(task)
        return {task: mistakes[number % len(mistakes)].cell}
    if number % 4 == 3:
        (name,) = re.findall(r"^def (\w+)", found[OWN], re.M)[-1:]
        return {
            OWN: f"{found[OWN]}\n\nright = {name}\n\ndef {name}(*given):\n    return right(*given) * {1.5 + number / 100}\n"
        }
    return {task: f"# {number}\n{found[task]}"}


def rows(show: Rows, count: int = 2000) -> None:
    """Hand in, grade, write the report, and open it."""
    with tempfile.TemporaryDirectory() as place:
        folder, environment = bench_class.our_course(Path(place, "course"), NAME)
        text = (folder / "notebooks" / NAME / f"{NAME}.ipynb").read_text(encoding="utf-8")
        for number in range(count):
            path = folder / "submitted" / f"s{number:04d}" / NAME / f"{NAME}.ipynb"
            path.parent.mkdir(parents=True)
            nbformat.write(demo.fill(nbformat.reads(text, as_version=4), answer(number)), path)
        show(f"{count} hand in one answer each to {NAME}", scale_n=count)
        start, memory = time.time(), _grade(folder, environment)
        judged = _times(path for path in (folder / ".verdicts").glob("*/*.json") if path.read_text().startswith('{"passed"'))
        graded = _times((folder / "autograded").glob(f"*/{NAME}/{NAME}.ipynb"))
        if len(graded) != count:
            raise RuntimeError(f"{len(graded)} of {count} submissions were graded")
        for mark in sorted({*(mark for mark in MARKS if mark < count), count}):
            first, second = judged[mark - 1] - start, graded[mark - 1] - graded[0]
            show(f"  {mark:5}: judged after {first:7.1f} s, {1000 * first / mark:4.0f} ms each; "
                 f"by nbgrader in {second:7.1f} s, {1000 * second / mark:4.0f} ms each",
                 **{f"scale_{mark}_judged_s": first, f"scale_{mark}_nbgrader_s": second})  # fmt: skip
        for what, size in memory.items():
            show(f"  most memory of {what:30}{size:9.0f} MB", **{f"scale_{what.split()[0]}_peak_mb": size})
        seconds, _, _ = bench_class.run(folder, environment, "autograder", "report", NAME)
        page = folder / "reports" / f"{NAME}.html"
        show.seconds("  the class report is written", seconds, "scale_report_write_s")
        show(f"  {'it has':60}{page.stat().st_size / 1e6:9.2f} MB", scale_report_mb=page.stat().st_size / 1e6)
        browser = next(filter(None, map(shutil.which, CHROMIUM)), None)
        if browser is None:
            show("  (no chromium to open it with)")
        else:
            show.seconds("  chromium shows it after (goal: 2)", opening(browser, page, Path(place)), "scale_report_open_s")


def opening(browser: str, page: Path, place: Path) -> float:
    """Seconds in which a headless browser loads, lays out and draws a page: the median of three, less those of an empty page."""
    empty = place / "empty.html"
    empty.write_text("<!doctype html><title>empty</title>")

    def once(file: Path) -> float:
        start = time.perf_counter()
        words = ["--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking",
                 "--disable-component-update", "--disable-sync", f"--user-data-dir={place / 'browser'}",
                 f"--screenshot={place / 'page.png'}", "--window-size=1200,1600", file.as_uri()]  # fmt: skip
        subprocess.run([browser, *words], check=True, capture_output=True, timeout=300)
        return time.perf_counter() - start

    once(empty)
    return max(0.0, statistics.median(once(page) - once(empty) for _ in range(3)))


def _times(files: Iterable[Path]) -> list[float]:
    """When files were written, in order."""
    return sorted(path.stat().st_mtime for path in files)


def _grade(folder: Path, environment: dict[str, str]) -> dict[str, float]:
    """Grade with two jobs; the most memory, in MB, that the grading process and nbgrader's had. (Known on Linux only.)"""
    command = [sys.executable, "-m", "autograder", "grade", NAME, "--jobs", "2"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, env=bench_class.surroundings(environment), stdout=log, stderr=log)
        most: dict[str, float] = {}
        while process.poll() is None:
            for what, number in (
                ("judging, the grading process", process.pid),
                ("nbgrader", _child(process.pid, "nbgraderapp")),
            ):
                most[what] = max(most.get(what, 0.0), _peak(number))
            time.sleep(0.2)
    if process.returncode:
        raise RuntimeError((folder / "log").read_text(errors="replace")[-2000:])
    return most


def _child(parent: int, word: str) -> int:
    """The child of a process with this word somewhere in its command; 0 if there is none."""
    with contextlib.suppress(OSError):
        for number in Path(f"/proc/{parent}/task/{parent}/children").read_text().split():
            if word in Path(f"/proc/{number}/cmdline").read_text():
                return int(number)
    return 0


def _peak(process: int) -> float:
    """The most memory that a process has had so far, in MB."""
    with contextlib.suppress(OSError):
        found = re.search(r"VmHWM:\s+(\d+)", Path(f"/proc/{process}/status").read_text())
        return int(found[1]) / 1024 if found else 0.0
    return 0.0
