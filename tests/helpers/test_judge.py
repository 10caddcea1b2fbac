"""The judge as a pure function of arrays: right numbers pass at the stated false-alarm rate, wrong ones are caught and named."""

from __future__ import annotations

import numpy as np
import pytest

from autograder.exact import Mixture
from autograder.expected import draws, exact, law, prop, rows_law, within
from helpers.judge import FALSE_ALARM, bernstein, cosine_summary, judge, judge_property, rows_summary, summary

MIXTURE = Mixture(
    np.array([0.3, 0.7]), np.array([[-2.0, 0.0], [1.0, 1.0]]), np.array([np.eye(2) * 0.4, [[1.0, 0.6], [0.6, 0.8]]])
)
N = 10_000


def rng(seed: int = 0) -> np.random.Generator:
    return np.random.default_rng(seed)


def value(array) -> dict:
    return {"value": np.asarray(array, dtype=float)}


def test_law_statistics_have_mean_zero_and_unit_variance_under_the_law():
    # 300 independent samples x 24 frequencies; the standard deviation of their z-scores is 1 within 5 %, so the stated
    # variances are right, and none of 7,200 comparisons is a false alarm (expected: 7,200 x 2e-10)
    expect, scores = law(rng(), MIXTURE, N), []
    for seed in range(300):
        seen = cosine_summary(expect, MIXTURE.sample(N, rng(seed)))
        gap = seen["mean"] - expect["mean"]
        assert (np.abs(gap) < bernstein(expect["var"], N)).all()
        scores.append(gap / np.sqrt(expect["var"] / N))
    assert abs(np.std(scores) - 1) < 0.05
    assert np.abs(np.mean(scores, axis=0)).max() < 5 / np.sqrt(300)


@pytest.mark.parametrize("width", [0.0, 1e-7, 1e-5, 1e-3])
def test_a_law_that_is_flat_is_not_judged_by_the_rounding_of_its_samples(width):
    # the errors of some float32 steps: a digit in the seventh place, the same for all rows and another for each
    axis, n = np.array([0.9, 0.44]) / np.hypot(0.9, 0.44), 20_000
    across = np.array([-axis[1], axis[0]])
    flat = Mixture.gaussian([-0.44, 0.58], 0.15**2 * np.outer(axis, axis) + (0.15 * width) ** 2 * np.outer(across, across))
    for seed in range(20):
        draw = rng(seed)
        rows = flat.sample(n, draw) * (1 + 3e-7 * draw.standard_normal(2)) + 3e-7 * draw.standard_normal((n, 2))
        assert judge_property(law(rng(seed), flat, n), value(np.float32(rows))) == (True, "")


def test_bernstein_bounds_the_tails_of_a_skewed_bounded_variable():
    # an extreme case: rare large terms. The bound must hold where a normal approximation fails; checked at a level at which
    # 200,000 repetitions can see it: replace FALSE_ALARM by 1e-3
    n, p = 400, 0.004
    tail = np.log(2 / 1e-3)
    scale = np.log(2 / FALSE_ALARM)
    t = bernstein(np.array(p * (1 - p)), n) * 1.0
    assert t > np.sqrt(2 * scale * p * (1 - p) / n)
    means = rng().binomial(n, p, 200_000) / n
    at_level = (tail * 2 / 3 + np.sqrt((tail * 2 / 3) ** 2 + 2 * tail * n * p * (1 - p))) / n
    assert (np.abs(means - p) > at_level).mean() < 1e-3


@pytest.mark.parametrize(
    ("change", "words"),
    [
        (lambda x: x + 0.1, "mean"),
        (lambda x: x * 1.1, "variance"),
        (lambda x: np.column_stack([x[:, 0], rng(1).permutation(x[:, 1])]), "covariance"),
        (lambda x: np.repeat(x[:1], N, 0), "all 10000 rows are the same"),
        (lambda x: x[:, :1], "shape"),
        (lambda x: np.where(np.arange(N)[:, None] == 7, np.nan, x), "NaN"),
    ],
)
def test_law_catches_and_describes(change, words):
    ok, text = judge_property(law(rng(), MIXTURE, N), value(change(MIXTURE.sample(N, rng(5)))))
    assert not ok and words in text


def test_law_catches_a_wrong_shape_with_the_right_moments():
    normal = Mixture.gaussian(np.zeros(1), np.eye(1))
    uniform = rng().uniform(-np.sqrt(3), np.sqrt(3), (N, 1))
    ok, text = judge_property(law(rng(), normal, N), value(uniform))
    assert not ok and "shape of the distribution" in text


