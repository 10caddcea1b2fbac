"""Who handed a file in: what Canvas, Moodle, Gradescope and our own receipts say in names and beside them, and the roster.

The names are those that the systems' own code makes: Canvas' lib/content_zipper.rb (lastnamefirstname_LATE_user_file_name),
Moodle's mod/assign/classes/downloader.php (Full Name_participant_assignsubmission_file/name, or the same as one flat name)
and Gradescope's submission_metadata.yml beside one folder for each submission.
"""

from __future__ import annotations

import csv
import difflib
import functools
import io
import re
import unicodedata
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import Path
from typing import Any

import yaml
from dateutil import parser as dates

SYSTEMS = ("Canvas", "Moodle", "Gradescope")
CANVAS = re.compile(r"^(?P<name>[\w-]+?)_(?:(?P<late>LATE)_)?(?P<user>\d+)_(?P<file>\d+)_(?P<rest>.+)$", re.I)
CANVAS_ANONYMOUS = re.compile(
    r"^(?:(?P<late>LATE)_)?(?P<name>anon_(?=[^_]*[a-z])[^\W_]+)_(?:(?P<late_after>LATE)_)?(?P<file>\d+)_(?P<rest>.+)$", re.I
)
MOODLE = re.compile(r"^(?P<name>[^_/]*)_(?P<user>\d+)_assignsubmission_[a-z]+(?:_(?P<rest>.+))?_?$")
GRADESCOPE = "submission_metadata.yml"
ID = re.compile(r"[^\W_][\w.@-]{0,80}")
"""What may be a student's id: it becomes a folder's name."""
COLUMNS = {
    "id": ("nbgrader id", "student id", "id number", "sid", "sis user id", "sis login id", "username", "login id", "login", "id", "email address", "email"),
    "name": ("full name", "student name", "name", "student", "display name", "sortable name"),
    "first": ("first name", "given name", "firstname", "first"),
    "last": ("last name", "surname", "family name", "lastname", "last"),
    "email": ("email address", "email", "e mail", "mail", "sis login id"),
    "lms": ("lms id", "canvas id", "canvas user id", "moodle id", "participant", "participant id", "identifier", "user id", "id"),
    "time": ("last modified submission", "submitted at", "submission time", "submitted", "handed in"),
}  # fmt: skip
"""The headers by which a roster's columns are known, the better ones first; letter case and signs do not matter."""

MEANING = {
    "id": "nbgrader's id",
    "name": "name",
    "first": "first name",
    "last": "last name",
    "email": "email",
    "lms": "the LMS's id",
    "time": "time",
}


@dataclass(frozen=True)
class Owner:
    """Whom an export says a file is from. `keys` are ids and addresses, the best first; `number` rises with every upload.

    `suggested` is the id where there is no roster, `late` what the system says of it (None: nothing), `rest` the file's own name.
    """

    system: str
    name: str
    keys: tuple[str, ...] = ()
    suggested: str = ""
    number: int = 0
    time: datetime | None = None
    late: bool | None = None
    rest: str = ""


@dataclass(frozen=True)
class Student:
    """A line of the roster. `time` is when the LMS (whose number of the student is `lms`) says that the student handed in."""

    id: str
    name: str = ""
    email: str = ""
    lms: str = ""
    time: datetime | None = None


