"""What is taken of a submission: one regular file, the notebook, and of it the cells and the figures. Nothing else is opened.

Links, devices, pipes, other files and whatever a student may have packed with the notebook stay where they are.
"""

from __future__ import annotations

import base64
import binascii
import contextlib
import hashlib
import json
import os
import re
import secrets
import shutil
import stat
from datetime import datetime
from pathlib import Path
from typing import Any

import nbformat
from nbgrader.coursedir import CourseDirectory

from autograder import course, opened

MAX_NOTEBOOK = 50_000_000
MAX_CELLS = 2_000
MAX_SOURCE = 200_000
MAX_OUTPUT = 2_000_000
MAX_OUTPUTS = 30_000_000
SIGNATURES = {"image/png": b"\x89PNG", "image/jpeg": b"\xff\xd8"}
"""The kinds of figures that are kept, and how they begin."""

EMPTY: dict[str, dict[str, Any]] = {
    "code": {"cell_type": "code", "metadata": {}, "execution_count": None, "outputs": []},
    "markdown": {"cell_type": "markdown", "metadata": {}},
    "raw": {"cell_type": "raw", "metadata": {}},
}
"""The kinds of cells, as they are made. (nbformat's own functions validate each against its schema, at once and again as a notebook.)"""

DROPPED = (
    "[Something live stood here (HTML, a widget, a video or an animation). It is not shown; the submitted file has it.]"
)


class Refused(ValueError):
    """A file that is not taken; the text says why, as the end of a sentence."""


class OnlyNotebooks(CourseDirectory):
    """nbgrader's view of the course folder while it grades: it copies no other file, and a timestamp must be a plain file."""

    @classmethod
    def instead_of(cls, course: CourseDirectory) -> OnlyNotebooks:
        """The same course folder."""
        new = cls(parent=course.parent, config=course.config)
        for name in course.traits(config=True):
            setattr(new, name, getattr(course, name))
        new.ignore = ["*"]
        return new

    def get_existing_timestamp(self, dest_path: str) -> datetime | None:
        """The time in timestamp.txt; None if there is none that can be read."""
        try:
            read_file(Path(dest_path, "timestamp.txt"), 1000)
            return super().get_existing_timestamp(dest_path)
        except Exception as error:  # whatever stands in a student's file
            if not isinstance(error, FileNotFoundError):
                self.log.warning("The file timestamp.txt in %s is not used: %s", dest_path, error)
            return None

    def keep_timestamp(self, assignment: str, student: str) -> None:
        """Put a readable timestamp beside the graded notebook: nbgrader compares it when the student hands in again."""
        source, target = (Path(self.format_path(place, student, assignment))
                          for place in (self.submitted_directory, self.autograded_directory))  # fmt: skip
        if self.get_existing_timestamp(str(source)) is not None:
            target.mkdir(parents=True, exist_ok=True)
            (target / "timestamp.txt").write_bytes(read_file(source / "timestamp.txt", 1000))


def digest(assignment: str, student: str) -> str:
    """What tells one submitted notebook from another (an empty one where none may be read), and what was opened for the student."""
    content = b""
    with contextlib.suppress(OSError, Refused):
        content = read_file(course.ROOT / "submitted" / student / assignment / f"{assignment}.ipynb", MAX_NOTEBOOK)
    free = [task for task in opened.tasks(student) if task in course.load(assignment).tasks]
    return hashlib.sha256(content + repr(free).encode()).hexdigest()


def forget_outdated(assignment: str, students: str = "*") -> None:
    """Remove graded notebooks that nbgrader would take for done, and are not: it compares times alone.

    One was half written when autograde was killed; or another file has come in its place with the same time; or a task was opened
    since. Marks and comments by hand are in the gradebook, and stay.

    Args:
        assignment: such as "03_vpsde".
        students: a pattern of names, as nbgrader's --student.
    """
    for folder in (course.ROOT / "autograded").glob(f"{students}/{assignment}"):
        student = folder.parent.name
        if not (course.ROOT / "submitted" / student / assignment).is_dir():
            continue
        try:
            graded = json.loads((folder / f"{assignment}.ipynb").read_text(encoding="utf-8"))["metadata"]["diffusion_labs"]
            done = bool(graded["verdicts"])
            same = graded.get("submitted", "") in ("", digest(assignment, student))  # earlier graders did not write it down
        except (OSError, ValueError, KeyError, TypeError):
            done = same = False
        if not (done and same):
            shutil.rmtree(folder, ignore_errors=True)


