"""The class report: what it counts, whom it names, which unknown answers it puts together, and that it holds nothing live."""

from __future__ import annotations

import csv
import json
import re

import pytest

from autograder import course, report
from autograder.grading import fingerprint
from helpers.checks import public_items

NAME, TASK, OTHER = "01_sampling", "sampling.log_prob", "sampling.gaussian"
RIGHT = {"passed": True, "misconception": None, "sentence": "All 5 properties hold.", "prints": {}}
NAMED = {"passed": False, "misconception": f"{OTHER}:factor-transposed", "sentence": "Turned <b>round</b>.", "prints": {}}
BLANK = {"passed": False, "misconception": None, "sentence": "Nothing is filled in here yet.", "prints": {}}


def unknown(runner, cell):
    item = public_items()[TASK]
    prints = fingerprint(item, runner.observe(TASK, item, cell))
    return {"passed": False, "misconception": None, "sentence": "The density is off.", "prints": prints}


@pytest.fixture
def graded(tmp_path, monkeypatch, runner):
    """A class of six: two gave the same wrong answer in different words, one another; one notebook is broken."""
    head = "def gaussian_log_prob(x, mean, cov):\n    "
    one = unknown(runner, head + "return -0.7 * (x - mean).square().sum(-1)")
    same = unknown(runner, head + "d = x - mean\n    return (d * d).sum(dim=1) * -7 / 10")
    third = unknown(runner, head + "return -0.9 * (x - mean).square().sum(-1)")
    verdicts = {
        "ada": {OTHER: RIGHT, TASK: RIGHT},
        "bea": {OTHER: NAMED, TASK: one},
        "cem": {OTHER: NAMED, TASK: same},
        "dov": {OTHER: BLANK, TASK: third},
    }
    monkeypatch.setattr(course, "ROOT", tmp_path)
    monkeypatch.setattr(course, "settings", lambda: {})
    for student, found in verdicts.items():
        hand_in(tmp_path, student, found)
    broken = tmp_path / "autograded" / "eva" / NAME
    broken.mkdir(parents=True)
    (broken / f"{NAME}.ipynb").write_text("{")
    return tmp_path


def hand_in(folder, student, found):
    path = folder / "autograded" / student / NAME / f"{NAME}.ipynb"
    path.parent.mkdir(parents=True, exist_ok=True)
    cells = [
        {"metadata": {"nbgrader": {"grade_id": course.grade_id(t)}}, "source": f"# <script>{student}</script>"}
        for t in found
    ]
    path.write_text(json.dumps({"metadata": {"diffusion_labs": {"notes": [], "verdicts": found}}, "cells": cells}))


def test_the_report_counts_names_and_clusters(graded):
    page, table = report.write([NAME], NAME)
    rows = list(csv.DictReader(table.open()))
    assert [row["outcome"] for row in rows if row["task"] == TASK] == ["right", "unnamed", "unnamed", "unnamed"]
    answers, notes = report.collect([NAME])
    assert [[one.student for one in group] for group in report.clusters(answers)] == [["bea", "cem"], ["dov"]]
    assert notes == [("eva", f"{NAME}: the graded notebook cannot be read; grade it again")]
    text = page.read_text()
    assert f"{OTHER}:factor-transposed" in text and "bea, cem" in text and "grade it again" in text
    assert "4 students handed in; 2 of 8 answers are right" in text


def test_the_page_holds_nothing_live_and_loads_nothing(graded):
    text = report.write([NAME], NAME)[0].read_text()
    assert "<script" not in text and "<b>round" not in text and "&lt;script&gt;bea" in text
    assert not re.search(r"(src|href)=|url\(|@import", text)


def test_a_second_report_says_what_has_changed(graded):
    assert "Since the last report" not in report.write([NAME], NAME)[0].read_text()
    hand_in(graded, "dov", {OTHER: RIGHT, TASK: RIGHT})
    hand_in(graded, "fay", {OTHER: RIGHT, TASK: RIGHT})
    text = report.write([NAME], NAME)[0].read_text()
    assert "2 answers became right, 0 are no longer right." in text and "New: fay." in text


def test_answers_without_numbers_are_put_together_by_their_sentence():
    def lost(student, sentence):
        return report.Judged(student, NAME, TASK, 0.0, "unnamed", "", sentence)

    groups = report.clusters([lost("a", "raised ValueError"), lost("b", "raised KeyError"), lost("c", "raised ValueError")])
    assert [[one.student for one in group] for group in groups] == [["a", "c"], ["b"]]


def test_the_report_of_a_class_of_which_nothing_is_graded_says_so(tmp_path, monkeypatch):
    course.load(NAME)
    monkeypatch.setattr(course, "ROOT", tmp_path)
    monkeypatch.setattr(course, "settings", lambda: {})
    text = report.write([NAME], NAME)[0].read_text()
    assert "0 students handed in" in text and "Nothing is graded yet" in text