@dataclass(frozen=True)
class Export:
    """What made an archive: one of SYSTEMS, or "" for a plain zip; `top` is the folder that all of it lies in, if there is one.

    Only the parts of a name that the system writes are looked at: what a student may call a file or a folder counts for nothing.
    """

    system: str = ""
    top: str = ""
    submissions: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, names: Iterable[str], read: Callable[[str], bytes]) -> Export:
        """Look at the names in an archive; `read` gives the file of one of them.

        Raises:
            ValueError: if it is Gradescope's, and its list of submissions cannot be read.
        """
        firsts = {name.split("/")[0] if "/" in name else "" for name in names}
        only = next(iter(firsts)) if len(firsts) == 1 else ""
        top = f"{only}/" if only and not MOODLE.match(only) else ""
        heads = [name.removeprefix(top).split("/") for name in names]
        if [GRADESCOPE] in heads:
            return cls("Gradescope", top, gradescope_metadata(read(top + GRADESCOPE)))
        if any(MOODLE.match(parts[0]) for parts in heads):
            return cls("Moodle", top)
        if any(len(parts) == 1 and (CANVAS.match(parts[0]) or CANVAS_ANONYMOUS.match(parts[0])) for parts in heads):
            return cls("Canvas", top)
        return cls()

    def owners(self, name: str) -> list[Owner]:
        """Whom a file of the archive is from: one student, several for a group at Gradescope, or none that the name tells."""
        head, _, tail = name.removeprefix(self.top).partition("/")
        last = tail.rpartition("/")[2] or head
        if self.system == "Gradescope":
            return _gradescope(head, self.submissions[head], last) if head in self.submissions else []
        if self.system == "Moodle" and (found := MOODLE.match(head)):
            who, user = found["name"].strip(), found["user"]
            anonymous = who.lower() in ("", "participant")
            suggested = f"participant_{user}" if anonymous else as_id(who)
            return [
                Owner("Moodle", "" if anonymous else who, (user,), suggested, rest=last if tail else found["rest"] or last)
            ]
        if self.system == "Canvas" and not tail and (found := CANVAS_ANONYMOUS.match(head)):
            late, who = bool(found["late"] or found["late_after"]), found["name"]
            return [Owner("Canvas", "", (who, who[5:]), who, int(found["file"]), None, late, found["rest"])]
        if self.system == "Canvas" and not tail and (found := CANVAS.match(head)):
            who, user = found["name"], found["user"]
            return [
                Owner(
                    "Canvas",
                    who,
                    (user,),
                    as_id(f"{who}_{user}"),
                    int(found["file"]),
                    None,
                    bool(found["late"]),
                    found["rest"],
                )
            ]
        return []


def _gradescope(folder: str, entry: Any, rest: str) -> list[Owner]:
    """The students of one submission at Gradescope; its time is exact, with a zone."""
    entry = entry if isinstance(entry, dict) else {}
    time, number = entry.get(":created_at"), re.search(r"\d+", folder)
    time = time.get("utc") if isinstance(time, dict) else time  # Ruby's time with a zone
    time = moment(time, UTC) if time is not None else None
    result = []
    people = entry.get(":submitters")
    for person in people if isinstance(people, list) else []:
        if isinstance(person, dict):
            sid, email, name = (str(person.get(key) or "").strip() for key in (":sid", ":email", ":name"))
            keys = tuple(key for key in (sid, email) if key)
            suggested = next((key for key in keys if ID.fullmatch(key)), "") or as_id(name)
            result.append(Owner("Gradescope", name, keys, suggested, int(number[0]) if number else 0, time, None, rest))
    return result


class _Loader(getattr(yaml, "CSafeLoader", yaml.SafeLoader)):
    """YAML as Ruby writes it: what has a tag of Ruby's is read as plain data."""


_Loader.add_multi_constructor("!ruby/", lambda loader, _, node: _plain(loader, node))


def _plain(loader: Any, node: yaml.Node) -> Any:
    if isinstance(node, yaml.MappingNode):
        return loader.construct_mapping(node, deep=True)
    return (
        loader.construct_sequence(node, deep=True) if isinstance(node, yaml.SequenceNode) else loader.construct_scalar(node)
    )


def gradescope_metadata(content: bytes) -> dict[str, Any]:
    """What submission_metadata.yml says, by folder.

    Raises:
        ValueError: if it cannot be read.
    """
    try:
        data = yaml.load(content.decode("utf-8", "replace"), _Loader)
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise ValueError(f"{GRADESCOPE} cannot be read ({type(error).__name__}); download the export again") from None
    if not isinstance(data, dict):
        raise ValueError(f"{GRADESCOPE} holds no submissions; download the export again")
    return {str(key): entry for key, entry in data.items()}


