"""What notebook 04's second half should give: losses, training, posterior and samplers on short, violent schedules."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy.special import ndtr

from autograder.exact import (
    AffineGaussian,
    Mixture,
    SquaredLength,
    ddpm_residual,
    ddpm_step,
    ddpm_target,
    eps_from,
    normal_kl,
)
from autograder.expected import Property, again, alone, draws, exact, expects, law, prop, rows_law, size, unshared

Rng = np.random.Generator
Properties = Iterator[Property]

FAR = {"middle": 39.5, "width": 36.0}  # 29.1 of 500,000 normals are beyond 4.02; chances of < 4 or > 75: 1e-9
WORDS = {"eps": "the noise", "x0": "x₀", "v": "v", "score": "the score"}


def violent(rng: Rng, T: int) -> SimpleNamespace:
    """T uneven betas between 0.15 and 0.7 in random order, as float32 has them, and alpha_bar_0 ... alpha_bar_T."""
    betas = np.array([0.45]) if T == 1 else np.linspace(0.18, 0.67, T)
    betas = np.float32(rng.permutation(betas + rng.uniform(-0.03, 0.03, T))).astype(float)
    return SimpleNamespace(T=T, betas=betas, bars=np.concatenate([[1.0], np.cumprod(1 - betas)]))


def tilde(plan: SimpleNamespace, t: int) -> float:
    """The posterior's variance at t."""
    return float((1 - plan.bars[t - 1]) / (1 - plan.bars[t]) * plan.betas[t - 1])


def signed(rng: Rng, low: float, high: float, shape: Any) -> np.ndarray:
    """Numbers of a size between low and high with random signs."""
    return rng.uniform(low, high, shape) * rng.choice([-1, 1], shape)


def random_theta(rng: Rng, T: int, d: int) -> np.ndarray:
    """An affine network of its own at each t = 0 ... T + 1, (T + 2, d, d + 1); the two ends no right answer asks for."""
    theta = signed(rng, 0.1, 0.35, (T + 2, d, d + 1)) / np.sqrt(d)
    theta[:, :, :d] += rng.uniform(0.4, 0.9, (T + 2, 1, 1)) * np.eye(d)
    theta[:, :, d] = signed(rng, 0.4, 1.2, (T + 2, d))
    return theta


def at(theta: np.ndarray, t: int) -> tuple[np.ndarray, np.ndarray]:
    """The matrix and the offset of a network at t."""
    return theta[t, :, :-1], theta[t, :, -1]


def knowing(plan: SimpleNamespace, point: np.ndarray, kind: str) -> np.ndarray:
    """The network that is right at every t when all of the data are one point; at t = 0 and T + 1 it is far off."""
    d, rows = len(point), []
    for bar in (0.5, *plan.bars[1:], 0.5):
        c_x0, c_eps = ddpm_target(kind, bar)  # eps = (x_t - a x0) / s
        a, s = np.sqrt(bar), np.sqrt(1 - bar)
        rows.append(np.hstack([c_eps / s * np.eye(d), ((c_x0 - c_eps * a / s) * point)[:, None]]))
    theta = np.stack(rows)
    theta[[0, -1], :, -1] += 3
    return theta


def fresh(inputs: dict[str, Any], key: str = "what") -> Properties:
    """Two calls draw other numbers, without a generator and with one: `inputs` are the probe's, which looks at `key`.

    Of a hundred numbers drawn with 20 random bits each, more than five are equal with a probability below 1e-25.
    """
    yield prop("new", "two calls without a generator: the second draws other numbers (share that comes again)", {**inputs, key: "new"},
               exact(0.0, atol=0.05), "Does something make the random numbers the same in each call, such as a seed?")  # fmt: skip
    yield again({**inputs, key: "again"})


# --------------------------------------------------------------------------------------------------------------- losses


def squares(plan: SimpleNamespace, law0: Mixture, theta: np.ndarray, kind: str) -> SquaredLength:
    """The law of one row's loss."""
    return SquaredLength(ddpm_residual(plan.bars, law0, lambda t: at(theta, t), kind))


def normal_data(rng: Rng, d: int) -> tuple[dict[str, np.ndarray], Mixture]:
    """Mean and triangular factor of normal data as probe inputs, and their law."""
    factor = np.tril(signed(rng, 0.2, 0.5, (d, d)) / np.sqrt(d), -1) + np.diag(rng.uniform(0.6, 1.2, d))
    mean = signed(rng, 0.5, 1.2, d)
    return {"mean": mean, "factor": factor}, Mixture.gaussian(mean, factor @ factor.T)


def point(x: np.ndarray) -> Mixture:
    """Data that are one point."""
    return Mixture.gaussian(x, np.zeros((len(x), len(x))))


