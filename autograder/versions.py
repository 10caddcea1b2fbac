"""The versions of each submission under collected/, and which of them stands in submitted/ with nbgrader's timestamp.txt."""

from __future__ import annotations

import contextlib
import hashlib
import json
import os
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path

from nbgrader.utils import parse_utc

from autograder import course, intake

EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)


@dataclass(frozen=True)
class Version:
    """One notebook as it was handed in, and what decides whether it is the latest.

    `time` counts for the late policy; `exact` says that it was written down with it; `seen` is the archive's time of the file; `number`
    rises with every upload to one system; `named` is whether the file had its right name, `order` its place in the archive.
    """

    student: str
    assignment: str
    time: datetime
    sha256: str
    file: str
    system: str = ""
    number: int = 0
    exact: bool = False
    seen: datetime = EARLIEST
    named: bool = True
    order: int = 0


@dataclass(frozen=True)
class Line:
    """One line of the list: a file, what is to be said about it, whose it became, or else where it is kept."""

    file: str
    why: str
    student: str = ""
    assignment: str = ""
    kept: str = ""


def keep(version: Version, content: bytes) -> bool:
    """Keep a notebook under collected/<student>/<assignment>/<time>/; returns whether it is one that was not there yet."""
    known = versions(version.student, version.assignment)
    best = latest(known)
    for folder, old in known.items():
        if _same_upload(old, version, old is best):
            better = version.exact or (not old.exact and old.seen == version.seen)
            if better and old.time != version.time:
                _retime(folder, old, version)
            return False
    folder = _free_folder(version)
    write(folder / f"{version.assignment}.ipynb", content)
    write(folder / "version.json", _record(version))
    return True


def _same_upload(old: Version, new: Version, is_best: bool) -> bool:
    """Whether a notebook has been collected before, from this archive or another one.

    The same file uploaded again at another time is another version; the same file in a later export of an LMS that gives no
    times is the one from before, unless something else was handed in between.
    """
    if (old.system, old.number, old.sha256) != (new.system, new.number, new.sha256):
        return False
    if old.exact and new.exact:
        return old.time == new.time
    return old.seen == new.seen or new.exact or is_best


def versions(student: str, assignment: str) -> dict[Path, Version]:
    """All versions of one submission that are kept, by folder."""
    found = {}
    for path in sorted((course.ROOT / "collected" / student / assignment).glob("*/version.json")):
        with contextlib.suppress(OSError, ValueError, TypeError, KeyError):
            data = json.loads(path.read_text(encoding="utf-8"))
            times = {key: datetime.fromisoformat(data[key]) for key in ("time", "seen")}
            found[path.parent] = Version(**{**data, **times})
    return found


def latest(known: dict[Path, Version]) -> Version | None:
    """The version that counts: the system's own order of uploads where all are from one, else the time."""
    one_system = len({version.system for version in known.values()}) == 1
    return max(
        known.values(),
        key=lambda one: (one.number if one_system else 0, one.time, one.seen, one.named, one.order),
        default=None,
    )


def _retime(folder: Path, old: Version, new: Version) -> None:
    """A version whose time is known better now: its folder and, if it is the one in submitted/, its timestamp."""
    target = course.ROOT / "submitted" / old.student / old.assignment
    if _timestamp(target) == old.time and _digest(target / f"{old.assignment}.ipynb") == old.sha256:
        write(target / "timestamp.txt", _stamp(new.time))
    write(folder / "version.json", _record(new))
    folder.rename(_free_folder(new))


def _free_folder(version: Version) -> Path:
    """A folder for a version: its time, and a number where there are several of one time."""
    base = course.ROOT / "collected" / version.student / version.assignment
    names = (f"{version.time:%Y-%m-%dT%H-%M-%SZ}{f'-{number}' if number > 1 else ''}" for number in range(1, 10_000))
    return next(folder for folder in (base / name for name in names) if not (folder / "version.json").exists())


def place(student: str, assignment: str) -> list[Line]:
    """Put the latest version into submitted/. What is there already and did not come from here is never lost.

    A notebook in submitted/ that did not come from here stays if its timestamp is not earlier, else it is copied into
    collected/ first. A timestamp.txt that was edited by hand stays as long as its notebook does.
    """
    known = versions(student, assignment)
    best = latest(known)
    target = course.ROOT / "submitted" / student / assignment
    notebook = target / f"{assignment}.ipynb"
    if best is None:
        return []
    try:
        there = [notebook] if os.path.lexists(notebook) else sorted(target.glob("*.ipynb"))
        digests = {path: hashlib.sha256(intake.read_file(path, intake.MAX_NOTEBOOK)).hexdigest() for path in there}
    except (OSError, intake.Refused) as error:
        why = f"What stands in submitted/ cannot be read ({error}); it was left as it is, and the latest version is in collected/."
        return [Line(best.file, why, student, assignment)]
    if digests.get(notebook) == best.sha256 and _timestamp(target) is not None:
        return []
    foreign = [path for path, digest in digests.items() if digest not in {version.sha256 for version in known.values()}]
    lines, earlier = [], _timestamp(target)
    if foreign and earlier is not None and earlier >= best.time:
        why = "submitted/ holds one that did not come from an archive and is not older; it stays, and this one is in collected/ only."
        return [Line(best.file, why, student, assignment)]
    if foreign:
        aside = course.ROOT / "collected" / student / assignment / f"from-submitted-{digests[foreign[0]][:8]}"
        for path in (*foreign, target / "timestamp.txt"):
            if path.exists():
                write(aside / path.name, path.read_bytes())
        why = f"submitted/ held one that did not come from an archive; it is kept in {aside.relative_to(course.ROOT)}."
        lines.append(Line(best.file, why, student, assignment))
    source = next(folder for folder, version in known.items() if version is best) / f"{assignment}.ipynb"
    notebook.unlink(missing_ok=True)  # so that a notebook never stands beside another one's time
    write(target / "timestamp.txt", _stamp(best.time))
    write(notebook, source.read_bytes())
    return lines


def _timestamp(folder: Path) -> datetime | None:
    """What nbgrader reads in a folder's timestamp.txt, in UTC; None if there is none that it can read."""
    try:
        text = intake.read_file(folder / "timestamp.txt", 1000).decode("utf-8").strip()
        return parse_utc(text).replace(tzinfo=UTC) if text else None
    except (OSError, ValueError, OverflowError):
        return None


def _stamp(time: datetime) -> bytes:
    """A time as nbgrader writes it into timestamp.txt."""
    return f"{time.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f} UTC".encode()


def _digest(path: Path) -> str:
    try:
        return hashlib.sha256(path.read_bytes()).hexdigest()
    except OSError:
        return ""


def _record(version: Version) -> bytes:
    data = asdict(version) | {"time": version.time.isoformat(), "seen": version.seen.isoformat()}
    return (json.dumps(data, indent=1, ensure_ascii=False) + "\n").encode()


def write(path: Path, content: bytes) -> None:
    """Write a file as a whole or not at all."""
    path.parent.mkdir(parents=True, exist_ok=True)
    new = path.with_name(f".{path.name}.{os.getpid()}")
    new.write_bytes(content)
    os.replace(new, path)
