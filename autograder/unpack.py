"""Read archives that strangers made: every file of a zip and of the zips in it, one by one, whatever is wrong with some of them.

Nothing is unpacked to the disk and no name in an archive is used as a path. What cannot be read is a sentence, and the rest
is read all the same.
"""

from __future__ import annotations

import contextlib
import io
import json
import lzma
import stat
import struct
import unicodedata
import zipfile
import zlib
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import UTC, datetime, tzinfo
from pathlib import Path, PurePosixPath
from typing import Any, BinaryIO

from autograder.intake import MAX_NOTEBOOK

MAX_FILE = MAX_NOTEBOOK
"""Bytes of one file; larger ones stay in their archive."""
MAX_INNER = 200_000_000
"""Bytes of one zip inside the archive, and of all that comes out of it, zips in it included."""
MAX_INNER_FILES = 2_000
MAX_RECEIPT = 100_000
MAX_TOTAL = 20_000_000_000
MAX_FILES = 100_000
MAX_DEPTH = 3
"""Zips in zips in zips are opened so deep."""
BROKEN = (
    zipfile.BadZipFile,
    zlib.error,
    lzma.LZMAError,
    struct.error,
    EOFError,
    OSError,
    RuntimeError,
    ValueError,
    OverflowError,
)
JUNK = {".ds_store", "thumbs.db", "desktop.ini"}


class Unreadable(ValueError):
    """An archive, or a part of one, that is not read; the text says why, as the end of a sentence."""


@dataclass(frozen=True)
class File:
    """One file of an archive, or one that could not be read.

    `path` is where it was: a name in the archive, and a name in the zip of that name, and so on. `content` is what can be
    kept of it (for an unreadable file in an inner zip, that zip, under the name `keep`), `problem` why it is not taken.
    `time` is the outer archive's time of the file, in UTC; `receipt` what the receipt beside or above it says, if there is
    one, and `listed` the file's name from there.
    """

    path: tuple[str, ...]
    content: bytes | None
    time: datetime | None = None
    problem: str = ""
    keep: str = ""
    receipt: dict[str, Any] = field(default_factory=dict)
    listed: str = ""

    @property
    def name(self) -> str:
        """The path, for people."""
        return " > ".join(self.path)


@dataclass
class _Budget:
    files: int
    bytes: int

    def take(self, count: int, size: int) -> None:
        self.files -= count
        self.bytes -= size
        if self.files < 0 or self.bytes < 0:
            raise Unreadable("it unpacks to more files or more bytes than a submission has; the rest of it was left")


def read(archive: Path, zone: tzinfo | None = None) -> Iterator[File]:
    """All files of an archive. Its own times are in `zone` (default: this machine's) where it does not say.

    Raises:
        Unreadable: if it is no zip at all, or breaks its limits.
    """
    with _opened(archive) as stream:
        yield from _walk(stream, (), None, _Budget(MAX_FILES, MAX_TOTAL), zone)


def names(archive: Path) -> list[str]:
    """The names of the files in the outer archive.

    Raises:
        Unreadable: if it is no zip at all.
    """
    with _opened(archive) as stream, zipfile.ZipFile(stream) as zipped:
        found = [_name(info) for info in zipped.infolist()]
    return [name for name in found if not name.endswith("/") and not _is_junk(name)]


def member(archive: Path, name: str) -> bytes:
    """One file of the outer archive, which names() has.

    Raises:
        Unreadable: if it is encrypted, too large or broken.
    """
    with _opened(archive) as stream, zipfile.ZipFile(stream) as zipped:
        return content_of(zipped, next(info for info in zipped.infolist() if _name(info) == name), MAX_INNER)


@contextlib.contextmanager
def _opened(archive: Path) -> Iterator[BinaryIO]:
    """An archive that is read; whatever is wrong with the whole of it is an Unreadable."""
    if archive.is_dir():
        raise Unreadable(
            "it is a folder. The command reads the zip as it was downloaded; if a browser unpacked it, zip the folder again"
        )
    try:
        with archive.open("rb") as stream:
            yield stream
    except Unreadable:
        raise
    except FileNotFoundError:
        raise Unreadable("there is no such file") from None
    except BROKEN as error:
        raise Unreadable(f"it is not a zip, or did not arrive whole; download it again ({_short(error)})") from None


def _walk(
    stream: Any, trail: tuple[str, ...], time: datetime | None, budget: _Budget, zone: tzinfo | None
) -> Iterator[File]:
    """The files of one zip, at the place `trail`; `time` is that of the outer archive's file, None in the outer archive itself."""
    with zipfile.ZipFile(stream) as zipped:
        receipts = _receipts(zipped)
        for info in zipped.infolist():
            name = _name(info)
            if info.is_dir() or name.endswith("/") or _is_junk(name):
                continue
            budget.take(1, 0)
            place, when = (*trail, name), time if trail else _time(info, zone)
            folder = next((folder for folder in receipts if name.startswith(folder)), "")
            if folder in receipts and name == f"{folder}receipt.json":
                continue
            try:
                content = content_of(zipped, info, MAX_FILE if trail or not name.lower().endswith(".zip") else MAX_INNER)
                budget.take(0, len(content))
            except Unreadable as error:
                if budget.files < 0 or budget.bytes < 0:
                    raise
                yield File(place, None, when, str(error))
                continue
            if stat.S_ISLNK(info.external_attr >> 16):
                yield File(place, content, when, "it is a link to another file; links are not followed")
            elif leads_out(name):
                yield File(place, content, when, "its path leads out of the archive")
            elif _is_zip(name, content):
                yield from _inner(content, place, when, zone, budget)
            else:
                yield File(place, content, when, receipt=receipts.get(folder, {}), listed=name.removeprefix(folder))


