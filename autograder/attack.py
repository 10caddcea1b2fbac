"""`python -m autograder attack`: a class of attackers and of honest noise-makers, graded by stock nbgrader in one batch.

The submissions are data (tests/attacks/attacks.py). They are handed in to a temporary course, around which canaries sit: files that
nobody may read, places where nobody may write, ports that nobody may reach. What was gained, lost, read, written and sent is counted.
"""

from __future__ import annotations

import contextlib
import copy
import functools
import json
import os
import re
import secrets
import select
import shutil
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import nbformat

from autograder import demo, sandbox
from autograder.feedback import MATHJAX

REPOSITORY = Path(__file__).resolve().parent.parent
DATA = REPOSITORY / "tests" / "attacks" / "attacks.py"
NAME, TASK = "01_sampling", "sampling.gaussian"
VICTIM = "a-victim"
SECRET = secrets.token_bytes(32)
SECONDS = 4
"""Time limit of a task in this course: several attackers use all of it."""


@dataclass(frozen=True)
class Submission:
    """An attack or an honest submission: an answer to one task, or a function that writes the whole."""

    name: str
    tries: str
    source: str = ""
    answer: str | None = None
    hand_in: Callable[..., None] | None = None
    harmless: bool = False

    @functools.cached_property
    def student(self) -> str:
        """Who hands it in."""
        return f"{'attack' if self.source else 'honest'}-{self.name}"


@dataclass
class Result:
    """What came of it."""

    attacks: int = 0
    points_gained: float = 0.0
    escapes: int = 0
    honest: int = 0
    points_lost: float = 0.0
    batches_stopped: int = 0
    not_graded: list[str] = field(default_factory=list)
    seen: list[str] = field(default_factory=list)
    seconds: float = 0.0
    sandbox: bool = True
    rows: list[tuple[str, str, float, str]] = field(default_factory=list)

    def good(self) -> bool:
        """Whether nothing was gained, lost, stopped, and nobody got out."""
        bad = self.points_gained, self.escapes, self.points_lost, self.batches_stopped, len(self.not_graded)
        return not any(bad) and self.attacks > 0

    def figures(self) -> dict[str, Any]:
        """All but the table, for JSON."""
        return {name: value for name, value in vars(self).items() if name != "rows"}


def submissions() -> tuple[list[Submission], list[Submission]]:
    """The attacks and the honest submissions in the data file."""
    attacks: list[Submission] = []
    honest: list[Submission] = []

    def attack(name: str, tries: str, source: str, answer: str | None = None, **more: Any) -> None:
        attacks.append(Submission(name, tries, source, answer, **more))

    def honestly(name: str, tries: str, answer: str | None = None, **more: Any) -> None:
        honest.append(Submission(name, tries, "", answer, **more))

    exec(compile(DATA.read_text(encoding="utf-8"), str(DATA), "exec"), {"attack": attack, "honest": honestly})
    names = [one.student for one in attacks + honest]
    if len(set(names)) != len(names):
        raise ValueError(f"names that are there twice: {sorted({name for name in names if names.count(name) > 1})}")
    return attacks, honest


def run(caged: bool = True, only: str = "") -> Result:
    """Grade the class, with the sandbox, or (the harmless attacks alone) without it, to see that the canaries see.

    Args:
        caged: whether the sandbox is on.
        only: a regular expression that a submission's name must match.
    """
    attacks, honest = ([one for one in group if re.search(only, one.name)] for group in submissions())
    if not caged:
        attacks, honest = [one for one in attacks if one.harmless], []
    result = Result(attacks=len(attacks), honest=len(honest), sandbox=caged)
    base = Path(tempfile.mkdtemp(prefix="diffusion-labs-attack-"))
    try:
        with Canaries(base) as canaries:
            start = time.perf_counter()
            _grade(attacks + honest, base / "course", canaries, result, caged)
            result.seconds = round(time.perf_counter() - start, 1)
            time.sleep(2.0)  # for whoever stayed behind
            result.seen = canaries.seen() + live_pages(base / "course" / "feedback")
            result.escapes = len(result.seen)
    finally:
        shutil.rmtree(base, ignore_errors=True)
    return result