def moment(value: Any, zone: tzinfo | None) -> datetime | None:
    """A time as it stands in a table or an export, in UTC; one without a zone is in `zone` (default: this machine's).

    None if it is no time, or not a whole one: "Thursday" or "10:00" would be another time on another day.
    """
    if not isinstance(value, datetime):
        try:
            value, other = (
                dates.parse(str(value)[:100], default=day) for day in (datetime(2001, 1, 1), datetime(2002, 2, 2))
            )
        except (ValueError, OverflowError, TypeError):
            return None
        if value != other:
            return None
    try:
        aware = value if value.tzinfo else value.replace(tzinfo=zone) if zone else value.astimezone()
        return aware.astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def squash(text: str) -> str:
    """A name as it can be compared: no accents, signs, spaces or capitals."""
    plain = unicodedata.normalize("NFKD", text).casefold()
    return "".join(letter for letter in plain if letter.isalnum())


def as_id(name: str) -> str:
    """An id out of a name, where there is no roster: jane_doe."""
    plain = "".join(letter for letter in unicodedata.normalize("NFKD", name).casefold() if not unicodedata.combining(letter))
    return re.sub(r"\W+", "_", plain).strip("_")[:80]


@dataclass
class Roster:
    """The class. `about` says which columns were taken for what, `problems` which lines could not be used."""

    students: list[Student] = field(default_factory=list)
    about: str = ""
    problems: list[str] = field(default_factory=list)
    source: str = ""

    def find(self, owner: Owner) -> tuple[Student | None, str]:
        """The student that an owner is, or None and why, as a sentence."""
        found: list[Student] = []
        for match in (
            *(functools.partial(has_key, key, owner.system) for key in owner.keys),
            functools.partial(_has_name, owner, squash(owner.name)),
        ):
            found = found or [one for one in self.students if match(one)]
        if len(found) == 1:
            return found[0], ""
        known = " or ".join([f"the id {key!r}" for key in owner.keys] + ([f"the name {owner.name!r}"] if owner.name else []))
        if found:
            lines = ", ".join(one.id for one in found)
            return (
                None,
                f"{self.source} has several students with {known} ({lines}); a column with the LMS's ids tells them apart.",
            )
        if not owner.name:
            return None, (
                f"Nobody in {self.source} has {known}, and the names are hidden (anonymous grading): switch that off and "
                "download again, or write these ids into a column 'lms id'."
            )  # fmt: skip
        return (
            None,
            f"Nobody in {self.source} has {known}.{self._nearest(owner.name)} Add or correct its line and collect again.",
        )

    def _nearest(self, name: str) -> str:
        """A sentence with the most similar name of the roster, or nothing."""
        spelled = {spelling: one for one in self.students for spelling in _spellings(one.name)}
        near = difflib.get_close_matches(squash(name), spelled, 1, 0.75)
        return f" The nearest name is {spelled[near[0]].name!r} ({spelled[near[0]].id})." if near else ""


def has_key(key: str, system: str, one: Student) -> bool:
    """Whether a line of the roster has this id or address. Canvas' and Moodle's numbers are looked for in their own column only."""
    own = (one.lms,) if system in ("Canvas", "Moodle") else (one.id, one.email)
    return key.casefold() in (value.casefold() for value in own if value)


def _has_name(owner: Owner, name: str, one: Student) -> bool:
    """Whether a line of the roster has this name, or has nothing but an id, which is the LMS's.

    Canvas' numbers are for good: somebody with another one is somebody else. Moodle's are for one assignment.
    """
    if owner.system in ("Canvas", "Moodle") and not one.name and not one.lms:
        return one.id in owner.keys
    if owner.system == "Canvas" and one.lms and not one.lms.startswith("anon"):
        return False
    return name in _spellings(one.name)


@functools.cache
def _spellings(name: str) -> frozenset[str]:
    """A name in every order in which its words may be turned round: Jane Ann Doe, Doe Jane Ann."""
    words = [word for word in re.split(r"[\s,;]+", name) if squash(word)]
    return frozenset(squash("".join(words[cut:] + words[:cut])) for cut in range(len(words)))