def times_property(rng: Rng, T: int, look: str) -> Property:
    """Each t comes up in one T-th of the rows, of 64, or of one (T = 2) or three (T = 5): networks that know everything but at one t."""
    plan, x0, B, count = (
        violent(rng, T),
        signed(rng, 0.8, 1.6, 2),
        *{2: (1, 150), 5: (3, 150)}.get(T, (64, 30) if T > 2 else (1, 150)),
    )
    thetas = np.stack([knowing(plan, x0, "eps")] * T)
    sizes = rng.uniform(1.0, 2.0, T)
    for k in range(T):
        thetas[k, k + 1, 0, -1] += np.sqrt(sizes[k])
    inputs = {"what": "times", "betas": plan.betas, "x0": x0, "B": B, "count": count, "thetas": thetas}
    sd = sizes * np.sqrt((1 / T) * (1 - 1 / T) / B) if T > 1 else np.full(1, 1e-3)
    return prop(f"times{T}", f"T = {T}: {T} network{'s' * (T > 1)} that {'are' if T > 1 else 'is'} wrong at a single t, one for each t from 1 to T",
                inputs, draws(sizes / T, sd, count, 1e-4), look)  # fmt: skip


def noise_properties(rng: Rng) -> Properties:
    """The noise of the rows: a share of it in each of three bands, and the count of numbers beyond 4."""
    edges = np.array([0, rng.uniform(0.5, 0.8), rng.uniform(1.6, 2.0), 1e9])
    share = 2 * np.diff(ndtr(edges))

    def knower(value: float) -> dict[str, Any]:
        plan = violent(rng, 3)
        s = np.sqrt(1 - np.array([0.5, *plan.bars[1:], 0.5]))
        return {"betas": plan.betas, "value": value, "scale": 1 / s, "shift": -np.sqrt(1 - s**2) / s * value}

    B, dim, count = 16, 100, 30
    inputs = {**knower(rng.uniform(0.5, 1.5)), "what": "bands", "B": B, "dim": dim, "count": count,
              "bands": np.column_stack([edges[:-1], edges[1:]])}  # fmt: skip
    yield prop("bands", "networks that are wrong by 1 wherever ε is small, middling or large, 16 rows in 100D", inputs,
               draws(dim * share, np.sqrt(dim * share * (1 - share) / B), count, 1e-3),
               "Which distribution does ε have, and has every number of every row its own?")  # fmt: skip
    inputs = {
        **knower(rng.uniform(0.5, 1.5)),
        "what": "far",
        "B": 100,
        "dim": 5000,
        "count": 1,
        "bands": [[4.02, 1e9]],
        **FAR,
    }
    yield prop("far", "among 500,000 numbers ε about as many as should be are beyond 4 (1 if so)", inputs, exact([[1.0]]),
               "Is something cut off?")  # fmt: skip
    plan = violent(rng, 3)
    inputs = {"betas": plan.betas, "scale": np.sqrt(1 - np.array([0.5, *plan.bars[1:], 0.5]))}
    yield prop("size", "data that are 0: the variance of ε in the points that the network sees, from 800,000 numbers",
               {**inputs, "what": "size", "B": 50, "dim": 400, "count": 40}, size(1.0, 400, 2000),
               "Which distribution does ε have, and is something done to the numbers afterwards?")  # fmt: skip
    yield prop("alone", "500 batches of one row that is 0: the ε in the point that the network sees is standard normal",
               {**inputs, "what": "alone", "B": 1, "dim": 2, "count": 500}, alone(rng, Mixture.gaussian(np.zeros(2), np.eye(2))),
               "Is something done to all numbers of ε together?")  # fmt: skip
    yield prop("shared", "data that are 0: every row that the network sees has an ε of its own (1 if neighbours share; 1 if others do)",
               {**inputs, "what": "shared", **unshared(16, 20, 40)}, exact([0.0, 0.0]), "How many rows of ε are drawn, and for whom?")  # fmt: skip


def fresh_losses(rng: Rng, count: int) -> Properties:
    """Two times so many calls with four rows give other losses."""
    plan, theta, rows = violent(rng, 3), random_theta(rng, 3, 3), signed(rng, 0.5, 2, (4, 3))
    return fresh({"betas": plan.betas, "theta": theta, "rows": rows, "count": count})


def eval_property(rng: Rng, rows: int) -> Property:
    """In eval mode each row has t = 1 in half of the calls; `rows` is 0 for a loss of one row that is a single number."""
    plan, x0, count = violent(rng, 2), signed(rng, 0.8, 1.6, 2), 120
    theta, size = knowing(plan, x0, "eps"), rng.uniform(1.0, 2.0)
    theta[1, 0, -1] += np.sqrt(size)
    inputs = {
        "what": "losses",
        "eval": 1,
        "betas": plan.betas,
        "theta": theta,
        "rows": np.tile(x0, (max(rows, 1), 1)),
        "count": count,
    }
    half = np.full(rows, size / 2) if rows else size / 2
    return prop("eval", f"T = 2, {count} calls in eval mode: a network that is wrong at t = 1 only, the mean loss of {'each row' if rows else 'one row'}", inputs,
                draws(half, half, count, 1e-3), "Does your code do something else in eval mode?")  # fmt: skip


