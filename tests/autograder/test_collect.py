"""`python -m autograder collect`: exports of every system, their late and repeated hand-ins, and archives made to do harm."""

from __future__ import annotations

import csv
import hashlib
import io
import json
import os
import random
import shutil
import stat
import subprocess
import sys
import zipfile
from datetime import datetime
from pathlib import Path

import pytest
from nbgrader.coursedir import CourseDirectory

from autograder import course, unpack
from autograder.__main__ import main

REPOSITORY = Path(__file__).resolve().parents[2]
NAME = "03_vpsde"
DUE = datetime(2026, 11, 20, 23, 59)
BEFORE, AFTER, MUCH_LATER = (2026, 11, 19, 10, 0, 0), (2026, 11, 23, 8, 0, 0), (2026, 11, 30, 8, 0, 0)


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """A course folder in which 03_vpsde is due on 20 November 2026."""
    root = tmp_path / "course"
    root.mkdir()
    (root / "solutions").symlink_to(REPOSITORY / "solutions")
    text = (REPOSITORY / "course.toml").read_text()
    (root / "course.toml").write_text(text.replace("[due]\n", f'[due]\n"{NAME}" = {DUE.isoformat()}Z\n'))
    monkeypatch.setattr(course, "ROOT", root)
    return root


def notebook(words="first", task="vpsde.loss"):
    """A notebook with the answer cell of one task."""
    cells = [{"cell_type": "code", "source": f"# ==== TODO {task}: about 4 lines ====\n# {words}", "metadata": {}}]
    return json.dumps({"cells": cells, "nbformat": 4, "nbformat_minor": 5, "metadata": {}}).encode()


def pack(files, time=BEFORE):
    """A zip as bytes; `files` are pairs of a name (or a ZipInfo) and bytes."""
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as zipped:
        for name, content in files.items() if isinstance(files, dict) else files:
            info = name if isinstance(name, zipfile.ZipInfo) else zipfile.ZipInfo(name, time)
            info.compress_type = zipfile.ZIP_DEFLATED
            zipped.writestr(info, content)
    return stream.getvalue()


def export(folder, files, time=BEFORE, name="submissions.zip"):
    path = folder.parent / name
    path.write_bytes(files if isinstance(files, bytes) else pack(files, time))
    return path


def run(*arguments):
    return main(["collect", "--timezone", "UTC", *map(str, arguments)])


def submitted(folder, student, name=NAME):
    return (folder / "submitted" / student / name / f"{name}.ipynb").read_bytes()


def timestamp(folder, student, name=NAME):
    """What nbgrader itself reads."""
    return CourseDirectory().get_existing_timestamp(str(folder / "submitted" / student / name))


def students(folder):
    return sorted(path.name for path in (folder / "submitted").glob("*"))


def kept(folder, student, name=NAME):
    return sorted(path.read_bytes() for path in (folder / "collected" / student / name).glob("*/*.ipynb"))


def the_list(folder):
    """All lines of all lists, by file."""
    rows = {}
    for path in (folder / "collected" / "unmatched").glob("*.csv"):
        rows |= {row["file"]: row for row in csv.DictReader(path.open(encoding="utf-8-sig", newline=""))}
    return rows


def tree(folder):
    return {path: (path.read_bytes(), path.stat().st_mtime_ns) for path in folder.rglob("*") if path.is_file()}


CANVAS_ROSTER = (
    "Student,ID,SIS User ID,SIS Login ID,Section\n    Points Possible,,,,\n"
    '"Doe, Jane",12345,s1,jdoe@x.edu,A\n"Roe, Bob",12346,s2,broe@x.edu,A\n"Łąka, Zoë Ann",12347,s3,zoe@x.edu,A\n'
)


def roster(folder, text=CANVAS_ROSTER, encoding="utf-8"):
    path = folder.parent / "roster.csv"
    path.write_bytes(text.encode(encoding))
    return path


# ------------------------------------------------------------------------------------------------------------ the systems


def test_canvas(folder, capsys):
    files = {
        "doejane_12345_67890_03_vpsde.ipynb": notebook("first"),
        "doejane_12345_67899_03_vpsde-1.ipynb": notebook("second"),
        "roebob_LATE_12346_67892_Copy of 03_vpsde (1).ipynb": notebook("late"),
        "łąkazoëann_12347_67893_03_vpsde.ipynb": notebook("zoe"),
        "doejane_12345_67891_notes.pdf": b"%PDF",
    }
    assert run(export(folder, files, AFTER), "--roster", roster(folder)) == 0
    said = capsys.readouterr().out
    assert "nbgrader's id from 'SIS User ID', name from 'Student', email from 'SIS Login ID', the LMS's id from 'ID'" in said
    assert "from Canvas: 4 notebooks of 3 students, 4 of them new" in said
    assert students(folder) == ["s1", "s2", "s3"]
    assert submitted(folder, "s1") == notebook("second")
    assert kept(folder, "s1") == sorted([notebook("first"), notebook("second")])
    # the zip was made after the due date, and only Bob is late
    assert timestamp(folder, "s1") == timestamp(folder, "s3") == DUE
    assert 0 < (timestamp(folder, "s2") - DUE).total_seconds() <= 1
    rows = the_list(folder)
    assert "counts as the first day late" in rows["roebob_LATE_12346_67892_Copy of 03_vpsde (1).ipynb"]["why"]
    pdf = rows["doejane_12345_67891_notes.pdf"]
    assert pdf["taken"] == "no" and (folder / pdf["kept"]).read_bytes() == b"%PDF"


