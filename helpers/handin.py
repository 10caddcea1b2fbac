"""`submit()`: say what is missing in a notebook, and write it into one zip with a receipt, ready to hand in."""

from __future__ import annotations

import contextlib
import hashlib
import importlib
import json
import os
import platform
import re
import shutil
import zipfile
from collections import defaultdict
from dataclasses import dataclass, field
from datetime import UTC, datetime
from html import escape
from itertools import pairwise
from pathlib import Path
from typing import Any

from helpers import panel, records
from helpers.notebook import grading, in_colab

LIMIT = 50_000_000
"""Bytes of a notebook that the grader takes."""
DRAWS = re.compile(r"^(?!\s|def |class |import |from )[^#\n]*\b(plt|plots)\.(?!style\b)", re.M)
"""A line of a cell that draws a figure; a cell that sets the style only prepares for that."""
DRIVE_FOLDER = "diffusion-labs"


class NotHere(Exception):
    """There is nothing to hand in; the text is a sentence that says what to do."""


@dataclass
class Found:
    """A notebook as it will be handed in: its bytes, where they come from, and its cells (of outputs, what each kind of data shows)."""

    assignment: str
    content: bytes
    origin: str
    saved: datetime | None = None
    cells: list[dict[str, Any]] = field(default_factory=list)
    problem: str = ""

    @property
    def name(self) -> str:
        """Its name in the zip."""
        return f"{self.assignment}/{self.assignment}.ipynb"


def submit(*notebooks: str, student: str = "") -> None:
    """Write a zip to hand in: your notebook and a receipt with its fingerprint. First it says what is missing; it never refuses for that.

    Args:
        notebooks: files such as "03_vpsde.ipynb"; if none, the course's notebooks beside this session (in Colab, the open one).
        student: your id, as your instructor knows it; it is part of the receipt.
    """
    if grading():
        return
    try:
        found = [_named(name) for name in notebooks] or _beside()
        student = str(student).strip()[:200]
        now = datetime.now(UTC).replace(microsecond=0)
        receipt = receipt_of(found, student, now)
        path = _write(found, receipt, student, now)
    except (NotHere, OSError) as error:
        panel.note("Nothing was written", f"{records.reason(error)}." if isinstance(error, OSError) else str(error)).show()
        return
    _show(path, found, receipt, _hand_over(path))


def receipt_of(found: list[Found], student: str, now: datetime) -> dict[str, Any]:
    """The receipt: who, when (UTC), with which versions, and the SHA-256 and size of every notebook in the zip."""
    from importlib.metadata import PackageNotFoundError, version

    from helpers import __version__

    versions = {"python": platform.python_version()}
    for package in ("torch", "numpy"):
        try:
            versions[package] = version(package)
        except PackageNotFoundError:
            versions[package] = ""
    files = {one.name: {"sha256": hashlib.sha256(one.content).hexdigest(), "bytes": len(one.content)} for one in found}
    return {
        "format": 1,
        "student": student,
        "time": now.isoformat(),
        "versions": {**versions, "helpers": __version__},
        "files": files,
    }


# ------------------------------------------------------------------------------------------------- finding notebooks


def _named(name: str) -> Found:
    """The notebook in a file that was asked for."""
    path = Path(str(name))
    if not path.is_file() and in_colab():
        with contextlib.suppress(NotHere):
            return _from_colab()
    if not path.suffix and not path.exists():
        raise NotHere(f'There is no notebook {path}; if that is your id, call submit(student="{path}").')
    found = load(path)
    if not found.assignment:
        raise NotHere(f"{path.name} is no notebook of this course: it has another name and none of the course's tasks.")
    return found


def _beside() -> list[Found]:
    """The notebook of this session if that is known, else the course's notebooks in this folder."""
    if in_colab():
        return [_from_colab()]
    here = sorted(path for path in Path.cwd().glob("*.ipynb") if path.is_file() and not path.name.startswith("."))
    running = [path for path in here if path.name == _running()]
    by_name: dict[str, list[Found]] = defaultdict(list)
    for one in map(load, running or here):
        by_name[one.assignment].append(one)
    strangers = by_name.pop("", [])
    if not by_name and running and len(here) > 1:
        raise NotHere(
            f'{running[0].name} is no notebook of this course; say which one to hand in: submit("03_vpsde.ipynb").'
        )
    if not by_name:
        others = f" ({', '.join(one.origin for one in strangers)}: not of this course)" if strangers else ""
        raise NotHere(
            f'There is no notebook of this course in {Path.cwd()}{others}; say where it is: submit("folder/03_vpsde.ipynb").'
        )
    chosen = []
    for assignment, several in by_name.items():
        exact = [one for one in several if one.origin == f"{assignment}.ipynb"]
        if len(several) > 1 and not exact:
            names = " and ".join(one.origin for one in several)
            raise NotHere(f'{names} are both {assignment}; say which one to hand in: submit("{several[0].origin}").')
        chosen.append((exact or several)[0])
    return chosen