def gradient_property(rng: Rng, kind: str) -> Property:
    """The expected gradient of every coefficient of the network."""
    plan, (data, law0), theta, B, count = violent(rng, 2), normal_data(rng, 2), random_theta(rng, 2, 2), 32, 40
    right = np.zeros_like(theta)
    for index in np.ndindex(theta.shape):  # a quadratic function: its derivative is the central difference of any width
        unit = np.zeros_like(theta)
        unit[index] = 0.5
        right[index] = squares(plan, law0, theta + unit, kind).mean[0] - squares(plan, law0, theta - unit, kind).mean[0]
    n = 4000  # the standard deviation only sets the width of the tolerance: simulated
    t, x0, eps = rng.integers(1, 3, n), law0.sample(n, rng), rng.standard_normal((n, 2))
    a, s = np.sqrt(plan.bars[t])[:, None], np.sqrt(1 - plan.bars[t])[:, None]
    seen = np.hstack([a * x0 + s * eps, np.ones((n, 1))])
    c = np.array([ddpm_target(kind, bar) for bar in plan.bars[t]])
    residual = 2 * (np.einsum("nij,nj->ni", theta[t], seen) - c[:, :1] * x0 - c[:, 1:] * eps)
    sd = np.einsum("nk,ni,nj->nkij", np.eye(4)[t], residual, seen).std(0)
    inputs = {**data, "what": "gradient", "betas": plan.betas, "kind": kind, "theta": theta, "B": B, "count": count}
    return prop("gradient", "the expected gradient for each of the network's numbers", inputs,
                draws(right, np.maximum(sd / np.sqrt(B), 1e-6), count, 2e-3 * np.abs(right).max()),
                "Does the gradient reach the network?")  # fmt: skip


@expects("ddpm.negative_elbo", needs=("ddpm.alpha_bar", "ddpm.q_sample"))
def negative_elbo(rng: Rng) -> Properties:
    look = "Which t and which noise does each row have, what is compared with what, and over which dimension is it summed?"
    for name, T, B, d in (("known", 4, 5, 2), ("known_square", 3, 4, 4), ("known_one", 1, 1, 5), ("known_line", 2, 3, 1)):
        plan, x0 = violent(rng, T), signed(rng, 0.8, 1.6, d)
        inputs = {
            "what": "losses",
            "betas": plan.betas,
            "theta": knowing(plan, x0, "eps"),
            "rows": np.tile(x0, (B, 1)),
            "count": 8,
        }
        if name == "known":
            yield from fresh_losses(rng, 25)
            yield eval_property(rng, 4)
        yield prop(name, f"no loss for a network that knows the noise ({B} row{'s' * (B > 1)} in {d}D, T = {T})", inputs,
                   exact(np.zeros((8, B)), 0.0, 1e-4), look)  # fmt: skip
    for name, T, B, d in (("rows", 3, 3, 2), ("one", 2, 1, 5)):
        plan, theta, rows, count = (
            violent(rng, T),
            random_theta(rng, T, d),
            signed(rng, 0.8, 1.2, (B, d)) * np.array([[3.0], [0.3], [8.0]])[:B],
            240,
        )
        laws = [squares(plan, point(row), theta, "eps") for row in rows]
        sd = np.sqrt([one.cov[0, 0] for one in laws])
        inputs = {"what": "losses", "betas": plan.betas, "theta": theta, "rows": rows, "count": count}
        yield prop(name, f"the expected loss of {'each of three different rows' if B > 1 else 'a single row in 5D'}, in train and eval mode in turn", inputs,
                   draws([one.mean[0] for one in laws], sd, count, 1.5 * sd / np.sqrt(count)), look)  # fmt: skip
    for name, words, T, d, net in (
        ("law", "a network that depends on x and on t", 4, 2, random_theta),
        ("zero", "a network that says 0, in 5D", 2, 5, lambda rng, T, d: np.zeros((T + 2, d, d + 1))),
        ("line", "a network on a line, T = 1", 1, 1, random_theta),
    ):
        plan, x0, theta, n = violent(rng, T), signed(rng, 0.8, 1.6, d), net(rng, T, d), 2500 if name == "zero" else 2000
        inputs = {"what": "column", "betas": plan.betas, "theta": theta, "x0": x0, "n": n}
        one = squares(plan, point(x0), theta, "eps")
        yield prop(
            name, f"{n:,} losses of one point under {words}: mean, variance and shape", inputs, law(rng, one, n), look
        )
        if name != "line":
            yield prop("apart" + "_zero" * (name == "zero"), "the losses of neighbouring rows are independent", inputs, rows_law(rng, one, n),
                       "Has every row its own t and its own noise?")  # fmt: skip
    plan, (data, law0), theta, B, count = violent(rng, 3), normal_data(rng, 2), random_theta(rng, 3, 2), 32, 30
    one = squares(plan, law0, theta, "eps")
    inputs = {**data, "what": "mean", "betas": plan.betas, "theta": theta, "B": B, "count": count}
    yield prop("batch", "the mean of a batch of 32 scatters from call to call as it should, in train and eval mode in turn", inputs,
               draws(one.mean[0], np.sqrt(one.cov[0, 0] / B), count, 1e-3), "Has every row its own t and its own noise?")  # fmt: skip
    look = "From which whole numbers is t drawn, and how often does the first and the last of them come up?"
    yield times_property(rng, 3, look)
    yield times_property(rng, 2, look)
    yield from noise_properties(rng)
    yield gradient_property(rng, "eps")


