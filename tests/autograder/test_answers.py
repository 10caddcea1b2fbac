"""Right answers pass, blanks get nothing, known mistakes are caught and named: for every task, in the way grading runs them."""

from __future__ import annotations

import difflib
import io
import tokenize

import pytest

from autograder import course, keys
from autograder.audit import PUBLIC, audit, figures, report
from autograder.grading import judge_answer
from helpers.judge import judge

NAMES = course.assignment_names()


def flawless(results):
    counted = figures(results)
    assert all(result.outcome == "ok" for result in results if result.kind != "unlisted"), report(results)
    assert counted["loo_misnamed"] <= 0.03 * counted["wrong"], report(results)


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_right_answers_pass_and_known_mistakes_are_named_on_the_public_items(runner, name):
    # slow: about a thousand known mistakes and three hundred right answers are run
    flawless(list(audit(name, [PUBLIC], runner)))


@pytest.mark.full
@pytest.mark.parametrize("name", NAMES)
def test_right_answers_pass_and_known_mistakes_are_named_on_items_made_anew(runner, name):
    flawless(list(audit(name, range(2), runner)))


@pytest.mark.slow
@pytest.mark.parametrize("name", NAMES)
def test_blank_answers_get_nothing_even_when_the_stub_is_emptied(runner, name):
    # slow: a failed answer makes the grader run the known mistakes of its task
    for task in course.load(name).tasks:
        source = next(cell.source for cell in course.load(name).cells if cell.kind == "answer" and cell.task == task)
        stub = course.SOLUTION.sub(f'raise NotImplementedError("{task}")\n', source)
        for blank in ("", stub, "pass", course.SOLUTION.sub("pass\n", source), course.SOLUTION.sub("return 0.0\n", source)):
            assert not judge_answer(task, blank, 0, runner).passed, (task, blank)


@pytest.mark.full
@pytest.mark.parametrize("name", NAMES)
def test_no_false_alarm_for_the_references_in_1000_seeds(runner, name):
    failed = []
    for task in course.load(name).tasks:
        for seed in range(1000, 2000):
            item = keys.item(task, seed)
            verdict = judge(task, item, runner.observe(task, item))
            failed += [(task, seed, verdict.lines)] * (not verdict.passed)
    assert not failed


@pytest.mark.full
@pytest.mark.parametrize("name", NAMES)
def test_no_false_alarm_for_right_answers_in_other_styles(runner, name):
    results = list(audit(name, range(50, 80), runner, wrong=False))
    assert all(result.outcome == "ok" for result in results), report(results)


def test_there_are_enough_answers():
    wrong = [one for name in NAMES for one in keys.answers("misconceptions", name)]
    right = [one for name in NAMES for one in keys.answers("alternatives", name)]
    assert len(wrong) >= 150 and len(right) >= 60
    assert all(20 < len(one.says) < 500 and one.source for one in wrong), [w.id for w in wrong if not 20 < len(w.says) < 500]
    tasks = course.tasks()
    assert {one.task for one in wrong + right} <= set(tasks)
    small = {one.id for one in wrong if is_single_token_edit(one)}
    assert len(small) <= 0.25 * len(wrong)
    for task, name in tasks.items():
        of_task = [one for one in wrong if one.task == task]
        assert len(of_task) >= (8 if course.load(name).tasks[task] > 3 else 1), task
        assert any(one.id not in small for one in of_task), f"{task} has no conceptual mistake"


def is_single_token_edit(answer):
    """Whether one token, put in, left out or replaced, makes the mistake of the reference."""
    before, after = (tokens(cell) for cell in (course.load(course.tasks()[answer.task]).answer(answer.task), answer.cell))
    edits = [
        edit for edit in difflib.SequenceMatcher(None, before, after, autojunk=False).get_opcodes() if edit[0] != "equal"
    ]
    return len(edits) == 1 and max(edits[0][2] - edits[0][1], edits[0][4] - edits[0][3]) == 1


def tokens(code):
    skipped = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE, tokenize.INDENT, tokenize.DEDENT)
    lines = io.StringIO("\n".join(line for line in code.splitlines() if not line.startswith(("%", "!"))))
    return [token.string for token in tokenize.generate_tokens(lines.readline) if token.type not in skipped]


def test_a_student_is_graded_on_the_same_item_at_every_regrade():
    first = [keys.index_for("01_sampling", f"student{i}") for i in range(200)]
    assert first == [keys.index_for("01_sampling", f"student{i}") for i in range(200)]
    assert set(first) == set(range(keys.POOL))


def test_secret_items_differ_from_each_other_and_from_the_public_one():
    for task in course.tasks():
        items = [keys.public_item(task), *(keys.secret_item(task, index) for index in range(3))]
        inputs = [
            str([p["inputs"] for p in item["properties"]]) + str([p["expect"] for p in item["properties"]]) for item in items
        ]
        assert len(set(inputs)) == len(items), task