def read_roster(path: Path, zone: tzinfo | None = None) -> Roster:
    """A roster from a CSV: any table with a line of headers, such as Canvas' gradebook or Moodle's grading worksheet.

    Raises:
        ValueError: if it cannot be read or no column in it can be an id.
    """
    rows, columns = read_table(path)
    roster = Roster(source=path.name)
    roster.about = ", ".join(f"{MEANING[what]} from '{rows[0][number].strip()}'" for what, number in columns.items())
    for line, row in enumerate(rows[1:], 2):
        values = {what: row[number].strip() if number < len(row) else "" for what, number in columns.items()}
        _add(roster, line, values, zone)
    return roster


def read_table(path: Path) -> tuple[list[list[str]], dict[str, int]]:
    """The rows of a roster, the first with its headers, and which column is what (`COLUMNS`).

    Raises:
        ValueError: if it cannot be read or no column in it can be an id.
    """
    try:
        content = path.read_bytes()
    except OSError as error:
        raise ValueError(f"{path} cannot be read: {error.strerror}.") from None
    try:
        text = content.decode("utf-16" if content[:2] in (b"\xff\xfe", b"\xfe\xff") else "utf-8-sig")
    except UnicodeDecodeError:
        text = content.decode("cp1252", "replace")
    try:
        dialect = csv.Sniffer().sniff(text.partition("\n")[0], ",;\t")
    except csv.Error:
        dialect = csv.excel
    try:
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), dialect) if any(cell.strip() for cell in row)]
    except csv.Error as error:
        raise ValueError(f"{path} cannot be read as a CSV: {error}.") from None
    columns = _columns(rows) if rows else {}
    if "id" not in columns:
        headers = ", ".join(rows[0])[:200] if rows else "nothing"
        raise ValueError(f"{path}: no column of it is known as an id (its first line is: {headers}). Call one 'student id'.")
    return rows, columns


def header_words(header: str) -> str:
    """A column's header without capitals and signs: nbgrader_id is "nbgrader id"."""
    return " ".join(re.findall(r"[^\W_]+", header.casefold()))


def _columns(rows: list[list[str]]) -> dict[str, int]:
    """Which column is what; empty ones are nothing. Canvas' 'ID' beside 'SIS User ID' is the LMS's, alone it is the student's."""
    headers = [header_words(header) for header in rows[0]]
    filled = [any(number < len(row) and row[number].strip() for row in rows[1:]) for number in range(len(headers))]
    found = {}
    for what, names in COLUMNS.items():
        number = next((headers.index(name) for name in names if name in headers and filled[headers.index(name)]), None)
        if number is not None and not (what == "lms" and number == found.get("id")):
            found[what] = number
    return found


def _add(roster: Roster, line: int, values: dict[str, str], zone: tzinfo | None) -> None:
    """Take one line of the roster, or say why not."""
    name = values.get("name") or " ".join(part for part in (values.get("first", ""), values.get("last", "")) if part)
    identity = values["id"]
    if not identity:
        if name and name.lower() not in ("points possible", "student, test", "test student"):
            roster.problems.append(f"{roster.source}, line {line}: {name!r} has no id; the line was left out.")
    elif not ID.fullmatch(identity):
        roster.problems.append(
            f"{roster.source}, line {line}: {identity!r} cannot be a folder's name; the line was left out."
        )
    elif any(one.id == identity for one in roster.students):
        roster.problems.append(f"{roster.source}, line {line}: the id {identity!r} is there twice; the first line counts.")
    else:
        lms = re.sub(r"^participant\s+", "", values.get("lms", ""), flags=re.I)
        written = values.get("time", "")
        time = moment(written, zone) if written not in ("", "-") else None
        if written not in ("", "-") and time is None:
            roster.problems.append(
                f"{roster.source}, line {line}: {written!r} is not a time that can be read; it was not used."
            )
        roster.students.append(Student(identity, name, values.get("email", ""), lms, time))