def test_canvas_keeps_time_of_an_export_before_the_due_date(folder):
    run(export(folder, {"doejane_12345_67890_03_vpsde.ipynb": notebook()}, BEFORE))
    assert students(folder) == ["doejane_12345"] and timestamp(folder, "doejane_12345") == datetime(*BEFORE)


def test_an_export_that_was_unpacked_and_zipped_again(folder):
    files = {
        "submissions/doejane_12345_67890_03_vpsde.ipynb": notebook(),
        "__MACOSX/submissions/._doejane": b"x",
        "submissions/.DS_Store": b"x",
    }
    run(export(folder, files))
    run(
        export(folder, {"Jane Doe_881_assignsubmission_file_/03_vpsde.ipynb": notebook()}, name="one.zip")
    )  # and one folder is the student's
    assert students(folder) == ["doejane_12345", "jane_doe"] and not the_list(folder)


def test_a_due_date_that_was_moved_moves_what_counts_as_on_time(folder):
    path = export(folder, {"doejane_12345_67890_03_vpsde.ipynb": notebook()}, AFTER)
    run(path)
    text = (folder / "course.toml").read_text()
    (folder / "course.toml").write_text(text.replace(DUE.isoformat(), "2026-11-18T12:00:00"))
    run(path)
    assert timestamp(folder, "doejane_12345") == datetime(2026, 11, 18, 12) and len(kept(folder, "doejane_12345")) == 1


@pytest.mark.slow
def test_a_due_date_that_was_changed_in_the_gradebook_counts(folder, monkeypatch):
    from nbgrader.api import Gradebook

    with monkeypatch.context() as context:  # where nbgrader finds alembic, to make a gradebook
        context.setenv("PATH", f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}")
        Gradebook(f"sqlite:///{folder / 'gradebook.db'}", "diffusion-labs").close()
    with Gradebook(f"sqlite:///{folder / 'gradebook.db'}", "diffusion-labs") as gradebook:
        gradebook.add_assignment(NAME, duedate="2026-11-21 12:00:00")
    run(export(folder, {"doejane_12345_67890_03_vpsde.ipynb": notebook()}, AFTER))
    assert timestamp(folder, "doejane_12345") == datetime(2026, 11, 21, 12)


def test_canvas_with_hidden_names(folder, capsys):
    files = {"anon_x7Kp2_67890_03_vpsde.ipynb": notebook("a"), "LATE_anon_9abcd_67891_03_vpsde.ipynb": notebook("b")}
    path = export(folder, files)
    assert run(path, "--roster", roster(folder)) == 0
    assert "the names are hidden (anonymous grading)" in capsys.readouterr().out and not (folder / "submitted").exists()
    known = roster(folder, "student id,name,lms id\ns1,Jane Doe,anon_x7Kp2\ns2,Bob Roe,9abcd\n")
    run(path, "--roster", known)
    assert students(folder) == ["s1", "s2"] and timestamp(folder, "s2") > DUE
    assert not [row for row in the_list(folder).values() if row["taken"] == "no"]
    assert not list((folder / "collected" / "unmatched").glob("*/*"))  # what is matched now is not unmatched any more


MOODLE_ROSTER = (
    "\ufeffIdentifier,Full name,ID number,Email address,Status,Last modified (submission)\r\n"
    'Participant 881,Jane Doe,s1,jane@x.edu,Submitted for grading,"Thursday, 19 November 2026, 2:14 PM"\r\n'
    'Participant 882,Ana María O\'Neil-Ruiz,s2,ana@x.edu,Submitted for grading - late,"Sunday, 22 November 2026, 9:00 AM"\r\n'
    "Participant 883,Bob Roe,s3,bob@x.edu,No submission,-\r\n"
)


@pytest.mark.parametrize(
    "pattern", ["{}_assignsubmission_file_/{}", "{}_assignsubmission_file/{}", "{}_assignsubmission_file_{}"]
)
def test_moodle(folder, capsys, pattern):
    files = {
        pattern.format("Jane Doe_881", "03_vpsde.ipynb"): notebook("jane"),
        pattern.format("Ana María O'Neil-Ruiz_882", "final version.ipynb"): notebook("ana"),
    }
    path = export(folder, files, AFTER)
    run(path)
    said = capsys.readouterr().out
    assert students(folder) == ["ana_maria_o_neil_ruiz", "jane_doe"] and timestamp(folder, "jane_doe") == DUE
    assert "does not say when it was handed in: it counts as on time" in said
    shutil.rmtree(folder / "submitted"), shutil.rmtree(folder / "collected")
    main(["collect", str(path), "--roster", str(roster(folder, MOODLE_ROSTER)), "--timezone", "Europe/Berlin"])
    assert timestamp(folder, "s1") == datetime(2026, 11, 19, 13, 14) and timestamp(folder, "s2") == datetime(2026, 11, 22, 8)
    assert (
        submitted(folder, "s2") == notebook("ana") and "Nothing for 03_vpsde yet from 1 of 3: s3." in capsys.readouterr().out
    )


