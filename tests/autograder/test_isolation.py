"""Each answer runs on its own: what it breaks, prints or leaves behind costs or helps nobody else."""

from __future__ import annotations

import ast
import time

import pytest

from autograder import course, grading, keys
from autograder.grading import judge_answer
from autograder.runner import Runner

pytestmark = pytest.mark.slow  # time limits and dying processes take their seconds
TASK = "sampling.gaussian"
HEAD = "def sample_gaussian(n, mean, cov, generator=None):\n    "


def reference() -> str:
    return course.load("01_sampling").answer(TASK)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ("import os; os._exit(0)", "ended without a result"),
        ("raise KeyboardInterrupt", "ended without a result"),
        ("import sys; sys.exit(0)", "SystemExit"),
        ("raise ValueError('half \\ud800 and \\x1b[31m red')", "half \N{REPLACEMENT CHARACTER} and"),
        ("return [0.0] * 5_000_000", "far more than asked for"),
        ("import os; os.abort()", "it crashed"),
        ("import ctypes; ctypes.string_at(0)", "it crashed"),
        ("return sample_gaussian(n, mean, cov)", "RecursionError"),
        ("x = [0.0]\n    while True: x = x + x", ("MemoryError", "did not finish")),
    ],
)
def test_deaths_cost_that_answer_only(runner, body, words):
    verdict = judge_answer(TASK, HEAD + body, 0, runner)
    words = (words,) if isinstance(words, str) else words
    assert not verdict.passed and any(word in verdict.sentence for word in words), verdict.sentence
    assert verdict.misconception is None
    assert judge_answer(TASK, reference(), 0, runner).passed


def test_a_worker_that_was_ended_costs_the_answer_that_could_reach_it():
    with Runner(caged=False) as bare:
        verdict = judge_answer(TASK, HEAD + "import os; os.kill(os.getppid(), 9); os._exit(0)", 0, bare)
        assert not verdict.passed and "ended the grading worker" in verdict.sentence
        assert judge_answer(TASK, reference(), 0, bare).passed


@pytest.mark.parametrize(
    "body",
    ["while True: pass", "while True:\n        try:\n            while True: pass\n        except BaseException: pass"],
)
def test_endless_loops_end(body):
    with Runner(seconds=1.0) as quick:
        start = time.monotonic()
        verdict = judge_answer(TASK, HEAD + body, 0, quick)
        assert not verdict.passed and "did not finish" in verdict.sentence
        assert time.monotonic() - start < 25
        assert judge_answer(TASK, reference(), 0, quick).passed


def test_an_endless_loop_while_the_cell_is_run_ends():
    with Runner(seconds=1.0) as quick:
        assert "did not finish within 1 s" in judge_answer(TASK, "while True: pass", 0, quick).sentence


def test_nothing_is_left_for_the_next(runner):
    vandal = (
        "import torch, builtins, helpers.probes\ntorch.randn = None\nbuiltins.len = None\nhelpers.probes.to_array = None\n"
        + HEAD
        + "return 0"
    )
    assert not judge_answer(TASK, vandal, 0, runner).passed
    assert judge_answer(TASK, reference(), 0, runner).passed


@pytest.mark.parametrize(
    "cheat",
    [
        "class Yes(float):\n    __eq__ = __le__ = __lt__ = __ge__ = lambda *_: True\n    __hash__ = None\n"
        + HEAD
        + "return Yes()",
        "import helpers.judge\nhelpers.judge.judge = None\nhelpers.judge.judge_property = lambda *_: (True, '')\n"
        + HEAD
        + "return mean",
        HEAD
        + "from helpers.checks import public_items\n    return mean.new_tensor(public_items()['sampling.gaussian']['properties'][0]['expect']['x_mean']).repeat(n, 1)",
        "import sys\nsys.displayhook = lambda *_: None\n" + HEAD + "return mean.repeat(n, 1)",
    ],
)
def test_tricks_gain_nothing(runner, cheat):
    assert not judge_answer(TASK, cheat, 0, runner).passed


def test_the_worker_knows_no_expected_value():
    """What is sent to the worker holds names and inputs only, and the worker imports no closed form."""
    code = (
        "import sys, json, autograder.worker\n"
        "def sample_gaussian(n, mean, cov, generator=None):\n"
        "    raise ValueError(sorted(m for m in sys.modules if m.startswith('autograder')))\n"
    )
    with Runner() as fresh:
        seen = fresh.observe(TASK, keys.secret_item(TASK, 0), code)
    text = next(iter(seen.values()))["text"]
    assert "autograder.worker" in text
    assert not any(word in text for word in ("exact", "expected", "keys", "course", "misconceptions"))