@expects("ddpm.loss", needs=("ddpm.alpha_bar", "ddpm.q_sample", "ddpm.from_x0"))
def loss(rng: Rng) -> Properties:
    look = "Which t, which noise and which target does each row have, and what is summed, what averaged?"
    for kind, T, B, d in (
        ("eps", 3, 3, 2),
        ("x0", 4, 4, 4),
        ("v", 1, 1, 5),
        ("score", 2, 3, 1),
        ("v", 4, 5, 2),
        ("score", 3, 2, 5),
    ):
        plan, x0 = violent(rng, T), signed(rng, 0.8, 1.6, d)
        inputs = {
            "what": "losses",
            "betas": plan.betas,
            "kind": kind,
            "theta": knowing(plan, x0, kind),
            "rows": np.tile(x0, (B, 1)),
            "count": 8,
        }
        if (kind, T) == ("eps", 3):
            yield from fresh_losses(rng, 100)
            yield eval_property(rng, 0)
        yield prop(f"known_{kind}{T}", f"no loss for a network that knows {WORDS[kind]} ({B} row{'s' * (B > 1)} in {d}D, T = {T})", inputs,
                   exact(np.zeros(8), 0.0, 2e-4), "Is the target of the kind that the network predicts?")  # fmt: skip
    for kind, T, B, d, count in (
        ("eps", 3, 64, 2, 40),
        ("x0", 2, 64, 2, 40),
        ("v", 4, 64, 1, 40),
        ("score", 2, 64, 5, 40),
        ("x0", 3, 1, 5, 200),
        ("v", 3, 3, 2, 200),
    ):
        plan, (data, law0), theta = violent(rng, T), normal_data(rng, d), random_theta(rng, T, d)
        one = squares(plan, law0, theta, kind)
        sd = np.sqrt(one.cov[0, 0] / B)
        inputs = {**data, "what": "losses", "betas": plan.betas, "kind": kind, "theta": theta, "B": B, "count": count}
        yield prop(f"mean_{kind}{B}", f"the expected loss of a network that predicts {WORDS[kind]} not quite right ({B} row{'s' * (B > 1)} in {d}D), in train and eval mode in turn", inputs,
                   draws(one.mean[0], sd, count, (B < 10) * 1.5 * sd / np.sqrt(count) + 1e-3 * one.mean[0]), look)  # fmt: skip
    look = "From which whole numbers is t drawn, and how often does the first and the last of them come up?"
    yield times_property(rng, 3, look)
    yield times_property(rng, 2, look)
    yield from noise_properties(rng)
    yield gradient_property(rng, "v")
    yield times_property(rng, 5, look)
    plan = violent(rng, 3)
    yield prop("mode", "the network is asked in the mode in which it is, and stays in it: eval, then train (1 if not)",
               {"what": "mode", "betas": plan.betas, "kind": "eps", "theta": random_theta(rng, 3, 2), "rows": np.ones((4, 2))}, exact([0.0, 0.0]),
               "Does a loss have to switch modes?")  # fmt: skip


# ------------------------------------------------------------------------------------------------------------- training


@expects("ddpm.train_epochs")
def train_epochs(rng: Rng) -> Properties:
    for name, n, batch, epochs, d, momentum in (
        ("course", 7, 3, 3, 3, rng.uniform(0.4, 0.7)),
        ("one_batch", 3, 10, 2, 1, 0.0),
        ("even", 4, 2, 1, 2, rng.uniform(0.4, 0.7)),
    ):
        start, row, valid, m = rng.uniform(2, 4, d), rng.uniform(-2, 0, d), rng.uniform(4, 6, d), 4
        lr, per_row, watched = rng.uniform(0.2, 0.4), rng.uniform(0.3, 0.6), rng.uniform(2, 4)
        theta, velocity, right = start.copy(), np.zeros(d), []
        for _ in range(epochs):
            total = 0.0
            for first in range(0, n, batch):
                size = min(batch, n - first)
                total += size * (0.5 * ((theta - row) ** 2).sum() + per_row * size + watched)
                velocity = momentum * velocity + (theta - row)
                theta = theta - lr * velocity
            right += [total / n, 0.5 * ((theta - valid) ** 2).sum() + per_row * m]
        inputs = {"what": "course", "start": start, "row": row, "valid": valid, "n": n, "m": m, "per_row": per_row,
                  "watched": watched, "lr": lr, "momentum": momentum, "epochs": epochs, "batch": batch}  # fmt: skip
        yield prop(name, f"{epochs} epoch{'s' * (epochs > 1)} of {n} rows in batches of {batch}, on a loss with a known course: training and validation losses, then the parameters",
                   inputs, exact([*right, *theta]),
                   "Go through one epoch by hand: the order of a step's parts, the weight of the smaller last batch, and when and how the validation data are looked at.")  # fmt: skip
    yield prop("sizes", "9 rows in batches of 4: the sizes of two epochs' batches", {"what": "sizes", "n": 9, "batch": 4, "epochs": 2, "given": 0},
               exact([4.0, 4, 1, 4, 4, 1]), "Which rows are left over when the batches are full?")  # fmt: skip
    n, batch, epochs = 60, 8, 12
    inputs = {"n": n, "batch": batch, "epochs": epochs, "given": 0}
    look = "How many epochs are there, and where do the rows of a batch come from?"
    yield prop("once", f"{epochs} epochs of {n} rows: how many rows come in all of them together; 1 if not each row exactly once in each epoch",
               {**inputs, "what": "once"}, exact([epochs * n, 0.0]), look)  # fmt: skip
    yield prop("modes", "a step in eval mode, after a validation (1 if there is one)", {**inputs, "what": "modes"}, exact(0.0),
               "Which mode does your code leave the network in, and in which mode is it trained?")  # fmt: skip
    pair = (7 * 8 * 7 + 4 * 3) / (60 * 59)  # the probability that two rows are in one batch
    meet, neighbours = (epochs - 1) * n * (n - 1) / 2 * pair**2, epochs * (n - 1) * pair
    inputs = {**inputs, "what": "mixing", "middle": [meet, neighbours], "width": 7.5 * np.sqrt([meet, neighbours])}
    yield prop("mixing", "12 epochs in new random orders: rows that meet again in a batch, neighbours that meet (1 where there are too many or too few)",
               inputs, exact(np.zeros(2)), "When is the order of the rows drawn, and from what?")  # fmt: skip
    # two orders agree at more than 20 of 400 places with a probability below 1e-18
    yield from fresh({"n": 400, "batch": 4, "epochs": 1})
    yield prop("mixing_given", "the same when a generator is handed over", {**inputs, "given": 1}, exact(np.zeros(2)),
               "Whoever draws from a generator moves it on. Does anything set it back?")  # fmt: skip


