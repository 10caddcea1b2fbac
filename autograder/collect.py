"""`python -m autograder collect`: what a learning management system exports becomes submitted/<student>/<assignment>/.

Every version that was handed in is kept under collected/, the latest is put into submitted/ with nbgrader's timestamp.txt,
and what could not be matched is kept in collected/unmatched/ and listed with its reason. docs/collecting.md is for instructors.
"""

from __future__ import annotations

import csv
import functools
import hashlib
import re
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta, tzinfo
from pathlib import Path, PurePosixPath

from autograder import course, intake, lms, unpack, versions
from autograder.lms import Export, Owner, Roster, Student
from autograder.unpack import File, Unreadable
from autograder.versions import EARLIEST, Line, Version

NOTEBOOK = re.compile(r"\.ipynb(\s*\(\d+\)|-\d+|\.txt|\.json|\.download)*$", re.I)
TASKS = re.compile(r"""(?:TODO |check\(\\?["']|"grade_id"\s*:\s*")([a-z][a-z0-9_]{0,40}[.-][a-z0-9_]{1,60})""")
"""How a notebook's text names its tasks: banners, checks and nbgrader's ids."""
NOT_A_NOTEBOOK = "It is not a notebook."


class Unmatched(ValueError):
    """A file that goes into nobody's submission; the text is the sentence that says why."""


@dataclass
class Batch:
    """One archive while it is collected, and what came of it."""

    archive: Path
    assignment: str | None
    roster: Roster | None
    export: Export
    due: dict[str, datetime]
    contested: dict[str, set[tuple[str, ...]]] = field(default_factory=dict)
    taken: list[Version] = field(default_factory=list)
    new: int = 0
    lines: list[Line] = field(default_factory=list)

    @property
    def folder(self) -> Path:
        """Where its unmatched files are kept; two archives of one name have two folders."""
        with self.archive.open("rb") as stream:
            digest = hashlib.file_digest(stream, "sha256").hexdigest()
        return course.ROOT / "collected" / "unmatched" / f"{_safe(self.archive.stem)}-{digest[:8]}"


def collect(archive: Path, assignment: str | None = None, roster: Roster | None = None, zone: tzinfo | None = None) -> Batch:
    """Take everything out of one archive that belongs to a student and an assignment.

    Args:
        archive: a zip from Canvas, Moodle or Gradescope, a receipt of submit(), or a zip of such.
        assignment: the one that the archive is about; others in it are listed. Default: what each notebook is.
        roster: who is who; without it, ids are made of what the export says.
        zone: of times that do not say theirs; default this machine's.

    Raises:
        Unreadable: if nothing of the archive can be read.
    """
    names = unpack.names(archive)
    try:
        export = Export.of(names, functools.partial(unpack.member, archive))
    except ValueError as error:
        raise Unreadable(str(error)) from None
    batch = Batch(archive, assignment, roster, export, due_dates())
    batch.contested = _contested(batch, names)
    folder, kept = batch.folder, set()
    try:
        for order, file in enumerate(unpack.read(archive, zone)):
            if export.system != "Gradescope" or file.path != (export.top + lms.GRADESCOPE,):
                _take(batch, folder, kept, file, order)
    except Unreadable as error:
        batch.lines.append(Line(archive.name, _sentence(str(error))))
    for student, name in sorted({(version.student, version.assignment) for version in batch.taken}):
        batch.lines += [*_placed(batch, student, name), *_superseded(batch, student, name)]
    _write_list(batch, folder, kept)
    return batch


def due_dates() -> dict[str, datetime]:
    """When each assignment is due, in UTC: as course.toml says, or as it was changed in the gradebook."""
    dates = {name: due.astimezone(UTC) for name, due in course.settings().get("due", {}).items()}
    found = course.gradebook()
    if found is not None:
        with found as gradebook:
            dates |= {one.name: one.duedate.replace(tzinfo=UTC) for one in gradebook.assignments if one.duedate}
    return dates


def _contested(batch: Batch, names: list[str]) -> dict[str, set[tuple[str, ...]]]:
    """Whom of the export each student would be, as the LMS's ids: more than one for people of one name."""
    who = defaultdict(set)
    for name in names:
        for owner in batch.export.owners(name):
            student = batch.roster.find(owner)[0] if batch.roster else Student(owner.suggested)
            if student is not None:
                who[student.id].add(owner.keys)
    return who


# ---------------------------------------------------------------------------------------------------- one file of the archive