def test_helper_functions_from_other_cells_are_found(runner):
    answer = HEAD + "return mean + torch.randn(n, len(mean)) @ my_factor(cov).T"
    helper = "def my_factor(cov):\n    return torch.linalg.cholesky(cov)"
    assert not judge_answer(TASK, answer, 0, runner).passed
    assert judge_answer(TASK, answer, 0, runner, [helper]).passed
    assert judge_answer(TASK, answer, 0, runner, ["raise ValueError", helper, "while_ = ("]).passed


def test_a_stub_left_behind_below_a_right_answer_costs_nothing(runner):
    assert judge_answer(TASK, reference() + f'\n    raise NotImplementedError("{TASK}")', 0, runner).passed
    blank = judge_answer(TASK, HEAD + f'raise NotImplementedError("{TASK}")', 0, runner)
    assert blank.sentence.startswith("Nothing is filled in here yet")


def test_magics_in_an_answer_do_nothing(runner):
    assert judge_answer(TASK, "%matplotlib inline\n!ls\n" + reference(), 0, runner).passed


def test_a_dead_worker_is_replaced(runner):
    assert judge_answer(TASK, reference(), 1, runner).passed
    runner._process.kill()
    runner._process.wait()
    assert judge_answer(TASK, reference(), 1, runner).passed


@pytest.mark.parametrize(
    "echo", ["raise ValueError(f'{mean.tolist()}')", "return mean", "return 1e6 + cov.sum() * torch.ones(n, len(mean))"]
)
def test_what_a_student_reads_comes_from_the_public_item(runner, echo):
    # an exception's message and an observed number could carry inputs of the secret item
    verdicts = [judge_answer(TASK, HEAD + echo, index, runner) for index in range(3)]
    assert not any(verdict.passed for verdict in verdicts)
    # three secret items, one text: nothing in it can come from any of them
    assert verdicts[0] == verdicts[1] == verdicts[2]
    means = [keys.secret_item(TASK, index)["properties"][0]["inputs"]["mean"] for index in range(3)]
    assert len({tuple(mean) for mean in means}) == 3


def test_an_answer_that_fits_the_public_inputs_only_is_wrong_and_says_so(runner):
    from helpers.checks import public_items

    known = [prop["inputs"]["mean"] for prop in public_items()[TASK]["properties"]]
    cheat = f"""
_known = {known}
_right = None
{reference().replace("def sample_gaussian", "def _right")}
def sample_gaussian(n, mean, cov, generator=None):
    if any(len(m) == len(mean) and (torch.tensor(m) - mean).abs().max() < 1e-3 for m in _known):
        return _right(n, mean, cov, generator)
    return torch.zeros(n, len(mean))
"""
    verdict = judge_answer(TASK, cheat, 0, runner)
    assert not verdict.passed and "not with others" in verdict.sentence, verdict


class Late:
    """A runner whose answers never end: until they are stopped they compute for so long, and so much passes on the clock."""

    seconds, used, now = 1.0, 0.0, 0.0

    def __init__(self, computes, lasts):
        self.computes, self.lasts = computes, lasts

    def observe(self, task, item, answer, carried):
        self.used += self.computes
        self.now += self.lasts
        return {prop["name"]: {"failed": "TimeLimit", "text": "did not finish within 1 s"} for prop in item["properties"]}


@pytest.mark.parametrize(
    ("computes", "lasts", "again", "kept"),
    [(0.98, 1.0, False, 1), (0.98, 2.0, False, 0), (0.98, 2.0, True, 1), (0.3, 0.3, False, 0), (0.3, 3.0, True, 0)],
)
def test_what_is_late_is_kept_if_it_computed_for_its_whole_limit_undisturbed_or_twice(
    monkeypatch, computes, lasts, again, kept
):
    verdicts, late = {}, Late(computes, lasts)
    monkeypatch.setattr(grading.time, "perf_counter", lambda: late.now)
    verdict = judge_answer(TASK, reference(), 0, late, kept=verdicts, again=again)
    assert verdict.sentence == "Your code did not finish within 1 s." and len(verdicts) == kept


def test_what_differs_in_comments_and_layout_is_run_once_if_it_is_right_and_each_if_it_is_wrong(runner):
    verdicts, right, never = {}, reference(), Runner(runner.seconds)
    verdict = judge_answer(TASK, right, 0, runner, kept=verdicts)
    never._ask = lambda _: pytest.fail("it was run")
    assert judge_answer(TASK, f"# mine\n\n{right}  # ends here", 0, never, kept=verdicts) == verdict and verdict.passed
    for other in (f"{right}\nmore = 1", repr(right), ast.dump(ast.parse(right)), f"%time\n{right}"):
        with pytest.raises(pytest.fail.Exception):
            judge_answer(TASK, other, 0, never, kept=verdicts)
    for line in (2, 3):
        verdict = judge_answer(TASK, HEAD + "\n" * (line - 2) + "    1 / 0", 0, runner, kept=verdicts)
        assert f"(line {line} of the cell)" in verdict.sentence, verdict