def _running() -> str:
    """The file name of this session's notebook, where JupyterLab or VS Code says so; else ""."""
    place = getattr(records.shell(), "user_ns", {}).get("__vsc_ipynb_file__") or os.environ.get("JPY_SESSION_NAME", "")
    return Path(str(place)).name


def load(path: Path) -> Found:
    """A notebook from its file, whatever is in it."""
    try:
        content, saved = path.read_bytes(), datetime.fromtimestamp(path.stat().st_mtime, UTC)
    except OSError as error:
        raise NotHere(f"{path} cannot be read: {records.reason(error)}.") from None
    return _look(content, path.name, saved)


def _look(content: bytes, name: str, saved: datetime | None = None) -> Found:
    """What is in the bytes of a notebook."""
    found = Found("", content, name, saved)
    try:
        cells = json.loads(content.decode("utf-8"))["cells"]
        found.cells = [_tidy(cell) for cell in cells if isinstance(cell, dict)]
    except (ValueError, KeyError, TypeError, RecursionError):
        found.problem = (
            "It cannot be read as a notebook, so nothing in it can be graded; save it again and call submit() once more."
        )
    known = records.outline()
    stem = Path(name).stem
    said = set(
        re.findall(r"TODO ([a-z][\w.]+):|check\(\"([a-z][\w.]+)\"", "\n".join(cell["source"] for cell in found.cells))
    )
    tasks = {first or second for first, second in said}
    best = max(known, key=lambda assignment: len(tasks & set(known[assignment]["tasks"])))
    found.assignment = stem if stem in known else best if tasks & set(known[best]["tasks"]) else ""
    return found


def _tidy(cell: dict[str, Any]) -> dict[str, Any]:
    """A cell with a source, metadata and outputs of the kinds that they should be, whatever they are."""
    outputs = cell.get("outputs") if isinstance(cell.get("outputs"), list) else []
    return {
        **cell, "source": _joined(cell.get("source")), "metadata": _dict(cell.get("metadata")),
        "outputs": [_dict(_dict(output).get("data")) for output in outputs],
    }  # fmt: skip


def _joined(text: Any) -> str:
    """The text of a cell or an output, which notebooks keep as one string or as a list of lines."""
    return "".join(map(str, text)) if isinstance(text, list) else text if isinstance(text, str) else ""


def _dict(value: Any) -> dict[str, Any]:
    return value if isinstance(value, dict) else {}


def _from_colab() -> Found:
    """The notebook that is open in Colab's page: it is in no file here, the page is asked for it."""
    try:
        message = importlib.import_module("google.colab._message")
        answer = message.blocking_request("get_ipynb", request="", timeout_sec=30)
        notebook = answer["ipynb"]
        content = (json.dumps(notebook, ensure_ascii=False, indent=1) + "\n").encode("utf-8")
    except Exception as error:  # a part of Colab that is not ours, and has no promises
        raise NotHere(f"Colab did not hand over the notebook ({type(error).__name__}): choose File, Download, Download .ipynb in its menu, "
                      "and hand in that file.") from None  # fmt: skip
    name = _dict(_dict(_dict(notebook).get("metadata")).get("colab")).get("name")
    found = _look(content, str(name or "the open notebook"))
    if not found.assignment:
        raise NotHere(f"{found.origin} is no notebook of this course: it has another name and none of the course's tasks.")
    return found


# ----------------------------------------------------------------------------------------------- what is missing


def blank_tasks(found: Found) -> list[str]:
    """The tasks whose TODO still stands, or to which no cell is an answer; not those whose check has passed all the same."""
    tasks, code = records.outline()[found.assignment]["tasks"], _code(found)
    blank = [
        task
        for task in tasks
        if any(_is_stub(cell, task) for cell in code) or not any(_answers(cell, task) for cell in code)
    ]
    return [task for task in blank if not _shown(found, task).startswith("✓")]