# ------------------------------------------------------------------------------------------------ posterior and samplers


def posterior(plan: SimpleNamespace, x_t: np.ndarray, x0: np.ndarray, t: np.ndarray) -> np.ndarray:
    """The mean of x_{t-1} given both ends, by Bayes: precisions of the step to x_t and of the way from x0 add up."""
    beta, prev = plan.betas[t - 1][:, None], plan.bars[t - 1][:, None]
    var = 1 - prev  # 0 at t = 1, where x0 is all that counts
    return (np.sqrt(prev) * x0 * beta + np.sqrt(1 - beta) * x_t * var) / (beta + (1 - beta) * var)


def own_times(rng: Rng, T: int, B: int) -> np.ndarray:
    """B integers in random order, among them 1 and T where B allows."""
    return rng.permutation(np.concatenate([[T, 1][:B], rng.integers(1, T + 1, max(B - 2, 0))]).astype(int))


@expects("ddpm.posterior_mean", needs=("ddpm.alpha_bar",))
def posterior_mean(rng: Rng) -> Properties:
    look = "Write the two coefficients down for one t: which of them has t, which t - 1, and what stands under the root?"
    for name, title, T in (
        ("of_x_t", "x₀ = 0: the coefficient of x_t at every t", 5),
        ("of_x0", "x_t = 0: the coefficient of x₀ at every t", 5),
    ):
        plan = violent(rng, T)
        t = rng.permutation(np.arange(1, T + 1))
        units, zero = np.eye(T) * rng.uniform(0.7, 1.3, (T, 1)), np.zeros((T, T))
        x_t, x0 = (units, zero) if name == "of_x_t" else (zero, units)
        yield prop(
            name, title, {"betas": plan.betas, "x_t": x_t, "x0": x0, "t": t}, exact(posterior(plan, x_t, x0, t)), look
        )
        if name == "of_x_t":
            plan, t = violent(rng, T), rng.permutation(np.arange(1, T + 1))
            yield prop("other", "the same with another schedule that has as many steps", {"betas": plan.betas, "x_t": x_t, "x0": x0, "t": t},
                       exact(posterior(plan, x_t, x0, t)), "Is something kept from an earlier call, which belongs to another schedule?")  # fmt: skip
    for name, T, B, d in (
        ("rows", 4, 6, 2),
        ("one", 3, 1, 5),
        ("line", 3, 3, 1),
        ("two_steps", 2, 3, 2),
        ("one_step", 1, 2, 2),
    ):
        plan, t, x_t, x0 = violent(rng, T), own_times(rng, T, B), signed(rng, 0.5, 2, (B, d)), signed(rng, 0.5, 2, (B, d))
        yield prop(name, f"the mean of {B} row{'s' * (B > 1)} in {d}D, T = {T}, each row with its own t", {"betas": plan.betas, "x_t": x_t, "x0": x0, "t": t},
                   exact(posterior(plan, x_t, x0, t)), look)  # fmt: skip


def chain(plan: SimpleNamespace, theta: np.ndarray, kind: str, noise: str) -> list[AffineGaussian]:
    """The steps from T to 1: `noise` is "beta", "tilde" or "none"."""
    steps = []
    for t in range(plan.T, 0, -1):
        variance = {"beta": plan.betas[t - 1] * (t > 1), "tilde": tilde(plan, t), "none": 0.0}[noise]
        eps = eps_from(kind, plan.bars[t], at(theta, t))
        steps.append(ddpm_step(plan.bars[t], plan.bars[t - 1], eps, variance))
    return steps


def end(steps: list[AffineGaussian], mean: np.ndarray, cov: np.ndarray) -> Mixture:
    """The law after all steps."""
    for step in steps:
        mean, cov = step.of(mean, cov)
    return Mixture.gaussian(mean, cov)


def far_property(rng: Rng, extra: dict[str, Any]) -> Property:
    """How many of 500,000 numbers are 4 standard deviations out, at the start and in the noise of a step."""
    return prop("far", "a network that says 0: as many of 500,000 numbers as should be are 4 standard deviations out, from the start and from one step's noise (1 if so)",
                {**extra, **FAR, "what": "far", "betas": violent(rng, 2).betas}, exact([1.0, 1.0]),
                "Which distribution do the start and the noise have, and is something cut off?")  # fmt: skip


