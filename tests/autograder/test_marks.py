"""Written answers in a spreadsheet: what the marker gets, what comes back into the gradebook, and what is never overwritten."""

from __future__ import annotations

import csv
import re

import nbformat
import pytest
from nbgrader.api import Gradebook

from autograder import course, marks
from tests.conftest import REPOSITORY

NAME, TASK = "03_vpsde", "vpsde.ode_or_sde"
CELL = course.grade_id(TASK)
ANSWERS = {"ada": "It is the SDE.", "bo": "it is  the SDE.", "cem": "", "dov": "=HYPERLINK(1)", "eva": ""}


@pytest.fixture(scope="module")
def made(tmp_path_factory, empty_gradebook):
    """A gradebook in which five students have handed in."""
    path = tmp_path_factory.mktemp("course") / "gradebook.db"
    path.write_bytes(empty_gradebook)
    with Gradebook(f"sqlite:///{path}", "diffusion-labs") as book:
        book.add_assignment(NAME)
        book.add_notebook(NAME, NAME)
        book.add_task_cell(CELL, NAME, NAME, max_score=3.0, cell_type="markdown")
        for student in ANSWERS:
            book.add_student(student)
            book.add_submission(NAME, student)
    return path.read_bytes()


@pytest.fixture
def folder(made, tmp_path, monkeypatch):
    """Its course, with the graded notebooks; eva wrote in a cell of her own."""
    course.load(NAME)  # from its own place
    monkeypatch.setattr(course, "settings", lambda: {"course": {"id": "diffusion-labs"}})
    monkeypatch.setattr(course, "ROOT", tmp_path)
    (tmp_path / "gradebook.db").write_bytes(made)
    for student, answer in ANSWERS.items():
        notebook = nbformat.read(REPOSITORY / "notebooks" / NAME / f"{NAME}.ipynb", as_version=4)
        if answer:
            next(cell for cell in notebook.cells if cell.id == f"{CELL}-answer").source = answer
        if student == "eva":
            notebook.cells.append(nbformat.v4.new_markdown_cell("Here is my answer.", id="added-000"))
        path = tmp_path / "autograded" / student / NAME / f"{NAME}.ipynb"
        path.parent.mkdir(parents=True)
        nbformat.write(notebook, path)
    return tmp_path


def exported(folder):
    path = folder / "marks.csv"
    assert marks.write(NAME, path) == (5, 4)  # with eva, who wrote elsewhere
    return path, list(csv.DictReader(path.read_text(encoding="utf-8-sig").splitlines(keepends=True)))


def save(path, rows, delimiter=","):
    with path.open("w", newline="", encoding="utf-8") as stream:
        writer = csv.DictWriter(stream, marks.COLUMNS, delimiter=delimiter)
        writer.writeheader()
        writer.writerows(rows)
    return path


def found(folder, student):
    with Gradebook(f"sqlite:///{folder}/gradebook.db", "diffusion-labs") as book:
        grade = book.find_grade(CELL, NAME, NAME, student)
        return grade.manual_score, grade.needs_manual_grade, book.find_comment(CELL, NAME, NAME, student).manual_comment


def row_of(student, **changes):
    return {**dict.fromkeys(marks.COLUMNS, ""), "task": TASK, "student": student, **changes}


def test_the_file_has_scheme_bank_groups_and_blanks(folder):
    _, rows = exported(folder)
    scheme = [row["answer"] for row in rows if row["student"] == "(mark scheme)"]
    assert len(scheme) == 1 and scheme[0].startswith("**Full (3).**") and "MARK SCHEME" not in scheme[0]
    keys = {row["use"]: row["mark"] for row in rows if row["student"] == "(comment)"}
    assert {"full": "3", "half": "1.5", "zero": "0"}.items() <= keys.items() and len(keys) >= 3
    mine = {row["student"]: row for row in rows if not row["student"].startswith("(")}
    assert mine["ada"]["group"] == mine["bo"]["group"] != mine["dov"]["group"]
    assert (mine["cem"]["mark"], mine["cem"]["comment"], mine["cem"]["state"]) == ("0", marks.BLANK, "blank")
    assert mine["eva"]["mark"] == "" and "added cells" in mine["eva"]["state"]
    assert mine["dov"]["answer"] == "'=HYPERLINK(1)"  # text for every spreadsheet