def _take(batch: Batch, folder: Path, kept: set[Path], file: File, order: int) -> None:
    """Put one file into the submissions it belongs to, or into the list with its reason."""
    try:
        if file.problem:
            raise Unmatched(_sentence(file.problem))
        text = intake.decode(file.content or b"")
        owners = _owners(batch, file)
        own_name = owners[0].rest if owners and owners[0].rest and len(file.path) == 1 else PurePosixPath(file.path[-1]).name
        if not _is_notebook(own_name, text):
            raise Unmatched(NOT_A_NOTEBOOK)
        if "/.ipynb_checkpoints/" in f"/{file.path[-1]}":
            raise Unmatched("It is a copy that Jupyter keeps by itself (.ipynb_checkpoints), not what was saved.")
        if not owners:
            no_name = (
                "Its receipt names no student." if file.receipt else "Neither its name nor a receipt says who handed it in."
            )
            raise Unmatched(no_name)
        name, note = _which(own_name, text, file.path[-1], batch.assignment)
    except Unmatched as error:
        batch.lines.append(_keep_unmatched(folder, kept, file, str(error)))
        return
    remarks = [note, *_receipt_remarks(batch, file, owners[0])]
    for owner in owners:
        try:
            student = _student(batch, owner)
        except Unmatched as error:
            batch.lines.append(_keep_unmatched(folder, kept, file, str(error)))
            continue
        time, exact, late = _when(owner, student, file, batch.due.get(name))
        digest = hashlib.sha256(file.content or b"").hexdigest()
        version = Version(student.id, name, time, digest, _printable(file.name), owner.system, owner.number, exact,
                          file.time or EARLIEST, named=own_name == f"{name}.ipynb", order=order)  # fmt: skip
        batch.taken.append(version)
        batch.new += versions.keep(version, file.content or b"")
        if why := " ".join(remark for remark in (*remarks, late) if remark):
            batch.lines.append(Line(_printable(file.name), why, student.id, name))


def _owners(batch: Batch, file: File) -> list[Owner]:
    """Whom a file is from: what the LMS says of the outer archive's file; else the receipt; else a folder named as a student.

    What stands in a student's own zip never says so where an LMS does.
    """
    found = batch.export.owners(file.path[0])
    if found or batch.export.system:
        return found
    if file.receipt:
        who = file.receipt["student"]
        return [Owner("receipt", who, (who,), who if lms.ID.fullmatch(who) else lms.as_id(who))] if who else []
    for part in PurePosixPath(file.path[0]).parts[:-1] if batch.roster else ():
        owner = Owner("", part, (part,))
        if batch.roster.find(owner)[0]:
            return [owner]
    return []


def _student(batch: Batch, owner: Owner) -> Student:
    """The student that an owner is.

    Raises:
        Unmatched: if the roster has no such student, or several people of the export would be this one.
    """
    student, why = batch.roster.find(owner) if batch.roster else (Student(owner.suggested, owner.name), "")
    if student is None:
        raise Unmatched(why)
    if not lms.ID.fullmatch(student.id):
        raise Unmatched(f"No id for nbgrader can be made of {owner.name!r}; a roster (--roster) says what it is.")
    if len(batch.contested.get(student.id, ())) > 1 and not (
        batch.roster and any(lms.has_key(key, owner.system, student) for key in owner.keys)
    ):
        raise Unmatched(
            f"Several people of this export would be {student.id!r}; a roster with the LMS's ids tells them apart."
        )
    return student


def _is_notebook(name: str, text: str) -> bool:
    """Whether a file is a notebook by its name, or by what it holds if its name says nothing."""
    other = PurePosixPath(name).suffix.lower() in ("", ".json", ".txt")
    return bool(NOTEBOOK.search(name)) or (
        other and text.lstrip().startswith("{") and re.search(r'"cells"\s*:\s*\[', text) is not None
    )


def _which(name: str, text: str, path: str, wanted: str | None) -> tuple[str, str]:
    """The assignment that a notebook is, and a remark: by its name, by the tasks in it where they say otherwise, by its folder.

    Raises:
        Unmatched: if that is none, or not the one that the archive is about.
    """
    counts = _tasks_in(text)
    by_name = _named_in(name) or _named_in(path)
    by_tasks = [one for one, count in counts.items() if count == max(counts.values())]
    found, remark = by_name if len(by_name) == 1 else by_tasks if len(by_tasks) == 1 else [], ""
    if len(by_tasks) == 1 and found != by_tasks and not counts.get(found[0] if found else "", 0):
        remark = f"It is called {name!r}, and its tasks are those of {by_tasks[0]}, so it was taken as that."
        found = by_tasks
    if not found and wanted:
        return wanted, f"Neither its name nor a task in it says what it is; it was taken as {wanted}, as --assignment says."
    if not found:
        raise Unmatched("Neither its name nor a task in it says which assignment it is; --assignment NN can say so.")
    if wanted and found[0] != wanted:
        raise Unmatched(f"It is {found[0]}, and --assignment says {wanted}.")
    return found[0], remark


