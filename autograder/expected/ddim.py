"""What notebook 06's tasks should give: short, violent schedules, of which some levels are chosen, and affine networks."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np

from autograder.exact import AffineGaussian, Mixture, ddim_step, ddpm_step, gaussian_eps
from autograder.expected import Property, exact, expects, law, prop, rows_law, size, within
from autograder.expected.ddpm_samplers import FAR, signed, violent

Rng = np.random.Generator
Array = np.ndarray
Properties = Iterator[Property]

TILE = {"n": 600, "inner": 20}
ROWS = TILE["n"] * TILE["inner"]
MANY, WIDE = 500, 800  # draws of a mean of so many squares


def times(T: int, n: int) -> Array:
    """The chosen times in the order of sampling, where no T k / n lies in the middle between two whole numbers."""
    shares = T * np.arange(n, 0, -1) / n
    assert unambiguous(T, n), (T, n)
    return np.round(shares).astype(int) - 1


def unambiguous(T: int, n: int) -> bool:
    """Whether the chosen times are the same whichever way halves are rounded."""
    return bool((np.abs(T * np.arange(n, 0, -1) / n % 1 - 0.5) > 1e-6).all())


# ------------------------------------------------------------------------------------------------------- times and sigma


@expects("ddim.timesteps")
def timesteps(rng: Rng) -> Properties:
    look = "Write down k T / n for k = n, ..., 1 and round: which number is first, which is last, and what is subtracted?"
    odd = [(T, n) for T in range(20, 61) for n in range(4, 15) if T % n and unambiguous(T, n)]
    some = [tuple(int(number) for number in odd[k]) for k in rng.choice(len(odd), 3, replace=False)]
    for name, T, n in (
        ("half", 10, 5),
        ("all", 9, 9),
        ("one", 12, 1),
        ("only", 1, 1),
        ("uneven", 11, 7),
        ("thousand", 1000, 50),
        ("awkward", 1000, 7),
        ("every", 1000, 1000),
        *((f"some_{k}", *pair) for k, pair in enumerate(some)),
    ):
        yield prop(
            name,
            f"{n:,} of T = {T:,} times",
            {"what": "times", "T": T, "n": n},
            exact(times(T, n).astype(float), 0.0, 1e-3),
            look,
        )
    T = 120
    counts = [n for n in range(1, T + 1) if unambiguous(T, n)]
    chosen = [times(T, n) for n in counts]
    yield prop("each", f"T = {T} and n = 1, 2, ... {T}, where nothing lies in the middle: for each n how many times, the first, the last, and their sum",
               {"what": "each", "T": T, "counts": counts}, exact([[len(some), some[0], some[-1], some.sum()] for some in chosen], 0.0, 1e-3),
               "Is the number of times always n? A sum of float32 steps may end a little before or behind its end.")  # fmt: skip
    T = int(rng.integers(5, 30))
    yield prop("refuse", f"n = 0, n = T + 1 and n = 2 T of T = {T} times cannot be chosen: a ValueError each (1 if so)",
               {"what": "refuse", "pairs": [[T, 0], [T, T + 1], [T, 2 * T]]}, exact([1.0, 1.0, 1.0]), "What does your code do when there are not so many times?")  # fmt: skip


def level_pairs(rng: Rng, count: int) -> tuple[Array, Array]:
    """Pairs of levels alpha_bar_t < alpha_bar_s < 1, clearly apart."""
    here = rng.uniform(0.05, 0.6, count)
    return here, here + (0.95 - here) * rng.uniform(0.25, 0.85, count)


def noise_sd(eta: Any, here: Any, there: Any) -> Any:
    """Eq. 16."""
    return eta * np.sqrt((1 - there) / (1 - here)) * np.sqrt(1 - here / there)


@expects("ddim.sigma")
def sigma(rng: Rng) -> Properties:
    look = "Which of the two levels stands above the line in each of the two roots, and how does η enter?"
    for name, shape, eta in (
        ("half", (6,), float(rng.uniform(0.3, 0.45))),
        ("more", (2, 3), float(rng.uniform(0.6, 0.8))),
        ("full", (5,), 1.0),
        ("number", (), float(rng.uniform(0.5, 0.7))),
        ("none", (4,), 0.0),
    ):
        here, there = (values.reshape(shape) for values in level_pairs(rng, int(np.prod(shape))))
        yield prop(name, f"σ for η = {eta:.3g}, levels of shape {list(shape)}", {"what": "values", "eta": eta, "here": here, "there": there},
                   exact(noise_sd(eta, here, there)), look)  # fmt: skip
    plan = violent(rng, 6)
    yield prop("ddpm", "neighbouring levels and η = 1: DDPM's noise, the root of the posterior's variance",
               {"what": "values", "eta": 1.0, "here": plan.bars[2:], "there": plan.bars[1:-1]},
               exact(np.sqrt((1 - plan.bars[1:-1]) / (1 - plan.bars[2:]) * plan.betas[1:])), look)  # fmt: skip
    here = rng.uniform(0.1, 0.8, 4)
    yield prop("data", "no noise in the step to the data, whatever η is", {"what": "values", "eta": 0.8, "here": here, "there": np.ones(4)},
               exact(np.zeros(4)), "What is σ where alpha_bar_prev is 1?")  # fmt: skip
    here, there = level_pairs(rng, 4)
    yield prop("kept", "the levels stay as they were", {"what": "kept", "eta": 0.5, "here": here, "there": there}, exact(0.0),
               "Is something changed in place?")  # fmt: skip


# -------------------------------------------------------------------------------------------------------------- one step


def moved(x: Array, eps: Array, here: float, there: float, eta: float = 0.0, noise: Any = 0.0) -> Array:
    """Eq. 12; for eta = 0 upwards, too."""
    sd = noise_sd(eta, here, there) if eta else 0.0
    x0 = (x - np.sqrt(1 - here) * eps) / np.sqrt(here)
    return np.sqrt(there) * x0 + np.sqrt(1 - there - sd**2) * eps + sd * noise


def counted(inputs: dict[str, Any], look: str) -> Properties:
    """480 random numbers around 0 are all different, and some are negative."""
    yield prop("distinct", "of 480 random numbers, 3 in each of 4 rows of 40 batches, hardly any two are of the same size", {**inputs, "what": "distinct"},
               within(477.0, 480.0), look)  # fmt: skip
    yield prop("signs", "some of them are negative, some are positive (1 each if so)", {**inputs, "what": "signs"}, exact([1.0, 1.0]),
               "Which law do the random numbers have?")  # fmt: skip


@expects("ddim.step", needs=("ddim.sigma",))
def step(rng: Rng) -> Properties:
    look = "Do the step by hand: the picture, the direction and the fresh noise, each with its own factor. Which level belongs to which root?"

    def case(
        shape: tuple[int, ...], eta: float, here: float | None = None, there: float | None = None
    ) -> tuple[dict[str, Any], Array]:
        one, two = (float(value[0]) for value in level_pairs(rng, 1))
        here, there = one if here is None else here, two if there is None else there
        x, eps, noise = signed(rng, 0.5, 1.8, shape), signed(rng, 0.3, 1.5, shape), signed(rng, 0.4, 1.6, shape)
        inputs = {"what": "step", "x_t": x, "eps": eps, "here": here, "there": there, "eta": eta}
        return {**inputs, "noise": noise}, moved(x, eps, here, there, eta, noise)

    for name, shape, eta in (
        ("plain", (4, 3, 2, 5), 0.0),
        ("little", (3, 3, 3, 3), float(rng.uniform(0.3, 0.45))),
        ("more", (1, 5), float(rng.uniform(0.6, 0.8))),
        ("full", (3, 1), 1.0),
        ("images", (3, 1, 4, 4), float(rng.uniform(0.45, 0.6))),
    ):
        inputs, right = case(shape, eta)
        yield prop(name, f"a step with η = {eta:.3g} and given noise, x of shape {list(shape)}", inputs, exact(right), look)
    inputs, right = case((3, 2, 3), 1.0, float(rng.uniform(0.01, 0.04)), float(rng.uniform(0.2, 0.3)))
    yield prop("far_down", "a long step with η = 1, which exchanges most of the noise", inputs, exact(right), look)
    inputs, right = case((3, 2, 2), 0.0, float(rng.uniform(1e-4, 2e-4)), float(rng.uniform(3e-4, 6e-4)))
    yield prop("noise_only", f"a step where hardly anything but noise is left, alpha_bar_t = {inputs['here']:.1e}", inputs, exact(right, 1e-3, 2e-3),
               "Is something done to small numbers?")  # fmt: skip
    inputs, right = case((4, 2, 3), 0.0)
    del inputs["eta"], inputs["noise"]
    yield prop("silent", "neither η nor noise given: no noise at all", inputs, exact(right), "What is η if nobody says?")
    for eta in (0.0, 1.0):
        inputs, right = case((3, 1, 2, 4), eta, there=1.0)
        yield prop(
            f"data_{eta:.0f}",
            f"the step to the data, alpha_bar_prev = 1, with η = {eta:g}: no noise",
            inputs,
            exact(right),
            look,
        )
        del inputs["noise"]
        yield prop(
            f"data_{eta:.0f}_own",
            f"the same for η = {eta:g} when no noise is given",
            {**inputs},
            exact(right),
            "How much noise does the last step add?",
        )
    here, there = (float(value[0]) for value in level_pairs(rng, 1))
    inputs, right = case((3, 2, 2, 2), 0.0, there, here)
    yield prop("up", "η = 0 and the second level is the noisier one: a step towards noise", inputs, exact(right),
               "What does your code compute for σ here, although η is 0?")  # fmt: skip
    inputs, right = case((3, 4), 0.0, 1.0, float(rng.uniform(0.3, 0.8)))
    yield prop("up_from_data", "η = 0 and a step from the data, alpha_bar_t = 1, towards noise", inputs, exact(right),
               "What does your code compute for σ here, although η is 0?")  # fmt: skip
    look = "What is the law of the fresh noise, does every number have its own, and what is its standard deviation?"
    for name, eta in (("law", float(rng.uniform(0.5, 0.8))), ("law_full", 1.0)):
        inputs, _ = case((1, 3), eta)
        del inputs["noise"]
        mean, sd = (
            moved(inputs["x_t"], inputs["eps"], inputs["here"], inputs["there"], eta),
            noise_sd(eta, inputs["here"], inputs["there"]),
        )
        right = Mixture.gaussian(mean[0], sd**2 * np.eye(3))
        yield prop(name, f"{ROWS:,} draws from one point with η = {eta:.3g}: mean, covariance and shape", {**inputs, **TILE, "what": "rows"},
                   law(rng, right, ROWS), look)  # fmt: skip
    yield prop(
        "rows", "every row has its own noise", {**inputs, "what": "rows", "n": 2800}, rows_law(rng, right, 2800), look
    )
    zero = {"here": inputs["here"], "there": inputs["there"]}
    lines = {"x_t": np.zeros((1, 20)), "eps": np.zeros((1, 20)), "n": MANY, "inner": WIDE // 20}
    for name, eta in (("size", 1.0), ("size_part", float(rng.uniform(0.4, 0.6)))):
        variance = float(noise_sd(eta, inputs["here"], inputs["there"]) ** 2)
        yield prop(name, f"the variance of the noise, η = {eta:.3g}, from 400,000 numbers", {**zero, **lines, "what": "size", "eta": eta}, size(variance, WIDE, MANY), look)  # fmt: skip
    yield prop("far", "about as many of 500,000 numbers of noise as should be are more than 4 standard deviations out (1 if so)",
               {**zero, **FAR, "x_t": np.zeros((1, 1)), "eps": np.zeros((1, 1)), "n": MANY, "inner": 1000, "what": "far", "eta": 1.0}, exact(1.0), "Which distribution does the noise have, and is something cut off?")  # fmt: skip
    few = {**zero, "x_t": np.zeros((1, 3)), "eps": np.zeros((1, 3)), "n": 40, "inner": 4, "eta": 1.0}
    yield from counted(few, look)
    inputs, _ = case((5, 3), 0.7)
    yield prop("given", "with η > 0 and given noise a second call gives the same (rows that are)", {**inputs, "what": "again"}, exact(5.0),
               "What do you do with the noise that is handed in?")  # fmt: skip
    yield prop("kept", "x_t, eps, the levels and the noise stay as they were", {**inputs, "what": "kept"}, exact(0.0),
               "Is something changed in place?")  # fmt: skip
    del inputs["noise"]
    yield prop("new", "with η > 0 a second call has other noise (rows that are the same)", {**inputs, "what": "again"}, exact(0.0),
               "Where does the noise come from, and is it new in each call?")  # fmt: skip
    yield prop("new_more", "and so has a call with more rows (share of the noise that is the same)",
               {**inputs, "x_t": inputs["x_t"].repeat(8, 0), "eps": inputs["eps"].repeat(8, 0), "what": "more"}, exact(0.0, atol=0.05),
               "Does something begin the random numbers anew in each call?")  # fmt: skip
    inputs, right = case((5, 3), 0.0)
    del inputs["noise"]
    yield prop("same", "with η = 0 a second call gives the same (rows that are)", {**inputs, "what": "again"}, exact(5.0),
               "Is something random although η is 0?")  # fmt: skip


# ------------------------------------------------------------------------------------------------- samplers and way back


def random_theta(rng: Rng, T: int, shape: tuple[int, ...]) -> Array:
    """Factor and offset of an affine network for each t = -1 ... T and number: (T + 2, 2, *shape)."""
    return np.stack([rng.uniform(0.35, 0.95, (T + 2, *shape)), signed(rng, 0.4, 1.2, (T + 2, *shape))], axis=1)


def knowing(plan: SimpleNamespace, mean: Array, sd: Array) -> Array:
    """The exact noise predictor of data of independent normals with these means and standard deviations, (T + 2, 2, d)."""
    rows = []
    for bar in (0.5, *plan.bars[1:], 0.5):
        M, m = gaussian_eps(mean, np.diag(sd**2), np.sqrt(bar), np.sqrt(1 - bar))
        rows.append(np.stack([np.diag(M), m]))
    theta = np.stack(rows)
    theta[[0, -1], 1] += 3
    return theta


def said(theta: Array, x: Array, t: int) -> Array:
    """The network's output at x, t."""
    return theta[t + 1, 0] * x + theta[t + 1, 1]