def test_moodle_times_that_come_later_correct_the_timestamp(folder):
    files = {"Ana María O'Neil-Ruiz_882_assignsubmission_file/03_vpsde.ipynb": notebook("ana")}
    path = export(folder, files, AFTER)
    run(path, "--roster", roster(folder, "student id,name\ns2,Ana María O'Neil-Ruiz\n"))
    assert timestamp(folder, "s2") == DUE
    run(path, "--roster", roster(folder, MOODLE_ROSTER))
    assert timestamp(folder, "s2") == datetime(2026, 11, 22, 9) and len(kept(folder, "s2")) == 1


GRADESCOPE = """
submission_501:
  :submitters:
  - :name: Jane Doe
    :sid: 's1'
    :email: jane@x.edu
  :created_at: 2026-11-19 18:25:53.109082000 -08:00
  :score: 0.0
  :results: !ruby/hash:ActiveSupport::HashWithIndifferentAccess
    tests: []
  :history: []
submission_502:
  :submitters:
  - :name: Bob Roe
    :sid:
    :email: BOB@x.edu
  - :name: Eve Lee
    :sid: s3
    :email: eve@x.edu
  :created_at: !ruby/object:ActiveSupport::TimeWithZone
    utc: 2026-11-21 10:00:00.000000000 Z
    zone: !ruby/object:ActiveSupport::TimeZone
      name: Etc/UTC
"""


def test_gradescope(folder, capsys):
    files = {
        "assignment_77_export/submission_501/03_vpsde.ipynb": notebook("jane"),
        "assignment_77_export/submission_502/03_vpsde.ipynb": notebook("group"),
        "assignment_77_export/submission_502/submission_metadata.yml": b"submission_501: mine",
        "assignment_77_export/submission_503/03_vpsde.ipynb": notebook("whose"),
        "assignment_77_export/submission_metadata.yml": GRADESCOPE.encode(),
        "__MACOSX/assignment_77_export/._submission_metadata.yml": b"junk",
    }
    text = "name,email,student id\nJane Doe,jane@x.edu,s1\nBob Roe,bob@x.edu,s2\nEve Lee,eve@x.edu,s3\n"
    run(export(folder, files, MUCH_LATER), "--roster", roster(folder, text))
    assert students(folder) == ["s1", "s2", "s3"]
    assert timestamp(folder, "s1") == datetime(2026, 11, 20, 2, 25, 53, 109082)
    assert timestamp(folder, "s2") == timestamp(folder, "s3") == datetime(2026, 11, 21, 10)
    assert submitted(folder, "s2") == submitted(folder, "s3") == notebook("group")
    why = the_list(folder)["assignment_77_export/submission_503/03_vpsde.ipynb"]["why"]
    assert why == "Neither its name nor a receipt says who handed it in." and "from Gradescope" in capsys.readouterr().out


def test_gradescope_without_a_readable_list_says_so(folder, capsys):
    path = export(folder, {"e/submission_metadata.yml": b"a: [", "e/submission_1/03_vpsde.ipynb": notebook()})
    assert run(path) == 2 and "submission_metadata.yml cannot be read" in capsys.readouterr().out


def receipt(student, time, files, **changed):
    """A zip as submit() writes it; `changed` are files put in place of those that the receipt was written for."""
    listed = {
        name: {"sha256": hashlib.sha256(content).hexdigest(), "bytes": len(content)} for name, content in files.items()
    }
    data = {"format": 1, "student": student, "time": time, "versions": {"python": "3.11"}, "files": listed}
    return {"receipt.json": json.dumps(data).encode(), **files, **changed}


TWO = {"03_vpsde/03_vpsde.ipynb": notebook("three"), "04_ddpm/04_ddpm.ipynb": notebook("four", "ddpm.sample")}