def _named_in(text: str) -> list[str]:
    """The assignments whose names stand in a file's name, whatever stands around and between their letters."""
    return [name for name in course.assignment_names() if lms.squash(name) in lms.squash(text)]


def _tasks_in(text: str) -> dict[str, int]:
    """How many tasks of each assignment a notebook's text names: in grade ids, TODO banners and checks, even where it is no valid JSON."""
    words = set(TASKS.findall(text))
    counts: dict[str, int] = defaultdict(int)
    for task, name in course.tasks().items():
        counts[name] += task in words or course.grade_id(task) in words
    return {name: count for name, count in counts.items() if count}


def _receipt_remarks(batch: Batch, file: File, owner: Owner) -> list[str]:
    """What does not agree between a file, its receipt and what the LMS says."""
    if not file.receipt:
        return []
    remarks, entry = [], file.receipt["files"].get(file.listed)
    if lms.moment(file.receipt.get("time", ""), UTC) is None:
        remarks.append("Its receipt holds no time that can be read.")
    if not isinstance(entry, dict):
        remarks.append("Its receipt does not list it.")
    elif entry.get("sha256") != hashlib.sha256(file.content or b"").hexdigest():
        remarks.append(
            "It is not the file that its receipt was written for (another sha256): it was changed after submit()."
        )
    if batch.roster is not None and owner.system != "receipt":
        who = file.receipt["student"]
        named, said = batch.roster.find(Owner("receipt", who, (who,)))[0], batch.roster.find(owner)[0]
        if named and said and named != said:
            remarks.append(f"Its receipt is that of {named.id}, and {owner.system} says {said.id}; it counts for {said.id}.")
    return remarks


def _when(owner: Owner, student: Student, file: File, due: datetime | None) -> tuple[datetime, bool, str]:
    """When a file was handed in, whether that is written down with it (by the LMS, or in a bare receipt), and a remark.

    Canvas and Moodle give every file of a zip the time of the export, which is no student's fault: where nothing better is
    known, a file that is not said to be late is on time, and one that is said to be late is a second late.
    """
    exact = owner.time or (student.time if student.lms and student.lms in owner.keys else None)
    if exact is not None:
        return exact, True, ""
    seen = file.time or EARLIEST
    receipt = lms.moment(file.receipt.get("time", ""), UTC)
    if owner.system == "receipt" and receipt is not None:
        return receipt, True, ""
    exported = owner.system in lms.SYSTEMS and seen > EARLIEST  # then nothing can be younger than `seen`
    time = seen if receipt is None else min(receipt, seen) if exported else receipt
    if owner.late and due is None:
        why = f"{owner.system} says that it is late, and the course has no due date for it: nothing is taken off."
        return time, False, why
    if owner.late and (receipt is None or time <= due):
        return due + timedelta(seconds=1), False, (
            f"{owner.system} says that it is late, not how late: it counts as the first day late. The time can be written into its "
            "timestamp.txt, or into a column 'submitted at' of a roster with the LMS's ids."
        )  # fmt: skip
    if owner.late is False and due is not None:
        return min(time, due), False, ""
    if owner.system in ("Moodle", "Gradescope") and receipt is None and due is not None and time > due:
        worksheet = "; Moodle's grading worksheet as --roster has the times" if owner.system == "Moodle" else ""
        return due, False, f"{owner.system}'s export does not say when it was handed in: it counts as on time{worksheet}."
    return time, False, ""


def _placed(batch: Batch, student: str, assignment: str) -> list[Line]:
    """Put the latest version into submitted/, whatever stands there."""
    try:
        return versions.place(student, assignment)
    except OSError as error:
        why = f"It could not be put into submitted/ ({error.strerror}); it is in collected/."
        file = next(one.file for one in batch.taken if (one.student, one.assignment) == (student, assignment))
        return [Line(file, why, student, assignment)]


def _superseded(batch: Batch, student: str, assignment: str) -> list[Line]:
    """A line for each notebook of this archive that is kept and does not count."""
    best = versions.latest(versions.versions(student, assignment))
    return [
        Line(one.file, f"Another one counts, which is later: {best.file}.", student, assignment)
        for one in batch.taken
        if (one.student, one.assignment) == (student, assignment) and best is not None and one.sha256 != best.sha256
    ]


# ----------------------------------------------------------------------------------------------------- what was not matched