def levels(plan: SimpleNamespace, steps: int) -> list[tuple[int, float, float]]:
    """(t, alpha_bar_t, alpha_bar of the level after it) for all steps of a sampler."""
    chosen = times(plan.T, steps)
    bars = [*plan.bars[chosen + 1], 1.0]
    return [(int(t), here, there) for t, here, there in zip(chosen, bars[:-1], bars[1:], strict=True)]


def way(plan: SimpleNamespace, theta: Array, x: Array, steps: int, counts: Array | None = None) -> Array:
    """All x of the sampler without noise; counts[k] is added to the network's k-th answer."""
    found = [x]
    for k, (t, here, there) in enumerate(levels(plan, steps)):
        eps = said(theta, found[-1], t) + (0 if counts is None else counts[min(k, len(counts) - 1)])
        found.append(moved(found[-1], eps, here, there))
    return np.stack(found)


def maps(plan: SimpleNamespace, theta: Array, steps: int, eta: float) -> list[AffineGaussian]:
    """The steps of the sampler as random maps of rows of d numbers, theta (T + 2, 2, d)."""
    return [
        ddim_step(here, there, (np.diag(theta[t + 1, 0]), theta[t + 1, 1]), eta) for t, here, there in levels(plan, steps)
    ]


def through(steps: list[AffineGaussian], mean: Array, cov: Array) -> Mixture:
    """The law after all steps."""
    for one in steps:
        mean, cov = one.of(mean, cov)
    return Mixture.gaussian(mean, cov)


