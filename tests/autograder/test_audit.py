"""The grader's own error rates, and the commands that show them: audit, try, explain."""

from __future__ import annotations

import json

import pytest

from autograder import __main__, audit, course, keys, trial

TASK = "mlp.embedding"
ANSWERS = """
# %% vpsde.sigma
@attach(VPSDE)
def sigma(self, t):
    return torch.sqrt(1 - self.alpha(t) ** 2)

# %% [markdown]
# a remark

# %% answer="vpsde.alpha"
@attach(VPSDE)
def alpha(self, t):
    return torch.exp(-0.5 * (self.beta_min * t + 0.5 * t**2 * (self.beta_max - self.beta_min)))
"""


@pytest.fixture(scope="module")
def results(runner):
    return list(audit.examine(TASK, 4, runner))


@pytest.mark.slow
def test_an_audit_sees_right_answers_mistakes_unlisted_ones_and_pairs(results):
    assert {r.kind for r in results} == {"reference", "alternative", "mistake", "unlisted", "pair"}
    assert all(r.outcome == "ok" for r in results), audit.report(results)
    counted = audit.figures(results)
    assert counted["wrong"] == counted["caught"] == counted["named"] == len(keys.misconceptions(TASK))
    assert counted["right"] == 1 + len(keys.alternatives(TASK)) and counted["seeds"] == 1
    assert counted["misnamed"] == counted["rejected"] == counted["loo_misnamed"] == counted["false_alarms"] == 0


def test_an_audit_reports_a_right_answer_called_wrong_and_a_wrong_one_called_right(results):
    bad = [
        audit.Result(
            r.id, r.task, r.seed, r.kind, {"reference": "rejected", "mistake": "passed"}.get(r.kind, "ok"), r.verdict
        )
        for r in results
    ]
    counted = audit.figures(bad)
    assert counted["rejected"] == counted["false_alarms"] == 1 and counted["caught"] == counted["named"] == 0
    assert f"rejected  reference {TASK}:reference" in audit.report(bad)


@pytest.mark.slow
def test_every_property_that_a_mistake_fails_has_its_power(results):
    power = audit.power(results)
    assert set(power) == {m.id for m in keys.misconceptions(TASK)}
    assert all(0 < max(shares.values()) <= 1 for shares in power.values())


def test_pairs_carry_both_changes():
    for task in ("vpsde.loss", "ddpm.sample"):
        for one, two, cell in audit.pairs(task):
            assert all(new in cell for _, new in (*one.swap, *two.swap)), (one.id, two.id)


def test_a_right_student_loses_a_point_anywhere_in_the_course_with_at_most_one_in_a_million():
    assert 0 < audit.false_alarm_bound(course.tasks()) <= 1e-6


@pytest.mark.slow
def test_try_grades_a_file_of_answers(tmp_path, capsys):
    path = tmp_path / "answers.py"
    path.write_text(ANSWERS)
    assert __main__.main(["try", "03", str(path), "--json"]) == 0
    rows = json.loads(capsys.readouterr().out)
    assert list(rows) == list(course.load("03_vpsde").tasks)
    assert rows["vpsde.alpha"]["passed"] and rows["vpsde.alpha"]["answered"] and rows["vpsde.alpha"]["points"] == 2
    assert not rows["vpsde.sigma"]["passed"] and rows["vpsde.sigma"]["misconception"] == "vpsde.sigma:cancels-alpha"
    assert all(
        row["passed"] and not row["answered"] for task, row in rows.items() if task not in ("vpsde.alpha", "vpsde.sigma")
    )
    text = trial.text(rows)
    assert "vpsde.sigma:cancels-alpha: The formula is right, but for tiny t" in text and "(the reference's)" in text


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        ("x = 1\n", "answers no task of 03_vpsde"),
        ("# %% vpsde.sigma\n1\n# %% vpsde.sigma\n2\n", "answers vpsde.sigma twice"),
    ],
)
def test_try_says_in_a_sentence_what_is_wrong_with_a_file(tmp_path, capsys, content, words):
    path = tmp_path / "answers.py"
    if content is not None:
        path.write_text(content)
    assert __main__.main(["try", "03", str(path)]) == 2
    assert words in capsys.readouterr().err


def test_explain_shows_source_code_and_the_students_panel(capsys):
    assert __main__.main(["explain", "vpsde.sigma:variance"]) == 0
    out = capsys.readouterr().out
    assert "handout P" in out and "-    return torch.sqrt(-torch.expm1(-integral))" in out
    assert "✗ vpsde.sigma: not yet" in out and "squares of the right ones" in out
    assert __main__.main(["explain", "vpsde.sigma:nonsense"]) == 2
    assert "those of vpsde.sigma are" in capsys.readouterr().err