def test_a_receipt_alone_and_a_zip_of_receipts(folder):
    run(export(folder, receipt("jane", "2026-11-22T12:00:00+00:00", TWO)))
    assert submitted(folder, "jane") == notebook("three") and submitted(folder, "jane", "04_ddpm") == notebook(
        "four", "ddpm.sample"
    )
    assert timestamp(folder, "jane") == datetime(2026, 11, 22, 12)
    both = {
        "work.zip": pack(receipt("bob@x.edu", "2026-11-18T12:00:00+01:00", TWO)),
        "work (1).zip": pack(
            {f"unpacked/{name}": content for name, content in receipt("Zoë Ann Łąka", "2026-11-18T13:00:00Z", TWO).items()}
        ),
    }
    text = "student id,name,email\ns2,Bob Roe,bob@x.edu\ns3,Zoë Ann Łąka,z@x.edu\n"
    run(export(folder, both, name="receipts.zip"), "--roster", roster(folder, text))
    assert students(folder) == ["jane", "s2", "s3"]
    assert timestamp(folder, "s2") == datetime(2026, 11, 18, 11) and timestamp(folder, "s3") == datetime(2026, 11, 18, 13)
    assert not the_list(folder)


def test_the_same_file_with_a_later_receipt_is_a_later_hand_in(folder):
    archives = [export(folder, receipt("jane", f"2026-11-{day}T12:00:00+00:00", TWO), name=f"{day}.zip") for day in (18, 22)]
    run(*reversed(archives))
    run(*archives)
    assert timestamp(folder, "jane") == datetime(2026, 11, 22, 12) and len(kept(folder, "jane")) == 2


def test_receipts_in_an_export(folder):
    """The LMS says who it is and whether it is late; the receipt says when, and whether the file is the one it was written for."""
    edited = {"03_vpsde/03_vpsde.ipynb": notebook("edited")}
    files = {
        "doejane_LATE_12345_67890_hand-in.zip": pack(receipt("s1", "2026-11-22T12:00:00Z", TWO)),
        "roebob_12346_67891_03_vpsde.zip": pack(receipt("s1", "2026-11-19T09:00:00Z", TWO, **edited)),
        "łąkazoëann_12347_67893_work.zip": pack({"wrapped.zip": pack(receipt("s3", "2031-01-01T00:00:00Z", TWO))}),
    }
    run(export(folder, files, AFTER), "--roster", roster(folder))
    assert timestamp(folder, "s1") == datetime(2026, 11, 22, 12)
    assert timestamp(folder, "s2") == datetime(2026, 11, 19, 9) and submitted(folder, "s2") == notebook("edited")
    assert timestamp(folder, "s3") == DUE  # Canvas does not say that it is late, whatever the clock of that computer says
    assert submitted(folder, "s3", "04_ddpm") == notebook("four", "ddpm.sample")
    row = the_list(folder)["roebob_12346_67891_03_vpsde.zip > 03_vpsde/03_vpsde.ipynb"]
    assert (
        row["taken"] == "yes"
        and "another sha256" in row["why"]
        and "Its receipt is that of s1, and Canvas says s2" in row["why"]
    )


def test_a_students_zip_cannot_hand_in_for_somebody_else(folder):
    inside = {"roebob_12346_1_03_vpsde.ipynb": notebook("mine"), "s2/03_vpsde.ipynb": notebook("too"),
              "Bob Roe_12346_assignsubmission_file/03_vpsde.ipynb": notebook("also")}  # fmt: skip
    files = {
        "doejane_12345_67890_w.zip": pack(inside),
        "no name of Canvas.zip": pack(receipt("s2", "2026-11-18T12:00:00Z", TWO)),
    }
    run(export(folder, files), "--roster", roster(folder))
    assert students(folder) == ["s1"] and len(kept(folder, "s1")) == 3


def test_a_plain_zip_with_a_folder_for_each_student(folder):
    files = {
        "class/s1/03_vpsde.ipynb": notebook("a"),
        "class/bob roe/x.ipynb": notebook("b"),
        "class/s9/03_vpsde.ipynb": notebook("c"),
    }
    run(export(folder, files, AFTER), "--roster", roster(folder))
    assert students(folder) == ["s1", "s2"] and timestamp(folder, "s1") == datetime(*AFTER)
    assert the_list(folder)["class/s9/03_vpsde.ipynb"]["taken"] == "no"


# -------------------------------------------------------------------------------------- again, later, and beside other work


def test_collecting_twice_changes_nothing(folder, capsys):
    path = export(folder, {
        "doejane_12345_67890_03_vpsde.ipynb": notebook("first"), "doejane_12345_67899_03_vpsde-1.ipynb": notebook("second"),
        "roebob_LATE_12346_67892_x.zip": pack(receipt("s2", "2026-11-22T12:00:00Z", TWO)), "unknown.pdf": b"a", "nobody_9_9_x.ipynb": notebook(),
    }, AFTER)  # fmt: skip
    run(path, "--roster", roster(folder))
    before = {name: content for name, content in tree(folder).items() if name.suffix != ".csv"}
    lists = the_list(folder)
    run(path, "--roster", roster(folder))
    assert {name: content for name, content in tree(folder).items() if name.suffix != ".csv"} == before
    assert the_list(folder) == lists and "0 of them new" in capsys.readouterr().out