def adopt_misnamed(assignment: str, student: str, notebooks: list[str]) -> None:
    """nbgrader's pre_convert_hook: a lone notebook under another name ("Copy of 03_vpsde (1).ipynb") is graded all the same.

    A copy under the right name is put beside it; the submitted file itself is never changed. Where that cannot be done, the
    right name is graded all the same, as a file that is not there: with 0, and a note.
    """
    wanted = f"{assignment}.ipynb"
    if not notebooks or any(Path(path).name == wanted for path in notebooks):
        return
    adopted = Path(notebooks[0]).with_name(wanted)
    alike = [path for path in notebooks if assignment in Path(path).stem] or notebooks
    if len(alike) == 1:
        with contextlib.suppress(OSError, Refused):
            read_file(Path(alike[0]), MAX_NOTEBOOK)
            shutil.copy(alike[0], adopted)
    notebooks.append(str(adopted))


def read_file(path: Path, limit: int) -> bytes:
    """The bytes of a regular file of at most `limit` bytes.

    Raises:
        Refused: for a link, a device, a pipe, a folder, or a larger file.
        OSError: if it is not there or cannot be read.
    """
    if path.parent.is_symlink():
        raise Refused("its folder is a link to another one")
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK)
    except OSError:
        if path.is_symlink():
            raise Refused("it is a link to another file") from None
        raise
    with os.fdopen(descriptor, "rb") as file:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            raise Refused("it is not a regular file")
        if status.st_nlink > 1:
            raise Refused("it is a hard link to another file")
        if status.st_size > limit:
            raise Refused(f"it has {status.st_size / 1e6:.0f} MB, and {limit / 1e6:g} are the limit")
        return file.read(limit)


def read_notebook(path: Path, content: bytes | None = None) -> nbformat.NotebookNode:
    """Read a notebook of any version; one that is refused or unreadable gives an empty notebook with a note about it.

    `content` is what is in the file, where that was read before.
    """
    try:
        raw = json.loads(decode(read_file(path, MAX_NOTEBOOK) if content is None else content))
        if not isinstance(raw, dict):
            raise ValueError("it holds no notebook")
        version = raw.get("nbformat", 4)
        if "worksheets" in raw or (isinstance(version, int) and version < 4):
            raw = nbformat.convert(nbformat.from_dict(raw), 4)
        return tidy(raw)
    except Refused as error:
        why = str(error)
    except FileNotFoundError:
        why = "there is no such file, or none that is clearly meant"
    except RecursionError:
        why = "it is nested too deeply"
    except Exception as error:  # whatever is wrong with one student's file, the class is graded
        why = "it is not valid JSON" if isinstance(error, ValueError) else f"{type(error).__name__}"
    note = f"The file {path.name} could not be read as a notebook ({why}); no answer could be salvaged from it."
    return nbformat.v4.new_notebook(metadata={"diffusion_labs": {"notes": [note]}})


def decode(content: bytes) -> str:
    """Text from bytes: UTF-8 as notebooks are, UTF-16 as some editors save, or what every byte can be read as."""
    if content.startswith((b"\xff\xfe", b"\xfe\xff")):
        return content.decode("utf-16", "replace")
    try:
        return content.decode("utf-8-sig")
    except UnicodeDecodeError:
        return content.decode("latin-1")