def _grade(class_: list[Submission], root: Path, canaries: Canaries, result: Result, caged: bool) -> None:
    """Make a course, let the class hand in, grade it with the stock command, and read the points from the gradebook."""
    environment = {**os.environ, "DIFFUSION_LABS_COURSE": str(root), "PYTHONPATH": str(REPOSITORY), "CANARY": canaries.token}
    environment.pop(sandbox.SWITCH, None)
    if not caged:
        environment[sandbox.SWITCH] = "off"

    def command(*words: str) -> None:
        done = subprocess.run([sys.executable, "-m", *words], cwd=root, env=environment, capture_output=True, text=True)
        if done.returncode:
            result.batches_stopped += 1
            print(done.stderr[-3000:], file=sys.stderr)

    shutil.copytree(REPOSITORY / "solutions" / NAME, root / "solutions" / NAME)
    shutil.copy(REPOSITORY / "nbgrader_config.py", root)
    settings = (REPOSITORY / "course.toml").read_text(encoding="utf-8")
    settings = re.sub(r"^seconds = .*$", f"seconds = {SECONDS}", settings, flags=re.M)
    (root / "course.toml").write_text(settings, encoding="utf-8")
    (root / "course.secret").write_text(SECRET.hex())
    command("autograder", "release")
    hand_in(class_, root, canaries)
    canaries.look()
    command("nbgrader", "autograde", NAME)
    if any(one.student.startswith("attack-l") for one in class_):  # live-feedback, links-beside and others
        command("nbgrader", "generate_feedback", NAME, "--student", "attack-l*")
    _points(class_, root, result)


def hand_in(class_: list[Submission], root: Path, canaries: Canaries) -> None:
    """Write the submissions of the class, and that of a victim who did everything right."""
    blank = nbformat.read(REPOSITORY / "notebooks" / NAME / f"{NAME}.ipynb", as_version=4)
    right = demo.fill(copy.deepcopy(blank), demo.reference(NAME))
    victim = root / "submitted" / VICTIM / NAME
    victim.mkdir(parents=True)
    nbformat.write(right, root.parent / "outside" / f"{NAME}.ipynb")
    nbformat.write(right, victim / f"{NAME}.ipynb")
    canaries.plant(victim)
    for one in class_:
        folder = root / "submitted" / one.student / NAME
        folder.mkdir(parents=True)
        if one.hand_in is not None:
            one.hand_in(folder, copy.deepcopy(blank), copy.deepcopy(right), root)
            continue
        notebook = copy.deepcopy(blank if one.source else right)
        answer = canaries.constants(one.name) + one.answer if one.source else one.answer
        nbformat.write(demo.fill(notebook, {TASK: answer}), folder / f"{NAME}.ipynb")


def _points(class_: list[Submission], root: Path, result: Result) -> None:
    from nbgrader.api import Gradebook

    points: dict[str, tuple[float, float]] = {}
    with Gradebook(f"sqlite:///{root / 'gradebook.db'}", "diffusion-labs") as gradebook:
        for submission in gradebook.assignment_submissions(NAME):
            points[submission.student.id] = (submission.score, submission.max_score)
    victim = Submission(VICTIM, "hands in what the reference has")
    for one in (*class_, victim):
        student = VICTIM if one is victim else one.student
        graded = root / "autograded" / student / NAME / f"{NAME}.ipynb"
        if student not in points or not graded.is_file():
            result.not_graded.append(student)
            continue
        got, most = points[student]
        if one.source:
            result.points_gained += got
        else:
            result.points_lost += max(0.0, most - got)
        said = json.loads(graded.read_text(encoding="utf-8"))["metadata"]["diffusion_labs"]
        wrong = [verdict["sentence"] for verdict in said["verdicts"].values() if not verdict["passed"]]
        told = next((s for s in wrong if not s.startswith("Nothing is filled in")), "") or " ".join(said["notes"])
        result.rows.append((student, one.tries, got, told))