def test_the_latest_counts_in_whatever_order_archives_come(folder):
    monday = export(folder, {"doejane_12345_67890_03_vpsde.ipynb": notebook("first")}, AFTER, "monday.zip")
    friday = export(folder, {"doejane_12345_67950_03_vpsde-1.ipynb": notebook("second")}, MUCH_LATER, "friday.zip")
    run(friday)
    run(monday)
    assert submitted(folder, "doejane_12345") == notebook("second") and len(kept(folder, "doejane_12345")) == 2
    why = the_list(folder)["doejane_12345_67890_03_vpsde.ipynb"]["why"]
    assert why == "Another one counts, which is later: doejane_12345_67950_03_vpsde-1.ipynb."


def test_an_export_a_week_later_with_the_same_file_is_the_same_hand_in(folder):
    for number, time in enumerate((BEFORE, AFTER, MUCH_LATER)):
        run(export(folder, {"doejane_12345_67890_03_vpsde.ipynb": notebook()}, time, f"{number}.zip"))
    assert len(kept(folder, "doejane_12345")) == 1 and timestamp(folder, "doejane_12345") == datetime(*BEFORE)


def test_going_back_to_an_earlier_version_counts(folder):
    for number, words in enumerate(("first", "second", "first")):
        files = {"Jane Doe_881_assignsubmission_file/03_vpsde.ipynb": notebook(words)}
        run(export(folder, files, (2026, 11, 10 + number, 8, 0, 0), f"{number}.zip"))
    assert submitted(folder, "jane_doe") == notebook("first") and timestamp(folder, "jane_doe") == datetime(2026, 11, 12, 8)


def place(folder, content, time=None, name=f"{NAME}.ipynb"):
    target = folder / "submitted" / "s1" / NAME
    target.mkdir(parents=True)
    (target / name).write_bytes(content)
    if time:
        (target / "timestamp.txt").write_text(time)
    return target


@pytest.mark.parametrize("time", [None, "2026-11-01 08:00:00.000000 UTC", "not a time"])
def test_what_stood_in_submitted_is_kept(folder, time):
    place(folder, b"by hand", time)
    run(export(folder, {"doejane_12345_67890_03_vpsde.ipynb": notebook()}), "--roster", roster(folder))
    assert submitted(folder, "s1") == notebook()
    aside = next((folder / "collected" / "s1" / NAME).glob("from-submitted-*"))
    assert (aside / f"{NAME}.ipynb").read_bytes() == b"by hand" and "is kept in collected/s1" in str(the_list(folder))
    if time:
        assert (aside / "timestamp.txt").read_text() == time


def test_a_later_one_in_submitted_stays(folder, capsys):
    place(folder, b"by hand", "2026-11-25 08:00:00.000000 UTC")
    run(export(folder, {"doejane_12345_67890_03_vpsde.ipynb": notebook()}), "--roster", roster(folder))
    assert submitted(folder, "s1") == b"by hand" and kept(folder, "s1") == [notebook()]
    assert "it stays, and this one is in collected/ only" in capsys.readouterr().out


def test_a_timestamp_edited_by_hand_stays_until_there_is_a_newer_notebook(folder):
    late = export(folder, {"doejane_LATE_12345_67890_03_vpsde.ipynb": notebook()}, AFTER)
    run(late, "--roster", roster(folder))
    path = folder / "submitted" / "s1" / NAME / "timestamp.txt"
    path.write_text("2026-11-22 06:00:00 UTC")
    run(late, "--roster", roster(folder))
    assert timestamp(folder, "s1") == datetime(2026, 11, 22, 6)
    run(
        export(folder, {"doejane_LATE_12345_67999_03_vpsde-1.ipynb": notebook("2")}, AFTER, "b.zip"),
        "--roster",
        roster(folder),
    )
    assert timestamp(folder, "s1") != datetime(2026, 11, 22, 6) and submitted(folder, "s1") == notebook("2")


def test_a_link_in_submitted_is_left_alone(folder, tmp_path):
    (tmp_path / "outside").write_bytes(b"precious")
    target = folder / "submitted" / "s1" / NAME
    target.mkdir(parents=True)
    (target / f"{NAME}.ipynb").symlink_to(tmp_path / "outside")
    run(export(folder, {"doejane_12345_67890_03_vpsde.ipynb": notebook()}), "--roster", roster(folder))
    assert (tmp_path / "outside").read_bytes() == b"precious" and "it was left as it is" in str(the_list(folder))


# ---------------------------------------------------------------------------------------------------------- which assignment


@pytest.mark.parametrize(
    "name",
    [
        "Copy of 03_vpsde (1).ipynb",
        "03-VPSDE.ipynb",
        "hw final.ipynb",
        "03_vpsde.ipynb.txt",
        "notebook.json",
        "03_vpsde.ipynb (2)",
    ],
)
def test_mangled_names(folder, name):
    run(export(folder, {f"doejane_12345_67890_{name}": notebook()}))
    assert submitted(folder, "doejane_12345") == notebook()