def tidy(raw: dict[str, Any]) -> nbformat.NotebookNode:
    """A valid notebook with the cells of `raw` that have a type and a source, whatever else is wrong with it."""
    cells, notes, room, seen = [], [], MAX_OUTPUTS, set()
    entries = raw.get("cells") if isinstance(raw.get("cells"), list) else []
    if len(entries) > MAX_CELLS:
        notes.append(f"The notebook has {len(entries)} cells; the first {MAX_CELLS} were read.")
    for number, cell in enumerate(entries[:MAX_CELLS]):
        if not isinstance(cell, dict) or cell.get("cell_type") not in tuple(EMPTY):
            continue
        source = _text(cell.get("source", ""))
        if len(source) > MAX_SOURCE:
            notes.append(f"Cell {number + 1} has {len(source):,} characters; it was left out.")
            continue
        new = nbformat.from_dict({**EMPTY[cell["cell_type"]], "id": secrets.token_hex(4), "source": source})
        meta = cell["metadata"] if isinstance(cell.get("metadata"), dict) else {}
        own = cell.get("id", meta.get("id"))  # Colab keeps a cell's id in its metadata
        if isinstance(own, str) and own not in seen:
            new.id = own[:64]
            seen.add(own)
        grader = meta.get("nbgrader")
        identity = grader.get("grade_id") if isinstance(grader, dict) else None
        new.metadata["nbgrader"] = nbformat.from_dict({"grade_id": identity} if isinstance(identity, str) else {})
        if cell["cell_type"] == "code" and isinstance(cell.get("outputs"), list):
            new.outputs = [out for entry in cell["outputs"] if (out := safe_output(entry)) is not None and room > 0]
            room -= sum(len(str(output)) for output in new.outputs)
        cells.append(new)
    if room < 0:
        notes.append(f"The notebook's figures have more than {MAX_OUTPUTS / 1e6:g} MB; the last ones were left out.")
    return nbformat.v4.new_notebook(cells=cells, metadata={"diffusion_labs": {"notes": notes}})


def _text(value: Any) -> str:
    """Text that can be written to any file: lists of lines joined, and no halves of characters or zeros in it."""
    text = "".join(map(str, value)) if isinstance(value, list) else str(value)
    return text.replace("\0", "").encode("utf-8", "replace").decode("utf-8")


def safe_output(entry: Any) -> nbformat.NotebookNode | None:
    """An output without anything live in it (HTML, JavaScript, widgets), or None."""
    if not isinstance(entry, dict):
        return None
    if entry.get("output_type") == "stream":
        return nbformat.v4.new_output("stream", name="stdout", text=as_shown(_text(entry.get("text", "")))[-20_000:])
    if entry.get("output_type") in ("display_data", "execute_result") and isinstance(entry.get("data"), dict):
        data = {kind: value for kind in ("text/plain", *SIGNATURES) if (value := _data(kind, entry["data"].get(kind)))}
        live = _text(entry["data"].get("text/html", ""))
        if not data.keys() & SIGNATURES.keys():
            data |= still(live)
        if data.get("text/plain", "").startswith("<IPython.core.display."):  # only says that there was something else
            data["text/plain"] = DROPPED
        words = data.get("text/plain", "")[:1000]  # for readers who do not see the figure; pages escape it
        metadata = {kind: {"alt": words} for kind in SIGNATURES if kind in data and words}
        return nbformat.v4.new_output("display_data", data=data, metadata=metadata) if data else None
    if entry.get("output_type") == "error":
        text = f"{_text(entry.get('ename'))[:100]}: {_text(entry.get('evalue'))[:2000]}"
        return nbformat.v4.new_output("stream", name="stdout", text=text)
    return None


def as_shown(text: str) -> str:
    """Text as a terminal shows it: of a line that was overwritten again and again, as progress bars do, what stood there last."""
    return "\n".join(line.rstrip("\r").rpartition("\r")[2] for line in text.split("\n"))


def still(html: str) -> dict[str, str]:
    """The last picture that a piece of HTML brings itself, such as the last frame of matplotlib's animations; nothing of the rest."""
    kind, _, rest = html[html.rfind("data:image/") + len("data:") :].partition(";base64,")
    if kind not in SIGNATURES:
        return {}
    content = re.match(r"[A-Za-z0-9+/=\s\\]*", rest[: MAX_OUTPUT + 1])[0].replace("\\", "")
    return {kind: value} if (value := _data(kind, content)) else {}


def _data(kind: str, value: Any) -> str | None:
    """The text or the figure in an output, if it is one and not too large."""
    if not isinstance(value, (str, list)) or len(text := _text(value)) > MAX_OUTPUT:
        return None
    if kind == "text/plain":
        return text
    try:
        content = base64.b64decode("".join(text.split()), validate=True)
    except (binascii.Error, ValueError):
        return None
    return text if content.startswith(SIGNATURES[kind]) else None
