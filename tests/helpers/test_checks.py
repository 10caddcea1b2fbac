"""The check that students run: quiet, patient with nobody's endless loop, and clear about what it saw."""

from __future__ import annotations

import contextlib
import os
import re
import subprocess
import sys
import time
import warnings

import pytest

from helpers import check, panel
from helpers.checks import CheckFailed, public_items, run_check
from helpers.probes import load, observe, to_array
from tests.conftest import REPOSITORY


def sample_gaussian(n, mean, cov, generator=None):
    """A right answer that chatters."""
    import torch

    warnings.warn("careful", stacklevel=2)
    print("working")
    print("working", file=sys.stderr)
    os.write(2, b"from C\n")
    return torch.distributions.MultivariateNormal(mean, cov).sample((n,))


def test_every_public_item_has_a_probe_and_every_probe_an_item():
    assert set(public_items()) == set(load())


def test_chatter_inside_a_right_answer_is_swallowed(capfd):
    verdict = run_check("sampling.gaussian", sample_gaussian)
    assert verdict.passed, panel.text(verdict)
    out, err = capfd.readouterr()
    assert "working" not in out + err and "careful" not in err and "from C" not in err


@pytest.mark.parametrize(
    ("answer", "words"),
    [
        (lambda n, mean, cov, generator=None: None, "returned None"),
        (lambda n, mean, cov, generator=None: "samples", "returned a str"),
        (lambda n, mean, cov, generator=None: mean, "the shape is"),
        (lambda n, mean, cov, generator=None: mean / 0 * 0 + sample_gaussian(n, mean, cov), "NaN"),
        (lambda n, mean, cov, generator=None: 1 / 0, "raised ZeroDivisionError"),
        (lambda n, mean, cov, generator=None: sys.exit(3), "raised SystemExit"),
        (lambda n: 0, "raised TypeError"),
        (lambda n, mean, cov, generator=None: [object()] * 3, "not an array of real numbers"),
    ],
)
def test_bad_answers_get_one_sentence(answer, words):
    verdict = run_check("sampling.gaussian", answer)
    assert not verdict.passed and words in verdict.sentence
    assert words in panel.text(verdict)


@pytest.mark.parametrize(
    ("call", "error", "words"),
    [
        (("vpsde.loss",), TypeError, "takes the task's name and 1 of your functions or classes"),
        (("vpsde.train_loop", len), TypeError, "and 2 of your functions or classes, by name and without quotes, as in its check cell; here it was given 1"),
        (("vpsde.lose", len), ValueError, "there is no task 'vpsde.lose'; do you mean 'vpsde.loss'?"),
        (("?", len), ValueError, "the tasks are cifar.flip, "),
    ],
)  # fmt: skip
def test_a_check_that_is_called_wrongly_says_how_to_call_it(call, error, words):
    with pytest.raises(error, match=re.escape(words)):
        run_check(*call)


def test_what_was_observed_many_times_is_said_once():
    rows = [
        row
        for row in panel.text(run_check("sampling.gaussian", lambda *_, **__: 1 + "")).splitlines()
        if row.startswith("  ✗")
    ]
    assert len(rows) > 2 and "raised TypeError" in rows[0]
    assert all(row.endswith(": the same") for row in rows[1:])


def test_a_panel_shows_code_as_code_and_brings_nothing_live():
    shown = panel.note("a & b", "Look at `x < 1`.", "<script>`1`</script>").html
    assert "a &amp; b" in shown and "Look at <code>x &lt; 1</code>." in shown
    assert "<script" not in shown


def test_an_endless_loop_ends():
    def answer(n, mean, cov, generator=None):
        while True:
            with contextlib.suppress(Exception):
                time.sleep(0.01)

    start = time.monotonic()
    verdict = run_check("sampling.gaussian", answer, seconds=1.0)
    assert time.monotonic() - start < 10
    assert "did not finish within 1 s" in verdict.sentence
    assert any("not tried" in line.observed for line in verdict.lines)


def test_a_known_mistake_is_named_in_the_panel():
    import torch

    verdict = run_check("sampling.gaussian", lambda n, mean, cov, generator=None: mean + torch.randn(n, len(mean)) @ cov)
    assert verdict.misconception == "sampling.gaussian:cov-as-factor"
    assert verdict.sentence in panel.text(verdict)


def test_panel_html_is_escaped_and_holds_no_script():
    def answer(n, mean, cov, generator=None):
        raise ValueError("<script>alert(1)</script>")

    html = panel.html(run_check("sampling.gaussian", answer))
    assert "<script" not in html and "&lt;script&gt;" in html


def test_check_raises_only_while_nbgrader_runs(monkeypatch, capsys):
    monkeypatch.delenv("NBGRADER_EXECUTION", raising=False)
    check("sampling.gaussian", lambda *_: None)
    assert "not yet" in capsys.readouterr().out
    monkeypatch.setenv("NBGRADER_EXECUTION", "validate")
    with pytest.raises(CheckFailed, match="returned None"):
        check("sampling.gaussian", lambda *_: None)


def test_an_unknown_task_lists_the_tasks():
    with pytest.raises(ValueError, match=r"no task 'sampling.nothing'.*sampling.gaussian"):
        check("sampling.nothing", print)


def test_huge_outputs_are_refused():
    import numpy as np

    with pytest.raises(Exception, match="far more than asked for"):
        to_array(np.zeros(5_000_000))


def test_observations_repeat_exactly():
    item = public_items()["sampling.gaussian"]
    first, second = (observe("sampling.gaussian", item, (sample_gaussian,)) for _ in range(2))
    for name in first:
        assert (first[name]["value"] == second[name]["value"]).all()


def test_importing_helpers_loads_neither_torch_nor_matplotlib():
    code = "import sys, helpers; print(sorted({'torch', 'matplotlib', 'seaborn', 'scipy', 'autograder'} & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", code], cwd=REPOSITORY, capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