@pytest.mark.slow
def test_rows_pass_when_independent_and_have_no_false_alarm_in_300_samples():
    expect, scores = rows_law(rng(), MIXTURE, N), []
    for seed in range(300):
        x = MIXTURE.sample(N, rng(seed))
        assert judge_property(expect, value(x))[0]
        seen = rows_summary(expect, x)
        scores.append(seen["mean"] / np.sqrt(seen["var"] / seen["n"]))
    assert abs(np.std(scores) - 1) < 0.06


@pytest.mark.parametrize(
    "order",
    [
        lambda x: x[np.argsort(x[:, 0])],  # sorted
        lambda x: x[np.argsort(x[:, 0] > -0.8, kind="stable")],  # one component after the other
        lambda x: np.repeat(x[: N // 2], 2, 0),  # each row twice
    ],
)
def test_rows_catch_dependence(order):
    assert not judge_property(rows_law(rng(), MIXTURE, N), value(order(MIXTURE.sample(N, rng(3)))))[0]


def test_rows_do_not_care_about_the_law():
    assert judge_property(rows_law(rng(), MIXTURE, N), value(rng(9).uniform(-1, 1, (N, 2))))[0]


def test_draws_allow_less_scatter_and_refuse_more():
    expect = draws(2.0, 0.5, 40)
    assert judge_property(expect, value(rng(1).normal(2, 0.5, 40)))[0]
    assert judge_property(expect, value(rng(1).normal(2, 0.01, 40)))[0], "stratified draws are right"
    assert "standard errors off" in judge_property(expect, value(rng(1).normal(3, 0.5, 40)))[1]
    wide = rng(1).normal(0, 1, 40)
    wide = 2 + 2 * (wide - wide.mean())
    assert "scatter" in judge_property(expect, value(wide))[1]


def test_within_and_exact():
    assert judge_property(within(0, 1, (3,)), value([0, 0.5, 1]))[0]
    assert not judge_property(within(0, 1, (3,)), value([0, 0.5, 1.1]))[0]
    assert judge_property(exact([1.0, 1e6]), value([1.00001, 1e6 + 50]))[0]
    ok, text = judge_property(exact([1.0, 2.0]), value([1.0, 2.1]), reveal=True)
    assert not ok and "got 2.1, expected 2" in text
    assert "expected" not in judge_property(exact([1.0, 2.0]), value([1.0, 2.1]))[1], "secret numbers stay secret"


def item(*wrong: tuple[str, float]) -> dict:
    one = prop("a", "A", {}, exact([1.0, 2.0]))
    two = prop("b", "B", {}, draws(0.0, 1.0, 50))
    return {
        "properties": [one, two],
        "wrong": [
            {
                "id": name,
                "says": f"It is {name}.",
                "prints": {"a": {"value": [factor, 2 * factor]}, "b": {"mean": 0.0, "var": 1.0, "n": 50}},
            }
            for name, factor in wrong
        ],
    }


def test_a_known_mistake_is_named_and_an_unknown_one_is_not():
    noise = value(rng(4).normal(0, 1, 50))
    known = item(("doubled", 2.0), ("halved", 0.5))
    assert judge("t", known, {"a": value([0.5, 1.0]), "b": noise}).misconception == "halved"
    unknown = judge("t", known, {"a": value([0.7, 1.4]), "b": noise})
    assert not unknown.passed and unknown.misconception is None
    both = judge("t", known, {"a": value([0.5, 1.0]), "b": value(rng(4).normal(3, 1, 50))})
    assert both.misconception is None, "numbers that fit in one property and not in another are not that mistake"


def test_nothing_is_named_after_a_crash_or_a_time_out():
    known = item(("doubled", 2.0))
    lost = {"failed": "lost", "text": "ended"}
    known["wrong"][0]["prints"] = {
        name: summary(p["expect"], lost) for name, p in zip("ab", known["properties"], strict=True)
    }
    assert judge("t", known, {"a": lost, "b": lost}).misconception is None
    assert judge("t", known, {}).passed is False


def test_an_unstable_property_alone_names_nothing():
    known = item(("doubled", 2.0))
    known["wrong"][0]["prints"]["a"] = "unstable"
    assert judge("t", known, {"a": value([9.0, 9.0]), "b": value(rng(4).normal(0, 1, 50))}).misconception is None