def joint(steps: list[AffineGaussian]) -> Mixture:
    """The law of all x of a way on the line, from a standard normal start."""
    means, cov = [0.0], np.eye(1)
    for one in steps:
        A = one.A[0, 0]
        means.append(A * means[-1] + one.b[0])
        cross = A * cov[-1]
        cov = np.block([[cov, cross[:, None]], [cross[None], np.array([[A * cross[-1] + one.C[0, 0]]])]])
    return Mixture.gaussian(np.array(means), cov)


@expects("ddim.sample", needs=("ddim.timesteps", "ddim.sigma", "ddim.step"))
def sample(rng: Rng) -> Properties:
    look = "Do the first and the last step by hand: about which t is the network asked, which level comes after it, and what comes after the last?"

    def case(T: int, steps: int, shape: tuple[int, ...]) -> tuple[SimpleNamespace, dict[str, Any]]:
        plan, theta = violent(rng, T), random_theta(rng, T, shape[1:])
        return plan, {"theta": theta, "bars": plan.bars[1:], "shape": shape, "steps": steps}

    for name, T, steps, shape, what in (
        ("half", 6, 3, (3, 1, 2, 3), "path"),
        ("uneven", 8, 5, (4, 5), "last"),
        ("few", 7, 3, (1, 3, 2, 2), "last"),
        ("square", 10, 5, (3, 3, 3, 3), "path"),
        ("all", 5, 5, (4, 1, 3, 2), "path"),
        ("single", 4, 1, (3, 1), "last"),
        ("only", 1, 1, (2, 3), "path"),
    ):
        (plan, inputs), x_T = case(T, steps, shape), signed(rng, 0.4, 1.6, shape)
        right = way(plan, inputs["theta"], x_T, steps)
        whole = "all x on the way" if what == "path" else "the samples"
        yield prop(name, f"η = 0, {steps} of T = {T} levels, from a given start of shape {list(shape)}: {whole}",
                   {**inputs, "what": what, "x_T": x_T, "eta": 0.0}, exact(right if what == "path" else right[-1], 3e-4, 5e-5), look)  # fmt: skip
    (plan, inputs), x_T = case(7, 3, (4, 2)), signed(rng, 0.4, 1.6, (4, 2))
    yield prop("silent", "η is not mentioned: no noise", {**inputs, "what": "last", "x_T": x_T},
               exact(way(plan, inputs["theta"], x_T, 3)[-1], 3e-4, 5e-5), "What is η if nobody says?")  # fmt: skip
    plan, mean, sd = violent(rng, 8), signed(rng, 0.4, 1.2, 3), rng.uniform(0.4, 0.9, 3)
    inputs = {"theta": knowing(plan, mean, sd), "bars": plan.bars[1:], "shape": (4, 3), "steps": 5}
    yield prop("gaussian", "η = 0 with the exact noise predictor of Gaussian data, 5 of T = 8 levels, point by point",
               {**inputs, "what": "path", "x_T": (x_T := signed(rng, 0.4, 1.6, (4, 3))), "eta": 0.0},
               exact(way(plan, inputs["theta"], x_T, 5), 3e-4, 5e-5), look)  # fmt: skip
    (plan, inputs), x_T, counts = case(6, 3, (3, 2)), signed(rng, 0.4, 1.6, (3, 2)), signed(rng, 0.5, 1.0, 8)
    yield prop("calls", "a network that answers a little differently at each call: one call in each step, for the whole batch",
               {**inputs, "what": "path", "x_T": x_T, "eta": 0.0, "counts": counts}, exact(way(plan, inputs["theta"], x_T, 3, counts), 3e-4, 5e-5),
               "How often is the network asked in one step, and about how many rows?")  # fmt: skip
    look = "Do all steps but the last have fresh noise, with the η that was asked for, and does every number have its own?"
    d, batch = 3, (TILE["n"], TILE["inner"], 3)
    for name, T, steps, eta, own in (
        ("law_start", 5, 1, 0.0, True),
        ("law_part", 6, 3, float(rng.uniform(0.4, 0.7)), False),
        ("law_full", 7, 3, 1.0, False),
        ("law_all", 8, 5, float(rng.uniform(0.7, 0.9)), True),
    ):
        plan, inputs = case(T, steps, (1, 1, d))
        start = {} if own else {"x_T": signed(rng, 0.4, 1.6, (1, 1, d))}
        first = (np.zeros(d), np.eye(d)) if own else (start["x_T"][0, 0], np.zeros((d, d)))
        right = through(maps(plan, inputs["theta"][:, :, 0], steps, eta), *first)
        yield prop(name, f"η = {eta:.3g}, {steps} of T = {T} levels, from {'its own start' if own else 'one point'}: mean, covariance and shape of {ROWS:,} samples",
                   {**inputs, **start, "shape": batch, "what": "rows", "eta": eta}, law(rng, right, ROWS), "Which law has the start?" if eta == 0 else look)  # fmt: skip
    T = 4
    plan, inputs = case(T, T, (1, 1, d))
    predictors = [(np.diag(inputs["theta"][t + 1, 0, 0]), inputs["theta"][t + 1, 1, 0]) for t in range(T)]
    bars, tildes = plan.bars, [(1 - plan.bars[t]) / (1 - plan.bars[t + 1]) * plan.betas[t] for t in range(T)]
    ddpm = [ddpm_step(bars[t + 1], bars[t], predictors[t], float(tildes[t])) for t in reversed(range(T))]
    yield prop("ddpm", f"η = 1 and all of T = {T} levels: DDPM with the posterior's variance, mean, covariance and shape of {ROWS:,} samples",
               {**inputs, "shape": batch, "what": "rows", "eta": 1.0}, law(rng, through(ddpm, np.zeros(d), np.eye(d)), ROWS), look)  # fmt: skip
    plan, inputs = case(8, 5, (1, 1, 1))
    eta = float(rng.uniform(0.6, 0.9))
    yield prop("joint", f"η = {eta:.3g}: start and all x of a way together, {ROWS:,} ways on the line",
               {**inputs, "shape": (*batch[:2], 1), "what": "joint", "eta": eta}, law(rng, joint(maps(plan, inputs["theta"][:, :, 0], 5, eta)[:-1]), ROWS, 48),
               "Is the noise of a step independent of the start and of the noise of the other steps?")  # fmt: skip
    plan, inputs = case(5, 3, (1, 2))
    right = through(maps(plan, inputs["theta"], 3, 1.0), np.zeros(2), np.eye(2))
    yield prop("rows", "every row has its own start and noise", {**inputs, "shape": (2800, 2), "what": "rows", "eta": 1.0}, rows_law(rng, right, 2800),
               look)  # fmt: skip
    plan = violent(rng, 4)
    zero, lines = (
        {"bars": plan.bars[1:], "theta": np.zeros((6, 2, 1, 20))},
        {"what": "size", "shape": (MANY, WIDE // 20, 20)},
    )
    _, here, _ = levels(plan, 1)[0]
    yield prop("size_start", "the variance of the start, from 400,000 numbers", {**zero, **lines, "steps": 1, "eta": 0.0}, size(1 / here, WIDE, MANY), "Where do samples begin?")  # fmt: skip
    _, here, there = levels(plan, 2)[0]
    variance = float(noise_sd(1.0, here, there) ** 2 / there)
    yield prop("size_noise", "the variance of one step's noise, from 400,000 numbers", {**zero, **lines, "steps": 2, "eta": 1.0, "x_T": np.zeros((1, 1, 20))},
               size(variance, WIDE, MANY), look)  # fmt: skip
    for name, given in (
        ("far_start", {"steps": 1, "eta": 0.0}),
        ("far_noise", {"steps": 2, "eta": 1.0, "x_T": np.zeros((1, 1, 1))}),
    ):
        yield prop(name, f"about as many of 500,000 numbers of {name[4:]} as should be are more than 4 standard deviations out (1 if so)",
                   {**zero, **FAR, **given, "theta": np.zeros((6, 2, 1, 1)), "what": "far", "shape": (MANY, 1000, 1)}, exact(1.0), "Which distribution do the random numbers have, and is something cut off?")  # fmt: skip
    yield from counted(
        {**zero, "theta": np.zeros((6, 2, 1, 3)), "shape": (40, 4, 3), "steps": 1, "eta": 0.0},
        "Does every number have its own start?",
    )
    _, inputs = case(6, 3, (5, 2))
    yield prop("kept", "x_T stays as it was", {**inputs, "what": "kept", "eta": 0.5, "x_T": signed(rng, 0.4, 1.6, (5, 2))}, exact(0.0),
               "Is something changed in place?")  # fmt: skip
    yield prop("new", "without x_T a second call has another start (rows that are the same)", {**inputs, "what": "again", "eta": 0.0}, exact(0.0),
               "Is the start new in each call?")  # fmt: skip
    yield prop("same", "with x_T and η = 0 a second call gives the same (rows that are)",
               {**inputs, "what": "again", "eta": 0.0, "x_T": signed(rng, 0.4, 1.6, (5, 2))}, exact(5.0), "Is something random although η is 0?")  # fmt: skip


def back(plan: SimpleNamespace, theta: Array, x: Array, steps: int, rounds: int = 1, counts: Array | None = None) -> Array:
    """The way up; counts as for `way`."""
    calls = 0
    for t, here, there in reversed(levels(plan, steps)):
        x_t = x
        for _ in range(rounds):
            eps = said(theta, x_t, t) + (0 if counts is None else counts[min(calls, len(counts) - 1)])
            x_t, calls = moved(x, eps, there, here), calls + 1
        x = x_t
    return x


@expects("ddim.invert", needs=("ddim.timesteps", "ddim.sigma", "ddim.step"))
def invert(rng: Rng) -> Properties:
    look = "Do the first step up by hand: from which level to which, about which x and at which t is the network asked?"

    def case(T: int, steps: int, shape: tuple[int, ...]) -> tuple[SimpleNamespace, dict[str, Any]]:
        plan, theta = violent(rng, T), random_theta(rng, T, shape[1:])
        return plan, {
            "what": "noise",
            "theta": theta,
            "bars": plan.bars[1:],
            "x": signed(rng, 0.4, 1.6, shape),
            "steps": steps,
        }

    for name, T, steps, shape, rounds in (
        ("half", 6, 3, (3, 1, 2, 3), 1),
        ("uneven", 8, 5, (4, 5), 1),
        ("all", 5, 5, (3, 3, 3, 3), 1),
        ("single", 4, 1, (3, 1), 1),
        ("only", 1, 1, (2, 3), 1),
        ("rounds", 7, 3, (1, 4, 2), 2),
        ("more_rounds", 8, 5, (4, 2), 4),
        ("single_rounds", 3, 1, (3, 2), 3),
    ):
        plan, inputs = case(T, steps, shape)
        right = back(plan, inputs["theta"], inputs["x"], steps, rounds)
        yield prop(name, f"{steps} of T = {T} levels, data of shape {list(shape)}, {rounds} round{'s' * (rounds > 1)}",
                   {**inputs, "rounds": rounds}, exact(right, 3e-4, 5e-5),
                   look if rounds == 1 else "In a second round, about which x is the network asked, and from which x does the step start?")  # fmt: skip
    plan, inputs = case(7, 3, (4, 2))
    yield prop(
        "silent",
        "rounds is not mentioned: one",
        inputs,
        exact(back(plan, inputs["theta"], inputs["x"], 3), 3e-4, 5e-5),
        look,
    )
    plan, mean, sd = violent(rng, 6), signed(rng, 0.4, 1.2, 3), rng.uniform(0.9, 1.3, 3)
    theta, x_T = knowing(plan, mean, sd), signed(rng, 0.4, 1.6, (4, 3))
    data = way(plan, theta, x_T, 6)[-1]
    yield prop("there_and_back", "the exact network of Gaussian data: 40 rounds lead from samples back to the noise that they came from",
               {"what": "noise", "theta": theta, "bars": plan.bars[1:], "x": data, "steps": 6, "rounds": 40}, exact(x_T, 1e-3, 2e-3), look)  # fmt: skip
    for name, rounds in (("calls", 1), ("calls_rounds", 2)):
        (plan, inputs), counts = case(6, 3, (3, 2)), signed(rng, 0.5, 1.0, 12)
        yield prop(name, f"a network that answers a little differently at each call: {rounds} call{'s' * (rounds > 1)} in each step, for the whole batch",
                   {**inputs, "rounds": rounds, "counts": counts}, exact(back(plan, inputs["theta"], inputs["x"], 3, rounds, counts), 3e-4, 5e-5),
                   "How often is the network asked in one step, and about how many rows?")  # fmt: skip
    plan, inputs = case(6, 3, (3, 2))
    yield prop(
        "same",
        "a second call gives the same (rows that differ)",
        {**inputs, "what": "again"},
        exact(0.0),
        "Is something random in it?",
    )
    yield prop(
        "kept",
        "the data and the table stay as they were",
        {**inputs, "what": "kept", "rounds": 2},
        exact(0.0),
        "Is something changed in place?",
    )