def blank_questions(found: Found) -> list[str]:
    """The written questions whose answer cell is as it was given out, empty, or gone with nothing in its place."""
    outline, ids = records.outline()[found.assignment], [*map(_identity, found.cells), ""]
    gone = {task for task, after in outline["after"].items() if (task.replace(".", "-"), after) in pairwise(ids)}
    return [task for task in outline["written"] if task in gone or any(_is_placeholder(cell, task) for cell in found.cells)]


def missing(found: Found) -> list[str]:
    """What a student may want to know before handing in this notebook, in sentences."""
    if found.problem:
        return [found.problem]
    tasks, known = records.outline()[found.assignment]["tasks"], records.read()[0]
    opened = [task for task in tasks if known.get(task, {}).get("opened") or _cell(found, "unlock", task)]
    blank = [task for task in blank_tasks(found) if task not in opened]
    states = {task: _check_state(found, task, known.get(task, {})) for task in tasks if task not in [*blank, *opened]}
    groups = {
        "Not filled in": blank,
        "Opened for you, worth no points": opened,
        "Written answers still blank": blank_questions(found),
        "The check was not run": [task for task, state in states.items() if state == "not run"],
        "The check was run before the answer was changed": [task for task, state in states.items() if state == "older"],
        "The check has not passed": [task for task, state in states.items() if state == "failed"],
    }
    sentences = [f"{words}: {', '.join(names)}." for words, names in groups.items() if names]
    bare = [
        cell
        for cell in _code(found)
        if draws(cell["source"]) and not cell["outputs"] and not any(_answers(cell, t) for t in tasks)
    ]
    if bare:
        first = next(line for line in bare[0]["source"].splitlines() if DRAWS.match(line)).strip()[:60]
        sentences.append(
            f"Figures are missing below {len(bare)} cell{'s' * (len(bare) > 1)} (the first has the line “{first}”): run and save."
        )
    last = max((known[task]["time"] for task in tasks if task in known), default=None)
    if found.saved and last and found.saved.timestamp() + 1 < last.timestamp():
        sentences.insert(0, f"The file was saved at {_clock(found.saved)}, before your last check at {_clock(last)}: save it (Ctrl+S), "
                         "and call submit() once more.")  # fmt: skip
    if len(found.content) > LIMIT:
        sentences.insert(
            0,
            f"The notebook has {len(found.content) / 1e6:.0f} MB, and the grader takes {LIMIT / 1e6:g}: clear large outputs.",
        )
    return sentences


def draws(source: str) -> bool:
    """Whether a cell is one that draws a figure."""
    return bool(DRAWS.search(source)) and "plots.style()" not in source


def _code(found: Found) -> list[dict[str, Any]]:
    return [cell for cell in found.cells if cell.get("cell_type") == "code"]


def _identity(cell: dict[str, Any]) -> str:
    """The id of a cell: nbgrader's, else the notebook's, else the one that Colab keeps."""
    meta = cell["metadata"]
    return str(_dict(meta.get("nbgrader")).get("grade_id") or cell.get("id") or meta.get("id") or "")


def _answers(cell: dict[str, Any], task: str) -> bool:
    """Whether a code cell is the answer to a task: by its TODO line or its id, as when it is graded."""
    return f"TODO {task}:" in cell["source"] or _identity(cell) == task.replace(".", "-")


def _is_stub(cell: dict[str, Any], task: str) -> bool:
    return bool(re.search(rf"^\s*raise NotImplementedError\([\"']{re.escape(task)}[\"']\)", cell["source"], re.M))


def _is_placeholder(cell: dict[str, Any], task: str) -> bool:
    source, mine = cell["source"].strip(), _identity(cell) == f"{task.replace('.', '-')}-answer"
    return source == f"*Your answer to {task} here.*" or (mine and not source)


def _cell(found: Found, function: str, task: str) -> dict[str, Any] | None:
    """The first code cell with a line that calls `check` or `unlock` for a task."""
    call = re.compile(rf"^{function}\([\"']{re.escape(task)}[\"']", re.M)
    return next((cell for cell in _code(found) if call.search(cell["source"])), None)


def _shown(found: Found, task: str) -> str:
    """What the panel of a task's check shows in the file, as text; "" if it is not there."""
    return "".join(_joined(data.get("text/plain")) for data in (_cell(found, "check", task) or {}).get("outputs", []))