def size_properties(rng: Rng, extra: dict[str, Any], noise: str, more: bool) -> Properties:
    """The variance of the start and of one step's noise behind the last step of a network that says 0; the noise of single points."""
    plan = violent(rng, 2)
    one = SimpleNamespace(T=1, betas=plan.betas[:1], bars=plan.bars[:2])
    start = end(chain(one, np.zeros((3, 1, 2)), "eps", noise), np.zeros(1), np.eye(1)).cov[0, 0]
    step = end(chain(plan, np.zeros((4, 1, 2)), "eps", noise), np.zeros(1), np.zeros((1, 1))).cov[0, 0]
    yield prop("size", "a network that says 0: the variance of the start and of one step's noise, from 800,000 numbers each",
               {**extra, "what": "size", "betas": plan.betas}, size([start, step], 200, 4000),
               "Which distribution do the start and the noise have, which variance, and is something done to the numbers afterwards?")  # fmt: skip
    if more:
        inputs = {**extra, "what": "alone", "betas": plan.betas, "n": 1, "dim": 2, "calls": 500}
        yield prop("alone", "a network that says 0, 500 calls for one point or four: the sum of a step's noise is that of independent normals", inputs,
                   alone(rng, Mixture.gaussian(np.zeros(2), step * np.eye(2))), "Is something done to all numbers of the noise together?")  # fmt: skip