def _inner(
    content: bytes, place: tuple[str, ...], time: datetime | None, zone: tzinfo | None, budget: _Budget
) -> Iterator[File]:
    """The files of a zip in a zip. If something in it cannot be read, the zip itself is what is kept."""
    if len(place) > MAX_DEPTH:
        yield File(place, content, time, f"it is a zip in a zip; they are opened {MAX_DEPTH} deep")
        return
    if content.count(b"PK\x01\x02") > 2 * MAX_INNER_FILES:  # before a list of them is made
        yield File(place, content, time, "it holds more files than a submission has")
        return
    own = _Budget(MAX_INNER_FILES, MAX_INNER) if len(place) == 1 else budget
    try:
        for file in _walk(io.BytesIO(content), place, time, own, zone):
            if file.content is None:
                yield File(file.path, content, time, file.problem, keep="/".join(place))
            else:
                yield file
    except Unreadable as error:
        if len(place) > 1:
            raise  # the outermost of them has the limit
        yield File(place, content, time, str(error))
    except BROKEN as error:
        yield File(place, content, time, f"it is not a zip, or a broken one ({_short(error)})")


def content_of(zipped: zipfile.ZipFile, info: zipfile.ZipInfo, limit: int) -> bytes:
    """The bytes of one file, read until the limit and no further, whatever the archive promises.

    Raises:
        Unreadable: if it is encrypted, too large or broken.
    """
    if info.flag_bits & 0x1:
        raise Unreadable("it is encrypted; ask for it without a password")
    try:
        with zipped.open(info) as file:
            content = file.read(limit + 1) if info.file_size <= limit else b""
    except NotImplementedError:
        raise Unreadable("it is compressed in a way that cannot be read here") from None
    except BROKEN as error:
        raise Unreadable(f"it is damaged ({_short(error)})") from None
    if max(info.file_size, len(content)) > limit:
        raise Unreadable(f"it has {info.file_size / 1e6:,.0f} MB, and {limit / 1e6:g} are the limit")
    return content


def _receipts(zipped: zipfile.ZipFile) -> dict[str, dict[str, Any]]:
    """The receipts that submit() wrote, by their folder in this zip, the deepest folder first."""
    found = {}
    for info in zipped.infolist():
        name = _name(info)
        if PurePosixPath(name).name == "receipt.json":
            with contextlib.suppress(ValueError, RecursionError):
                data = json.loads(content_of(zipped, info, MAX_RECEIPT).decode("utf-8"))
                if isinstance(data, dict) and isinstance(data.get("files"), dict) and isinstance(data.get("student"), str):
                    found[name.removesuffix("receipt.json")] = {**data, "student": data["student"].strip()[:200]}
    return dict(sorted(found.items(), key=lambda pair: -len(pair[0])))


def _name(info: zipfile.ZipInfo) -> str:
    """The name of a member, as its maker meant it: UTF-8 without the mark for it, Windows' separators, decomposed letters."""
    name = info.filename
    if not info.flag_bits & 0x800:
        with contextlib.suppress(UnicodeError):
            name = name.encode("cp437").decode("utf-8")
    return unicodedata.normalize("NFC", name.replace("\\", "/"))


def leads_out(name: str) -> bool:
    """Whether a name in an archive is an absolute path or climbs up."""
    return name.startswith("/") or ".." in name.split("/") or name[1:2] == ":"


def _is_junk(name: str) -> bool:
    """What systems put into zips by themselves."""
    last = PurePosixPath(name).name.lower()
    return last in JUNK or last.startswith("._") or "__MACOSX" in name.split("/")


def _is_zip(name: str, content: bytes) -> bool:
    return name.lower().endswith(".zip") or (content[:4] == b"PK\x03\x04" and "." not in PurePosixPath(name).name)


def _time(info: zipfile.ZipInfo, zone: tzinfo | None) -> datetime | None:
    """When a file was changed, in UTC: from the extended timestamp where there is one, else from DOS's, which knows no zone."""
    extra = info.extra
    while len(extra) >= 4:
        kind, size = struct.unpack("<HH", extra[:4])
        if kind == 0x5455 and size >= 5 and len(extra) >= 9 and extra[4] & 1:
            return datetime.fromtimestamp(struct.unpack("<l", extra[5:9])[0], UTC)
        extra = extra[4 + size :]
    try:
        local = datetime(*info.date_time)
        return (local.replace(tzinfo=zone) if zone else local.astimezone()).astimezone(UTC)
    except (ValueError, OverflowError, OSError):
        return None


def _short(error: BaseException) -> str:
    return (str(error) or type(error).__name__).splitlines()[0][:80]