def test_grade_ids_say_what_it_is_where_banners_are_gone(folder):
    content = json.dumps(
        {"cells": [{"cell_type": "code", "source": "x = 1", "metadata": {"nbgrader": {"grade_id": "vpsde-loss"}}}]}
    ).encode()
    run(export(folder, {"doejane_12345_67890_work.ipynb": content}))
    assert submitted(folder, "doejane_12345") == content


def test_a_broken_notebook_under_its_name_is_taken(folder):
    run(
        export(
            folder, {"doejane_12345_67890_03_vpsde.ipynb": b"{ broken", "roebob_12346_67891_work.ipynb": notebook()[:-30]}
        )
    )
    assert submitted(folder, "doejane_12345") == b"{ broken" and submitted(folder, "roebob_12346") == notebook()[:-30]


def test_the_wrong_notebook(folder):
    files = {
        "doejane_12345_67890_03_vpsde.ipynb": notebook("x", "ddpm.sample"),
        "roebob_12346_67891_04_ddpm.ipynb": notebook("y", "ddpm.sample"),
        "lee_12347_67892_groceries.ipynb": b'{"cells": []}',
    }
    path = export(folder, files)
    run(path, "--assignment", "03")
    rows = the_list(folder)
    assert rows["roebob_12346_67891_04_ddpm.ipynb"]["why"] == "It is 04_ddpm, and --assignment says 03_vpsde."
    assert students(folder) == ["lee_12347"] and "as --assignment says" in rows["lee_12347_67892_groceries.ipynb"]["why"]
    run(path)
    rows = the_list(folder)
    assert (
        submitted(folder, "doejane_12345", "04_ddpm")
        and "its tasks are those of 04_ddpm" in rows["doejane_12345_67890_03_vpsde.ipynb"]["why"]
    )
    assert "--assignment NN can say so" in rows["lee_12347_67892_groceries.ipynb"]["why"]


# ------------------------------------------------------------------------------------------------------------------ the roster


def test_nobody_on_the_roster_and_who_is_near(folder, capsys):
    run(export(folder, {"doejanet_777_67890_03_vpsde.ipynb": notebook()}), "--roster", roster(folder))
    said = capsys.readouterr().out
    assert "Nobody in roster.csv has the id '777' or the name 'doejanet'. The nearest name is 'Doe, Jane' (s1)." in said
    row = the_list(folder)["doejanet_777_67890_03_vpsde.ipynb"]
    assert (folder / row["kept"]).read_bytes() == notebook() and not (folder / "submitted").exists()


def test_two_people_of_one_name(folder):
    files = {
        "Jane Doe_881_assignsubmission_file/03_vpsde.ipynb": notebook("a"),
        "Jane Doe_889_assignsubmission_file/03_vpsde.ipynb": notebook("b"),
    }
    path = export(folder, files)
    for arguments in ((), ("--roster", roster(folder, "student id,name\ns1,Jane Doe\ns2,Bob Roe\n"))):
        run(path, *arguments)
        assert not (folder / "submitted").exists() and "Several people of this export would be" in str(the_list(folder))
    run(path, "--roster", roster(folder, "student id,name\ns1,Jane Doe\ns2,Jane Doe\n"))
    assert not (folder / "submitted").exists() and "several students with" in str(the_list(folder))
    run(path, "--roster", roster(folder, "student id,name,participant\ns1,Jane Doe,889\ns2,Jane Doe,881\n"))
    assert submitted(folder, "s1") == notebook("b") and submitted(folder, "s2") == notebook("a")


def test_at_canvas_a_name_does_not_stand_against_a_number(folder):
    run(export(folder, {"doejane_666_67890_03_vpsde.ipynb": notebook()}), "--roster", roster(folder))
    assert not (folder / "submitted").exists()


@pytest.mark.parametrize(
    ("text", "encoding"),
    [
        ("Surname;First name;Student ID\nDoe;Jane;s1\n", "utf-8-sig"),
        ("Name\tE-mail\tUsername\nJane Doe\tj@x.edu\ts1\n", "utf-16"),
        ("id,name\ns1,Jané Doe\n", "cp1252"),
        ("ID number,Username,Full name\n,s1,Jane Doe\n", "utf-8"),
        ("id\n12345\n", "utf-8"),
    ],
)
def test_rosters_of_many_kinds(folder, text, encoding):
    run(export(folder, {"doejane_12345_67890_03_vpsde.ipynb": notebook()}), "--roster", roster(folder, text, encoding))
    assert students(folder) == ["s1" if "s1" in text else "12345"]


def test_lines_of_a_roster_that_cannot_be_used_are_said(folder, capsys):
    text = "student id,name,lms id,submitted at\n../../x,Eve Lee,1,\n,Bob Roe,2,\ns1,Jane Doe,12345,Thursday 10:00\ns1,Jane Two,4,\n"
    run(export(folder, {"doejane_12345_67890_03_vpsde.ipynb": notebook()}), "--roster", roster(folder, text))
    said = capsys.readouterr().out
    for sentence in ("line 2: '../../x' cannot be a folder's name", "line 3: 'Bob Roe' has no id", "line 4: 'Thursday 10:00' is not a time", "line 5: the id 's1' is there twice"):  # fmt: skip
        assert sentence in said
    assert students(folder) == ["s1"]