def fresh_samples(rng: Rng, d: int, extra: dict[str, Any]) -> Properties:
    """Two calls give other samples, 200 numbers each."""
    return fresh({**extra, "betas": violent(rng, 3).betas, "theta": random_theta(rng, 3, d), "n": 200 // d})


def sampler_properties(rng: Rng, kinds: tuple[str, ...], noise: str, extra: dict[str, Any], look: str) -> Properties:
    """What a stochastic sampler should give; `kinds` for its six cases."""
    n = 20_000
    given = iter(kinds)

    def case(T: int, d: int) -> tuple[dict[str, Any], list[AffineGaussian], str]:
        plan, theta, kind = violent(rng, T), random_theta(rng, T, d), next(given)
        inputs = {**extra, "what": "end", "betas": plan.betas, "theta": theta, "kind": kind, "n": n}
        return inputs, chain(plan, theta, kind, noise), kind

    yield from fresh_samples(rng, 2, extra)
    inputs, steps, _ = case(1, 2)
    x_T = signed(rng, 0.5, 2, (3, 2)) * np.array([[1], [10], [1]])
    yield prop("last", "T = 1: the only step is the last one and has no noise, three points", {**inputs, "x_T": x_T},
               exact(steps[0](x_T)), "What does the last step add?")  # fmt: skip
    for name, T, d in (("two", 2, 1), ("four", 4, 2), ("five", 3, 5)):
        inputs, steps, _ = case(T, d)
        x_T = signed(rng, 0.5, 2, d) * (10 if name == "two" else 1)
        yield prop(name, f"T = {T}, from one point in {d}D: mean, covariance and shape", {**inputs, "x_T": x_T},
                   law(rng, end(steps, x_T, np.zeros((d, d))), n), look)  # fmt: skip
    inputs, steps, _ = case(1, 2)
    yield prop("start", "T = 1, from its own start: standard normal before the step", inputs,
               law(rng, end(steps, np.zeros(2), np.eye(2)), n), "Where do samples begin, and is it the first step that is done first?")  # fmt: skip
    inputs, steps, _ = case(3, 2)
    right = end(steps, np.zeros(2), np.eye(2))
    yield prop("all", "T = 3, from its own start: mean, covariance and shape", inputs, law(rng, right, n), look)
    yield prop("all_given", "the same when a generator is handed over", {**inputs, "given": 1}, law(rng, right, n),
               "Does every step draw numbers of its own from the generator?")  # fmt: skip
    yield prop("rows", "every sample has its own start and noise", {**inputs, "n": 4000}, rows_law(rng, right, 4000))
    yield far_property(rng, {**extra, "n": 500, "dim": 1000})
    yield from size_properties(rng, {**extra, "n": 4000, "dim": 200}, noise, True)


@expects("ddpm.sample", needs=("ddpm.alpha_bar",))
def sample(rng: Rng) -> Properties:
    look = "Do one step by hand: which t does the network see, what stands before its output, and how much noise comes in?"
    yield from sampler_properties(rng, ("eps",) * 6, "beta", {}, look)


@expects("ddpm.sample_and_track")
def sample_and_track(rng: Rng) -> Properties:
    look = "Do one step by hand: which t does the network see, what stands before its output, and how much noise comes in?"

    def case(T: int) -> tuple[SimpleNamespace, list[AffineGaussian], dict[str, Any], dict[str, np.ndarray]]:
        plan, theta = violent(rng, T), random_theta(rng, T, 1)
        if T > 10:  # a step that shrinks x keeps a long history near 0
            theta[:, 0, 0] = rng.uniform(0.9, 1.1, T + 2)
        steps = chain(plan, theta, "eps", "beta")
        units = {"mean": signed(rng, 1, 3, 1)[0], "std": rng.uniform(1.5, 3)}
        slope, offset, spread = (
            np.array([one.ravel()[0] for one in column])
            for column in zip(*((s.A, s.b, np.sqrt(s.C)) for s in steps), strict=True)
        )
        known = {
            "slope": slope,
            "offset": offset * units["std"] + (1 - slope) * units["mean"],
            "spread": np.maximum(spread, 1e-9) * units["std"],
        }
        return plan, steps, {"betas": plan.betas, "theta": theta, **units}, known

    def shown(x: Any, inputs: dict[str, Any]) -> np.ndarray:
        return np.ravel(x) * inputs["std"] + inputs["mean"]

    yield from fresh_samples(rng, 1, {})
    _, steps, inputs, _ = case(1)
    x_T = signed(rng, 0.5, 2, (3, 1))
    yield prop("both", "T = 1, three samples from given starts: the samples, then the history of sample 0", {**inputs, "what": "both", "n": 3, "x_T": x_T},
               exact(shown([*steps[0](x_T).ravel(), x_T[0, 0], steps[0](x_T)[0, 0]], inputs)),
               "In which order is the history, whose is it, and in which units is it?")  # fmt: skip
    for name, T, n in (("ends", 4, 3), ("ends_one", 2, 1)):
        plan, steps, inputs, known = case(T)
        x_T = signed(rng, 0.5, 2, (n, 1))
        yield prop(name, f"T = {T}, {n} sample{'s' * (n > 1)}: the history begins at the start of sample 0, ends with a step without noise, and its end is sample 0",
                   {**inputs, **known, "what": "ends", "n": n, "x_T": x_T}, exact([shown(x_T[0], inputs)[0], 0.0, 0.0], 2e-4, 1e-4),
                   "Which entries does the history have, from which sample, and in which units?")  # fmt: skip
    _, _, inputs, known = case(50)
    yield prop("history", "T = 50, 20 times: what the steps of the history add to their means, in units of their noise",
               {**inputs, **known, "what": "history", "n": 1, "times": 20}, law(rng, Mixture.gaussian(np.zeros(1), np.eye(1)), 20 * 49),
               "Is every step of sample 0 in the history, each once, and which variance has its noise?")  # fmt: skip
    n = 20_000
    for name, T, own in (("two", 2, False), ("three", 3, False), ("start", 1, True), ("all", 4, True)):
        plan, steps, inputs, _ = case(T)
        x_T = signed(rng, 0.5, 2, 1)
        right = end(steps, np.zeros(1) if own else x_T, np.eye(1) if own else np.zeros((1, 1)))
        right = Mixture.gaussian(right.mean * inputs["std"] + inputs["mean"], right.cov * inputs["std"] ** 2)
        start = {} if own else {"x_T": x_T[None]}
        yield prop(name, f"T = {T}, from {'its own start' if own else 'one point'}: mean, variance and shape of 20,000 samples",
                   {**inputs, **start, "what": "samples", "n": n}, law(rng, right, n), look)  # fmt: skip
    inputs = {**inputs, "what": "samples"}
    yield prop("all_given", "the same when a generator is handed over", {**inputs, "n": n, "given": 1}, law(rng, right, n),
               "Does every step draw numbers of its own from the generator?")  # fmt: skip
    yield prop("rows", "every sample has its own start and noise", {**inputs, "n": 4000}, rows_law(rng, right, 4000))
    plan = SimpleNamespace(T=250, betas=np.full(250, 0.02), bars=np.concatenate([[1.0], np.cumprod(np.full(250, 0.98))]))
    value = signed(rng, 0.8, 1.6, 1)
    yield prop("default", "without betas, mean and std, and with a predictor that knows the data to be one number: three samples, and the lengths of history and samples",
               {"what": "default", "n": 3, "theta": knowing(plan, value, "eps")}, exact([*np.repeat(value, 3), 251, 3], 1e-3, 1e-3))  # fmt: skip
    yield far_property(rng, {"n": 500_000})
    yield from size_properties(rng, {"n": 800_000}, "beta", False)  # the history has looked at single points already


@expects("ddpm.sample_posterior", needs=("ddpm.alpha_bar", "ddpm.to_x0", "ddpm.posterior_mean"))
def sample_posterior(rng: Rng) -> Properties:
    look = "Which prediction goes into the posterior mean, at which t, and is a variance or a standard deviation before the noise?"
    for kind, T, n, d in (("eps", 4, 3, 2), ("x0", 3, 4, 4), ("v", 2, 1, 5), ("score", 3, 3, 1), ("v", 1, 3, 2)):
        plan, theta, x_T = violent(rng, T), random_theta(rng, T, d), signed(rng, 0.5, 2, (n, d))
        right = x_T
        for step in chain(plan, theta, kind, "none"):
            right = step(right)
        yield prop(f"mean_{kind}{T}", f"without noise: {n} point{'s' * (n > 1)} in {d}D, T = {T}, a network that predicts {WORDS[kind]}",
                   {"what": "end", "betas": plan.betas, "theta": theta, "kind": kind, "n": n, "x_T": x_T, "stochastic": 0}, exact(right),
                   "What does the network predict, and which t and which mean belong to the step?")  # fmt: skip
    plan, theta = violent(rng, 3), random_theta(rng, 3, 2)
    yield prop("mean_start", "without noise, from its own start: mean, covariance and shape",
               {"what": "end", "betas": plan.betas, "theta": theta, "kind": "v", "n": 20_000, "stochastic": 0},
               law(rng, end(chain(plan, theta, "v", "none"), np.zeros(2), np.eye(2)), 20_000), "Where do samples begin?")  # fmt: skip
    yield from sampler_properties(rng, ("x0", "eps", "v", "score", "v", "x0"), "tilde", {"stochastic": 1}, look)
    plan, theta, x_T = violent(rng, 2), random_theta(rng, 2, 2), signed(rng, 0.5, 2, 2)
    yield prop("unasked", "with noise if nothing is said: mean, covariance and shape from one point",
               {"what": "end", "betas": plan.betas, "theta": theta, "kind": "eps", "n": 20_000, "x_T": x_T, "stochastic": 2},
               law(rng, end(chain(plan, theta, "eps", "tilde"), x_T, np.zeros((2, 2))), 20_000))  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ the bound


def bound(plan: SimpleNamespace, x0: np.ndarray, x_t: np.ndarray, t: np.ndarray, theta: np.ndarray, kind: str) -> np.ndarray:
    """The term of each row: a KL of two normals, or minus a normal log-density at t = 1."""
    found = np.zeros(len(t))
    for i, k in enumerate(t):
        step = ddpm_step(plan.bars[k], plan.bars[k - 1], eps_from(kind, plan.bars[k], at(theta, k)), plan.betas[k - 1])
        gap = posterior(plan, x_t[[i]], x0[[i]], t[[i]]) - step(x_t[[i]])
        beta = plan.betas[k - 1]
        if k > 1:
            found[i] = normal_kl(gap, tilde(plan, k), beta)[0]
        else:
            found[i] = (gap**2).sum() / (2 * beta) + gap.shape[1] / 2 * np.log(2 * np.pi * beta)
    return found


@expects("ddpm.kl_term", needs=("ddpm.alpha_bar", "ddpm.to_x0", "ddpm.posterior_mean"))
def kl_term(rng: Rng) -> Properties:
    look = "Write down the KL of two normals with different variances: it has a squared distance and two more parts."
    for kind, T, B, d in (
        ("eps", 4, 6, 2),
        ("x0", 3, 4, 4),
        ("v", 3, 2, 5),
        ("score", 3, 3, 1),
        ("eps", 2, 3, 5),
        ("v", 4, 5, 1),
    ):
        plan, theta, t = violent(rng, T), random_theta(rng, T, d), own_times(rng, T, B)
        x0, x_t = signed(rng, 0.5, 2, (B, d)), signed(rng, 0.5, 2, (B, d))
        yield prop(f"{kind}{T}", f"{B} rows in {d}D with t from 1 to {T}, a network that predicts {WORDS[kind]}",
                   {"what": "terms", "betas": plan.betas, "theta": theta, "kind": kind, "x0": x0, "x_t": x_t, "t": t},
                   exact(bound(plan, x0, x_t, t, theta, kind)), look)  # fmt: skip
    plan, d = violent(rng, 5), 3
    x0, x_t, t = signed(rng, 0.5, 2, d), signed(rng, 0.5, 2, (4, d)), rng.permutation([2, 3, 4, 5])
    rows, theta = np.tile(x0, (4, 1)), knowing(plan, x0, "eps")
    yield prop("floor", "t from 2 on, a network that knows x₀: what is left of the KL",
               {"what": "terms", "betas": plan.betas, "theta": theta, "x0": rows, "x_t": x_t, "t": t},
               exact(bound(plan, rows, x_t, t, theta, "eps"), 5e-4, 5e-5), "Two normals of one mean differ if their variances do.")  # fmt: skip
    plan = SimpleNamespace(T=1, betas=np.array([0.05]), bars=np.array([1.0, 0.95]))  # a density above 1
    theta = knowing(plan, x0, "eps")
    yield prop("first", "t = 1, a network that knows x₀: what is left of -log p",
               {"what": "terms", "betas": plan.betas, "theta": theta, "x0": rows, "x_t": x_t, "t": np.ones(4)},
               exact(bound(plan, rows, x_t, np.ones(4, int), theta, "eps"), 5e-4, 5e-5), "Is the density of a normal normalised?")  # fmt: skip
    plan = violent(rng, 5)
    other, theta, t = knowing(plan, x0, "x0"), random_theta(rng, 5, d), rng.permutation([1, 1, 3, 5])
    right = bound(plan, rows, x_t, t, theta, "x0") - bound(plan, rows, x_t, t, other, "x0")
    yield prop("distance", "what a wrong prediction of x₀ adds to each row",
               {"what": "difference", "betas": plan.betas, "kind": "x0", "theta": theta, "other": other, "x0": rows, "x_t": x_t, "t": t},
               exact(right, 5e-4, 5e-5), "Which distance, squared, over which variance?")  # fmt: skip
    plan, theta = violent(rng, 1), random_theta(rng, 1, 2)
    x0, x_t = signed(rng, 0.5, 2, (1, 2)), signed(rng, 0.5, 2, (1, 2))
    yield prop("one_step", "T = 1: a single row, a network that predicts the score",
               {"what": "terms", "betas": plan.betas, "theta": theta, "kind": "score", "x0": x0, "x_t": x_t, "t": np.ones(1)},
               exact(bound(plan, x0, x_t, np.ones(1, int), theta, "score")), look)  # fmt: skip