def _check_state(found: Found, task: str, known: dict[str, Any]) -> str:
    """ "passed", "failed", "not run" or "older" (than the answer), from the check cell's output and what the check has kept."""
    answer = next((cell for cell in reversed(_code(found)) if _answers(cell, task)), {"source": ""})
    shown = _shown(found, task)
    if not shown:
        return "not run"
    if known.get("cell") and answer["source"]:
        older = known["cell"] != records.digest(answer["source"])
    else:
        counts = [cell.get("execution_count") for cell in (_cell(found, "check", task) or {}, answer)]
        older = all(isinstance(count, int) for count in counts) and counts[0] < counts[1]
    return "older" if older else "passed" if shown.startswith("✓") else "failed"


def _clock(moment: datetime) -> str:
    """A moment as the student's own clock shows it."""
    return f"{moment.astimezone():%d %b, %H:%M}"


# ------------------------------------------------------------------------------------------- writing and showing it


def _write(found: list[Found], receipt: dict[str, Any], student: str, now: datetime) -> Path:
    """Write the zip beside the notebook, all of it or nothing."""
    who = re.sub(r"[^A-Za-z0-9._-]+", "-", student).strip("-.")[:60] or "unnamed"
    path = Path.cwd() / f"handin-{who}-{now:%Y%m%dT%H%M%SZ}.zip"
    part = path.with_suffix(".part")
    try:
        with zipfile.ZipFile(part, "w", zipfile.ZIP_DEFLATED) as archive:
            archive.writestr("receipt.json", json.dumps(receipt, ensure_ascii=False, indent=1) + "\n")
            for one in found:
                archive.writestr(one.name, one.content)
        part.replace(path)
    except OSError as error:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)
        raise NotHere(f"{path.name} cannot be written into {path.parent}: {records.reason(error)}.") from None
    return path


def _hand_over(path: Path) -> str:
    """What to do with the zip now. In Colab it is copied to Drive, if that is mounted, or offered as a download."""
    if not in_colab():
        return f"It is in {path.parent}. Hand in this one file."
    if path.is_relative_to(records.DRIVE):
        return f"It is on your Google Drive, in {path.parent.name}. Hand in this one file."
    if records.DRIVE.is_dir():
        try:
            (records.DRIVE / DRIVE_FOLDER).mkdir(exist_ok=True)
            shutil.copy(path, records.DRIVE / DRIVE_FOLDER)
            return f"It is on your Google Drive, in the folder {DRIVE_FOLDER}. Hand in this one file."
        except OSError as error:
            why = f"It could not be copied to your Drive ({records.reason(error)}). "
    else:
        why = ""
    try:
        importlib.import_module("google.colab.files").download(str(path))
        return f"{why}Your browser saves it now (it may ask you first). Hand in this one file."
    except Exception:  # a part of Colab that is not ours
        return f"{why}Find {path.name} under Files on the left, download it, and hand in this one file."


def _show(path: Path, found: list[Found], receipt: dict[str, Any], where: str) -> None:
    """The receipt as a panel: what is inside, its hash, the time, and what is missing."""
    when = datetime.fromisoformat(receipt["time"])
    head = f"Written at {_clock(when)} ({when:%Y-%m-%d %H:%M:%S} UTC). {where}"
    lines, rows = [head], [f"<div>{escape(head)}</div>"]
    if not receipt["student"]:
        ask = 'Whose work is this? The receipt does not say: call submit(student="your id") with the id that your instructor knows.'
        lines.append(f"! {ask}")
        rows.append(panel.marked(False, ask))
    for one in found:
        entry = receipt["files"][one.name]
        lines += [f"{one.name}, {entry['bytes']:,} bytes", f"  SHA-256 {entry['sha256']}"]
        rows.append(f'<div style="margin-top:8px"><b>{escape(one.name)}</b>, {entry["bytes"]:,} bytes<br>SHA-256 '
                    f'<code style="overflow-wrap:anywhere;background:none;color:inherit">{entry["sha256"]}</code></div>')  # fmt: skip
        if Path(one.origin).name != Path(one.name).name:
            lines.append(f"  (from {one.origin})")
            rows.append(f'<div style="opacity:.8">from {escape(one.origin)}</div>')
        for sentence in missing(one):
            lines.append(f"  ! {sentence}")
            rows.append(panel.marked(False, sentence))
        if not missing(one):
            lines.append("  ✓ Nothing is missing.")
            rows.append(panel.marked(True, "Nothing is missing."))
    last = "Missing things do not matter to the zip: it is written. After a change, save, and call submit() again; the last one counts."
    lines.append(last)
    rows.append(f'<div style="margin-top:8px;opacity:.8">{escape(last)}</div>')
    panel.framed(f"Ready to hand in: {path.name}", lines, rows).show()
