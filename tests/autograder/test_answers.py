"""Right answers pass, blanks get nothing, known mistakes are caught and named: for every task, in the way grading runs them."""

from __future__ import annotations

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
    assert len(wrong) >= 30 and len(right) >= 15
    assert all(20 < len(one.says) < 500 and one.source for one in wrong), [w.id for w in wrong if not 20 < len(w.says) < 500]
    tasks = course.tasks()
    assert {one.task for one in wrong + right} <= set(tasks)
    assert {one.task for one in wrong} == set(tasks), "a task without a known mistake"


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