# --------------------------------------------------------------------------------------------------------- archives made to harm


def link(name, target):
    info = zipfile.ZipInfo(name, BEFORE)
    info.create_system, info.external_attr = 3, (stat.S_IFLNK | 0o777) << 16
    return info, target.encode()


def encrypted(content):
    """A zip whose files say that they are encrypted."""
    data = bytearray(pack({"03_vpsde.ipynb": content}))
    for mark, place in ((b"PK\x03\x04", 6), (b"PK\x01\x02", 8)):
        data[data.index(mark) + place] |= 1
    return bytes(data)


def damaged():
    data = bytearray(pack({"03_vpsde.ipynb": random.Random(0).randbytes(2000)}))
    data[500] ^= 0xFF
    return bytes(data)


def test_hostile_archives_cost_only_what_they_touch(folder, monkeypatch, capsys, tmp_path):
    monkeypatch.setattr(unpack, "MAX_FILE", 1_000_000)
    monkeypatch.setattr(unpack, "MAX_INNER", 3_000_000)
    monkeypatch.setattr(unpack, "MAX_INNER_FILES", 50)
    zeros = bytes(900_000)
    nested = notebook("deep")
    for _ in range(6):
        nested = pack({"in.zip": nested})
    cases = {
        "a_1_1_up.zip": (pack({"../../../up.ipynb": notebook("up")}), "Its path leads out of the archive."),
        "a_2_2_root.zip": (pack({"/absolute.ipynb": notebook("abs")}), "Its path leads out of the archive."),
        "a_3_3_win.zip": (pack({"C:\\03_vpsde.ipynb": notebook("win")}), "Its path leads out of the archive."),
        "a_4_4_link.zip": (pack([link("03_vpsde.ipynb", "/etc/passwd")]), "links are not followed"),
        "a_5_5_bomb.zip": (pack({f"{n}.txt": zeros for n in range(5)}), "more files or more bytes"),
        "a_6_6_many.zip": (pack({f"{n}.txt": b"" for n in range(80)}), "more files or more bytes"),
        "a_7_7_huge.zip": (pack({"03_vpsde.ipynb": bytes(1_500_000)}), "and 1 are the limit"),
        "a_8_8_locked.zip": (encrypted(notebook()), "It is encrypted"),
        "a_9_9_broken.zip": (pack({"03_vpsde.ipynb": notebook()})[:-40], "a broken one"),
        "a_10_10_damaged.zip": (damaged(), "It is damaged"),
        "a_11_11_deep.zip": (nested, "opened 3 deep"),
        "a_12_12_no.zip": (b"", "a broken one"),
        "a_13_13_work.rar": (b"Rar!\x1a\x07", "It is not a notebook."),
        "a_14_14_fewer.zip": (pack({f"{n}.txt": b"" for n in range(120)}), "holds more files than a submission has"),
        "a_15_15_\x1b[31mred.txt": (b"x", "It is not a notebook."),
        "=cmd|' '!A0": (b"x", "It is not a notebook."),
    }
    files = [(name, content) for name, (content, _) in cases.items()] + [link("a_16_16_03_vpsde.ipynb", "/etc/passwd")]
    files += [
        ("../../a_17_17_03_vpsde.ipynb", notebook()),
        ("a_18_18_03_vpsde.ipynb", notebook("ok")),
        ("b_19_19_03_vpsde.ipynb", notebook("b")),
    ]
    files += [("b_19_19_03_vpsde.ipynb", notebook("twin")), ("c_20_20_03_vpsde.ipynb", b"a" * 900_000)]
    outside = {path for path in tmp_path.rglob("*") if folder not in path.parents}
    with pytest.warns(UserWarning, match="Duplicate name"):
        path = export(folder, files, name="class.zip")
    assert run(path) == 0
    said = capsys.readouterr().out
    assert "\x1b" not in said and "Traceback" not in said
    rows = the_list(folder)
    for name, (content, why) in cases.items():
        shown = ("'" if name[0] == "=" else "") + name.replace("\x1b", "\ufffd")
        found = [row for file, row in rows.items() if file.partition(" > ")[0] == shown]
        assert any(why in row["why"] and row["taken"] == "no" for row in found), name
        sources = {(folder / row["kept"]).read_bytes() for row in found if row["kept"]}
        assert content in sources or name in (
            "a_1_1_up.zip",
            "a_2_2_root.zip",
            "a_3_3_win.zip",
            "a_4_4_link.zip",
            "a_11_11_deep.zip",
        ), name
    assert students(folder) == ["a_18", "b_19", "c_20"] and submitted(folder, "b_19") == notebook("twin")
    assert sorted(kept(folder, "b_19")) == sorted([notebook("b"), notebook("twin")])
    written = {file for file in tmp_path.rglob("*") if folder not in file.parents} - outside
    assert written == {path} and not any(file.is_symlink() for file in (folder / "collected").rglob("*"))
    assert run(path) == 0 and the_list(folder) == rows