@pytest.mark.parametrize("delimiter", [",", ";"])
def test_marks_and_comments_reach_the_gradebook(folder, delimiter):
    path, rows = exported(folder)
    for row in rows:
        if row["student"] == "ada":
            row.update(use="quoted, no-experiment", comment="Nice figure.")
        if row["student"] == "dov":
            row.update(mark="2,5" if delimiter == ";" else "2.5", use="half")
    done, said = marks.take(NAME, save(path, rows, delimiter))
    assert (done, said) == (4, [])
    bank = marks.bank(NAME)[TASK]
    for student in ("ada", "bo"):  # bo's answer is ada's
        mark, waiting, comment = found(folder, student)
        assert (mark, waiting) == (1.5, False)
        assert comment == f"{bank['quoted']['text']} {bank['no-experiment']['text']} Nice figure."
    assert found(folder, "dov") == (2.5, False, bank["half"]["text"])  # a written mark counts more than the comment's
    assert found(folder, "cem") == (0.0, False, marks.BLANK)
    assert found(folder, "eva") == (None, True, None)


def test_a_mark_by_hand_is_kept_unless_asked(folder):
    with Gradebook(f"sqlite:///{folder}/gradebook.db", "diffusion-labs") as book:
        grade = book.find_grade(CELL, NAME, NAME, "ada")
        grade.manual_score, grade.needs_manual_grade = 2.0, False
        book.find_comment(CELL, NAME, NAME, "ada").manual_comment = "By hand."
        book.db.commit()
    path = save(folder / "in.csv", [row_of("ada", mark="1", comment="From the file."), row_of("bo", mark="3")])
    done, said = marks.take(NAME, path)
    assert done == 1 and len(said) == 2 and "the mark 2 that is in the gradebook stays (1 needs --overwrite)" in said[0]
    assert found(folder, "ada") == (2.0, False, "By hand.") and found(folder, "bo")[0] == 3.0
    assert marks.take(NAME, path, overwrite=True) == (2, [])
    assert found(folder, "ada") == (1.0, False, "From the file.")


def test_every_row_that_is_not_understood_is_one_sentence_and_stops_no_other(folder):
    rows = [row_of("ada", mark="many"), row_of("bo", mark="3.5"), row_of("cem", use="nonsense"), row_of("zoe", mark="1"),
            {**row_of("dov", mark="1"), "task": "vpsde.unknown"}, row_of("eva", use="full quoted"), row_of("dov", mark="1")]  # fmt: skip
    done, said = marks.take(NAME, save(folder / "in.csv", rows))
    assert done == 1 and found(folder, "dov")[0] == 1.0
    expected = [
        "no number",
        "not between 0 and 3",
        "no comment nonsense",
        "nobody of this name",
        "no written question",
        "do not go together",
    ]
    assert len(said) == len(expected)
    for number, (sentence, part) in enumerate(zip(said, expected, strict=True), 2):
        assert sentence.startswith(f"row {number} (") and part in sentence and sentence.endswith("."), sentence
    assert all(found(folder, student)[0] is None for student in ("ada", "bo", "cem", "eva"))


@pytest.mark.parametrize("content", [None, b"name,points\nx,1\n", b"", "task;student;mark;comment\nä".encode("utf-16")])
def test_a_file_that_is_none_changes_nothing(folder, content):
    path = folder / "in.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(ValueError, match=r"cannot be read|has no column|not in UTF-8"):
        marks.take(NAME, path)
    assert found(folder, "ada") == (None, True, None)


def test_the_courses_own_comments_come_first_and_bad_ones_are_named(folder):
    path = folder / "comments.toml"
    path.write_text(f'["{TASK}"]\nfull = {{ points = 3, text = "Ours." }}\nextra = {{ points = 1, text = "More." }}\n')
    bank = marks.bank(NAME)[TASK]
    assert bank["full"]["text"] == "Ours." and "extra" in bank and "half" in bank
    for content in (
        "[",
        f'["{TASK}"]\nfull = "just a text"\n',
        "top = 1\n",
        f'["{TASK}"]\nfull = {{ points = "3", text = "x" }}\n',
    ):
        path.write_text(content)
        with pytest.raises(ValueError, match=r"comments\.toml"):
            marks.bank(NAME)


@pytest.mark.parametrize("name", course.assignment_names())
def test_the_shipped_bank_fits_the_questions(name):
    questions, bank = marks.questions(name), marks.bank(name)
    assert set(bank) == set(questions)
    for task, comments in bank.items():
        points, scheme = questions[task]
        assert scheme and 3 <= len(comments) <= 6, task
        assert (
            comments["full"]["points"] == points
            and comments["half"]["points"] == points / 2
            and comments["zero"]["points"] == 0
        )
        for key, entry in comments.items():
            assert re.fullmatch(r"[a-z][a-z0-9-]*", key) and -points < entry["points"] <= points
            assert entry["text"].endswith((".", "?")) and len(entry["text"]) > 20


def test_a_spreadsheet_that_was_written_in_is_kept(folder):
    path, _ = exported(folder)
    exported(folder)
    assert list(folder.glob("marks-before-*")) == []
    path.write_text(mine := path.read_text(encoding="utf-8-sig") + "more")
    exported(folder)
    (kept,) = folder.glob("marks-before-*")
    assert kept.read_text() == mine