class Canaries:
    """Files that nobody may read, places where nobody may write, ports that nobody may reach."""

    def __init__(self, base: Path) -> None:
        self.base, self.word, self.token = base, secrets.token_hex(6), secrets.token_hex(16)
        self.places = [base, *map(Path, ("/tmp", "/dev/shm", "/var/tmp", "/run"))]
        self.packets: list[str] = []
        self._stop = threading.Event()

    def __enter__(self) -> Canaries:
        for folder in ("course", "outside"):
            (self.base / folder).mkdir()
            self.plant(self.base / folder)
        self._sockets = [socket.socket(), socket.socket(type=socket.SOCK_DGRAM)]
        if sys.platform.startswith("linux"):
            self._sockets.append(socket.socket(socket.AF_UNIX))
            self._sockets[2].bind(f"\0canary-{self.word}")
            self._sockets[2].listen()
        for one in self._sockets[:2]:
            one.bind(("127.0.0.1", 0))
        self._sockets[0].listen()
        threading.Thread(target=self._listen, daemon=True).start()
        return self

    def __exit__(self, *_: Any) -> None:
        self._stop.set()
        for place in self.places[1:]:
            for path in place.glob(f"escape-{self.word}*"):
                path.unlink()

    def plant(self, folder: Path) -> None:
        """Put a file with the token into a folder."""
        (folder / "canary").write_text(f"{self.token} {folder}")

    def constants(self, name: str) -> str:
        """What an attacker is told."""
        course, outside = str(self.base / "course"), str(self.base / "outside")
        ports = [one.getsockname()[1] for one in self._sockets[:2]]
        return (
            f"COURSE, OUTSIDE, TCP, UDP, WORD = {course!r}, {outside!r}, {ports[0]}, {ports[1]}, {f'{self.word}-{name}'!r}\n"
        )

    def look(self) -> None:
        """Remember how the installed packages are before anybody is graded, and the secret."""
        import numpy
        import torch

        import helpers

        self._watched = {path: Path(path).stat().st_size for path in (torch.__file__, numpy.__file__, helpers.__file__)}

    def seen(self) -> list[str]:
        """One sentence for every escape."""
        found = [f"a packet out: {packet}" for packet in sorted(set(self.packets))]
        for place in self.places:
            pattern = "**/escape*" if place == self.base else f"escape-{self.word}*"
            found += [f"a file written: {path}" for path in sorted(place.glob(pattern))]
        found += [f"changed: {path}" for path, size in self._watched.items() if Path(path).stat().st_size != size]
        for part in ("autograded", "feedback"):
            for path in sorted(self.base.glob(f"course/{part}/**/*")):
                if path.is_file() and (self._told(path) or path.is_symlink()):
                    found.append(f"a file read: {path.relative_to(self.base / 'course')}")
        return found

    def _told(self, path: Path) -> bool:
        """Whether a graded notebook or another file holds something that nobody may read."""
        text = path.read_text(encoding="utf-8", errors="replace")
        if self.token in text or SECRET.hex() in text:
            return True
        if path.suffix != ".ipynb":
            return False
        said = json.dumps(json.loads(text)["metadata"].get("diffusion_labs", {}))
        return "root:x:0" in said or "home: " in said

    def _listen(self) -> None:
        while not self._stop.is_set():
            for one in select.select(self._sockets, [], [], 0.2)[0]:
                with contextlib.suppress(OSError):
                    if one.type == socket.SOCK_DGRAM:
                        self.packets.append(f"UDP {one.recv(200)!r}")
                        continue
                    connection, _ = one.accept()
                    connection.settimeout(1.0)
                    self.packets.append(
                        f"{'TCP' if one.family == socket.AF_INET else 'unix socket'} {connection.recv(60)!r}"
                    )
                    connection.close()


def live_pages(folder: Path) -> list[str]:
    """What is live in feedback pages: scripts, handlers, anything that loads from elsewhere, or no policy against it."""
    found = []
    for path in sorted(folder.glob("**/*.html")):
        found += [f"live in {path.relative_to(folder)}: {what}" for what in live(path.read_text(encoding="utf-8"))]
    return found


def live(page: str) -> Iterator[str]:
    """What is live in one page (of MathJax the page may load the one file, as all nbgrader pages do)."""
    from bs4 import BeautifulSoup

    soup = BeautifulSoup(page, "html.parser")
    if not soup.find("meta", attrs={"http-equiv": "Content-Security-Policy"}):
        yield "no content-security policy"
    for element in soup.find_all(True):
        ours = element.name == "script" and (
            element.get("type") == "text/x-mathjax-config" or element.get("src", "").startswith(MATHJAX)
        )
        if element.name in ("script", "iframe", "object", "embed", "svg", "link", "base", "form") and not ours:
            yield str(element)[:100]
        for name, value in element.attrs.items():
            text = str(value).strip().lower()
            loads = name in ("src", "srcset", "data", "background") and not text.startswith("data:image/") and not ours
            if name.startswith("on") or text.startswith("javascript:") or loads or (name == "style" and "url(" in text):
                yield str(element)[:100]


def text(result: Result) -> str:
    """The table."""
    lines = [f"{'submission':28}{'points':>7}  what it tries; and what it heard", "─" * 110]
    for student, tries, got, told in result.rows:
        lines.append(f"{student:28}{got:7g}  {tries}" + (f"\n{'':37}{told[:150]}" if told else ""))
    lines += ["", *result.seen, *(f"not graded: {student}" for student in result.not_graded)]
    lines.append(
        f"{result.attacks} attacks gained {result.points_gained:g} points; {result.escapes} escapes; {result.honest} honest submissions "
        f"lost {result.points_lost:g} points; {result.batches_stopped} batches stopped; {result.seconds:.0f} s"
        + ("" if result.sandbox else " (without the sandbox)")
    )
    return "\n".join(lines)