def test_the_whole_archive_has_limits_and_what_was_read_until_then_stays(folder, monkeypatch):
    monkeypatch.setattr(unpack, "MAX_FILES", 2)
    files = {f"s{n}_{n}_{n}_03_vpsde.ipynb": notebook(str(n)) for n in range(5)}
    assert run(export(folder, files)) == 0
    assert students(folder) == ["s0_0", "s1_1"] and "the rest of it was left" in the_list(folder)["submissions.zip"]["why"]


def test_names_in_other_encodings(folder):
    name = "muellerjürgen_12_13_03_vpsde.ipynb".encode()
    raw = pack({"q" * len(name): notebook("u")}).replace(b"q" * len(name), name)  # UTF-8 that does not say so
    run(export(folder, raw))
    assert students(folder) == ["muellerjurgen_12"]
    shutil.rmtree(folder / "submitted")
    wrong = pack({"é_12_13_03_vpsde.ipynb": notebook("w")}).replace("é".encode(), b"\xff\xfe")  # says UTF-8 and is not
    assert run(export(folder, {"a_1_1_w.zip": wrong, "b_2_2_03_vpsde.ipynb": notebook("b")}, name="c.zip")) == 0
    assert students(folder) == ["b_2"] and "a broken one" in the_list(folder)["a_1_1_w.zip"]["why"]


def test_archives_with_random_damage_never_stop_the_command(folder, capsys):
    whole = pack(
        {
            "doejane_12345_67890_03_vpsde.ipynb": notebook("a"),
            "roebob_12346_67892_x.zip": pack(receipt("s2", "2026-11-22T12:00:00Z", TWO)),
        }
    )
    draw = random.Random(7)
    codes = set()
    for number in range(60):
        data = bytearray(whole)
        for _ in range(draw.randint(1, 12)):
            data[draw.randrange(len(data))] = draw.randrange(256)
        codes.add(
            run(export(folder, bytes(data[: draw.choice([len(data), draw.randrange(len(data))])]), name=f"{number}.zip"))
        )
    assert codes <= {0, 2} and 2 in codes and 0 in codes


# --------------------------------------------------------------------------------------------------------------- the command


def test_where_a_file_stands_in_the_way_the_others_are_put_into_submitted(folder):
    (folder / "submitted").mkdir()
    (folder / "submitted" / "a_1").write_text("a file, not a folder")
    files = {"a_1_1_03_vpsde.ipynb": notebook("a"), "b_2_2_03_vpsde.ipynb": notebook("b"), "c_3_3_song": b"\xff\xfe\x00"}
    assert run(export(folder, files)) == 0
    assert submitted(folder, "b_2") == notebook("b") and kept(folder, "a_1") == [notebook("a")]
    assert "could not be put into submitted/" in the_list(folder)["a_1_1_03_vpsde.ipynb"]["why"]


def test_a_receipt_without_a_student(folder):
    run(export(folder, receipt("", "2026-11-22T12:00:00+00:00", TWO)))
    assert {row["why"] for row in the_list(folder).values()} == {"Its receipt names no student."}


def test_what_cannot_be_collected_at_all_is_one_sentence(folder, capsys, tmp_path):
    (tmp_path / "a").mkdir()
    good = export(folder, {"doejane_12345_67890_03_vpsde.ipynb": notebook()})
    for bad, why in (
        (tmp_path / "a", "it is a folder"),
        (tmp_path / "b.zip", "there is no such file"),
        (roster(folder), "it is not a zip, or did not arrive whole"),
    ):
        assert run(bad) == 2 and why in capsys.readouterr().out
    assert run(tmp_path / "b.zip", good) == 2 and students(folder) == [
        "doejane_12345"
    ]  # the next one is collected all the same
    for arguments, why in (
        (("--assignment", "99"), "There is no one assignment '99'"),
        (("--timezone", "Mars/Olympus"), "There is no time zone 'Mars/Olympus'"),
        (("--roster", tmp_path / "none.csv"), "cannot be read: No such file"),
        (
            ("--roster", roster(folder, "color,size\nred,3\n")),
            "no column of it is known as an id (its first line is: color, size)",
        ),
    ):
        assert run(good, *arguments) == 2 and why in capsys.readouterr().out


@pytest.mark.slow
def test_the_command_line(folder):
    path = export(folder, {"doejane_12345_67890_03_vpsde.ipynb": notebook()})
    command = [sys.executable, "-m", "autograder", "collect", str(path)]
    done = subprocess.run(
        command, cwd=REPOSITORY, env={**os.environ, "DIFFUSION_LABS_COURSE": str(folder)}, capture_output=True, text=True
    )
    assert (
        done.returncode == 0
        and "1 notebook of 1 student" in done.stdout
        and submitted(folder, "doejane_12345") == notebook()
    )