def _keep_unmatched(folder: Path, kept: set[Path], file: File, why: str) -> Line:
    """Keep a file that belongs to nobody yet, under a name that is safe, and make its line of the list."""
    if file.content is None:
        return Line(_printable(file.name), f"{why} It is in the archive only.")
    path = folder / _safe((file.keep or "/".join(file.path)).replace("/", "__"))
    if path.exists() and path.read_bytes() != file.content:
        path = path.with_name(f"{hashlib.sha256(file.content).hexdigest()[:8]}-{path.name}")
    if not path.exists():
        versions.write(path, file.content)
    kept.add(path)
    return Line(_printable(file.name), why, kept=str(path.relative_to(course.ROOT)))


def _write_list(batch: Batch, folder: Path, kept: set[Path]) -> None:
    """Write the list beside the folder of the unmatched, and take away what was unmatched at an earlier run and is not any more."""
    table = folder.with_name(f"{folder.name}.csv")
    if table.exists():
        with table.open(encoding="utf-8-sig", newline="") as stream:
            earlier = {course.ROOT / row["kept"] for row in csv.DictReader(stream) if row.get("kept")}
        for path in earlier - kept:
            if path.parent == folder:
                path.unlink(missing_ok=True)
    elif not batch.lines:
        return
    table.parent.mkdir(parents=True, exist_ok=True)
    with table.open("w", encoding="utf-8-sig", newline="") as stream:
        writer = csv.writer(stream)
        writer.writerow(["file", "taken", "student", "assignment", "why", "kept"])
        for line in batch.lines:
            cells = [line.file, "yes" if line.student else "no", line.student, line.assignment, line.why, line.kept]
            writer.writerow(
                [f"'{cell}" if cell[:1] in "=+-@\t" and cell else cell for cell in cells]
            )  # no formulas for Excel


def _safe(name: str) -> str:
    """A file name for any system, of whatever somebody called a file."""
    plain = re.sub(r"[^\w.()@ +-]+", "_", name).strip(" .") or "file"
    return plain if len(plain) <= 150 else f"{hashlib.sha256(name.encode()).hexdigest()[:8]}-{plain[-140:]}"


def _printable(text: str) -> str:
    """Text without what a terminal would obey."""
    return "".join(letter if letter.isprintable() else "\ufffd" for letter in text)


def _sentence(text: str) -> str:
    return f"{text[:1].upper()}{text[1:]}".rstrip(".") + "."


# ---------------------------------------------------------------------------------------------------------------- what is said


def text(batch: Batch) -> str:
    """What came of an archive, for the terminal."""
    students = {version.student for version in batch.taken}
    names = sorted({version.assignment for version in batch.taken})
    made_by = f"from {batch.export.system}" if batch.export.system else "a plain zip"
    lines = [f"{batch.archive.name}, {made_by}: {_count(len(batch.taken), 'notebook')} of {_count(len(students), 'student')}, "
             f"{batch.new} of them new" + (f" ({', '.join(names)})." if names else ".")]  # fmt: skip
    lost = [line for line in batch.lines if not line.student]
    lines += _grouped("Not matched", [line for line in lost if line.why != NOT_A_NOTEBOOK])
    lines += _grouped("Other files", [line for line in lost if line.why == NOT_A_NOTEBOOK])
    lines += _grouped("Taken, with a remark", [line for line in batch.lines if line.student])
    for name in names if batch.roster else ():
        missing = [one.id for one in batch.roster.students if not (course.ROOT / "submitted" / one.id / name).is_dir()]
        if missing:
            more = f" and {len(missing) - 10} more" if len(missing) > 10 else ""
            lines.append(
                f"Nothing for {name} yet from {len(missing)} of {len(batch.roster.students)}: {', '.join(missing[:10])}{more}."
            )
    if students and not batch.roster and batch.export.system:
        lines.append("Without --roster, nbgrader's ids are made of what stands in the export.")
    if batch.lines:
        folder = batch.folder.relative_to(course.ROOT)
        lines.append(f"The whole list: {folder}.csv" + (f"; the files that were not matched: {folder}/" if lost else ""))
    return "\n".join(lines)


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'s' * (number != 1)}"


def _grouped(title: str, lines: list[Line], most: int = 3) -> list[str]:
    """Lines with their sentences; where many have the same one, a few of them."""
    if not lines:
        return []
    shown, groups = [f"{title} ({len(lines)}):"], defaultdict(list)
    for line in lines:
        groups[line.why].append(line)
    for why, group in groups.items():
        shown += [f"  {line.file}" + (f" ({line.student})" if line.student else "") for line in group[:most]]
        shown += [f"  and {len(group) - most} more"] if len(group) > most else []
        shown.append(f"      {why}")
    return shown
