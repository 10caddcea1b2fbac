"""What notebook 04's tasks should give, first half: data, schedules, the forward process, the networks and the conversions."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from scipy.stats import binom, norm

from autograder.exact import Mixture
from autograder.expected import Property, exact, expects, law, prop, rows_law, size, within
from autograder.expected.ddpm_samplers import fresh
from autograder.expected.sampling import RowMean, neighbours, row_means, single_rows
from helpers.probes.ddpm import KINDS, predictor_weights

Rng = np.random.Generator
Array = np.ndarray
Iterates = Iterator[Property]

TABLE = ("ddpm.alpha_bar",)  # DDPM(...) makes its table with it
SHAPES = (("rows", 6, 2), ("square", 4, 4), ("one", 1, 5), ("line", 3, 1), ("wide", 3, 5))


def schedule(rng: Rng, T: int) -> Array:
    """T clearly different betas between 0.1 and 0.7 in random order."""
    return rng.permutation(0.1 + 0.6 * (np.arange(T) + rng.uniform(0.2, 0.8, T)) / T)


def bars(betas: Array) -> Array:
    """alpha_bar_0 ... alpha_bar_T."""
    return np.concatenate([[1.0], np.cumprod(1 - betas)])


def times(rng: Rng, B: int, first: int, T: int) -> Array:
    """B integers that cover first ... T as evenly as they can, both ends included if B >= 2; not in rising or falling order."""
    t = np.round(np.linspace(first, T, B)) if B > 1 else np.array([float(T)])
    while True:
        t = rng.permutation(t)
        if B < 3 or len(np.unique(np.sign(np.diff(t)))) > 1:
            return t


def values(rng: Rng, B: int, d: int) -> Array:
    """Numbers of both signs, 0.5 to 5 from 0."""
    return rng.uniform(0.5, 5.0, (B, d)) * rng.choice([-1.0, 1.0], (B, d))


def words(B: int, d: int) -> str:
    """A batch in words."""
    return f"{B} row{'s' * (B > 1)} in {d}D"


# ------------------------------------------------------------------------------------------------------------ the data

MIXTURE = Mixture(np.array([1 / 3, 2 / 3]), np.array([[-4.0], [4.0]]), np.ones((2, 1, 1)))


@expects("ddpm.mixture")
def mixture(rng: Rng) -> Iterates:
    yield from fresh({"n": 100}, "view")
    # what looks at one call looks at what a choice or a noise shared by all of its rows leaves alone, or always breaks
    yield single_rows(rng, {}, MIXTURE, 1_000)
    yield row_means(rng, {}, MIXTURE, 5, 1_000)
    yield neighbours(rng, {}, MIXTURE, 6_000, "Are the rows in random order, or sorted by component?")
    n, calls, share = 40_000, 3, 2 / 3
    width = 7 * np.sqrt(share * (1 - share) / n)
    yield prop("parts", f"in each of {calls} calls about two thirds of {n:,} numbers are right of 0 (calls where it is not so)",
               {"view": "parts", "n": n, "calls": calls, "low": share - width, "high": share + width}, exact(0.0),
               "Which of the two heaps has twice as many numbers, and who decides for each number?")  # fmt: skip
    n, normal = 30_000, Mixture.gaussian([0.0], [[1.0]])
    yield prop("around", "each heap is normal around its centre, with standard deviation 1",
               {"view": "around", "n": n, "centre": 4.0}, law(rng, normal, n),
               "Where are the two centres, and how wide are the heaps?")  # fmt: skip
    n, calls, look = 4, 500, "Does every row have noise of its own?"
    yield prop("noise_rows", "within the heaps, neighbouring rows are independent of each other",
               {"view": "around", "n": 6_000, "centre": 4.0}, rows_law(rng, normal, 6_000), look)  # fmt: skip
    yield prop("noise_means", f"the mean way of {n} rows from their centres varies between calls as for independent rows",
               {"view": "around_means", "n": n, "calls": calls, "centre": 4.0}, law(rng, RowMean(normal, n), calls),
               look)  # fmt: skip
    n, radius = 80_000, 3.6
    # beyond that distance from its own centre, and not as near to the other one, which is 8 away
    outside = 2 * norm.sf(radius) - (norm.cdf(-8 + radius) - norm.cdf(-8 - radius))
    low, high = binom.ppf([5e-10, 1 - 5e-10], n, outside)
    yield prop("far", f"of {n:,} numbers a few are more than {radius} from both centres, as many as there should be",
               {"view": "far", "n": n, "centre": 4.0, "radius": radius}, within(low, high),
               "Are the numbers that you start from normal, with all their far ends?")  # fmt: skip
    n = 400_000
    yield prop("size", f"the variance of each heap around its centre, from {n:,} numbers", {"view": "size", "n": n, "centre": 4.0},
               size(1.0, 200, n // 200), "How wide are the heaps, and is something done to the numbers that you start from?")  # fmt: skip
    yield prop("type", "the numbers are float32, as a network takes them", {"view": "type", "n": 3}, exact(4.0))


@expects("ddpm.normalize")
def normalize(rng: Rng) -> Iterates:
    for name, N, d in (("columns", 200, 3), ("column", 150, 1)):
        scale, centre = rng.uniform(0.3, 0.6, d) * 3.0 ** rng.permutation(d), rng.uniform(2, 4, d) * rng.choice([-1, 1], d)
        x = centre + scale * rng.exponential(1.0, (N, d))
        low, high = np.stack([x.mean(0), x.std(0)]), np.stack([x.mean(0), x.std(0, ddof=1)])
        slack = 2e-4 * np.abs(high) + 2e-5
        yield prop(name, f"mean and standard deviation of each column of {N} rows in {d}D", {"what": "statistics", "x": x},
                   within(low - slack, high + slack, (2, d)), "Over which axis, and what comes first?")  # fmt: skip
    for what, title in (("normalize", "into the new units"), ("denormalize", "back into the data's units")):
        for name, B, d in SHAPES[:4]:
            x, mean, std = values(rng, B, d), rng.uniform(1, 3, d) * rng.choice([-1, 1], d), rng.uniform(1.6, 3.0, d)
            right = (x - mean) / std if what == "normalize" else x * std + mean
            yield prop(f"{what}_{name}", f"{words(B, d)} {title}", {"what": what, "x": x, "mean": mean, "std": std}, exact(right),
                       "The training data's mean and standard deviation are handed in: in which order do they act?")  # fmt: skip
        x, mean, std = values(rng, 6, 3), rng.uniform(1, 3, 3), rng.uniform(1.6, 3.0, 3)
        inputs = {"what": what, "twice": 1.0, "x": x, "mean": mean, "std": std}
        yield prop(f"{what}_kept", f"{what} leaves the numbers that it was given as they were", inputs, exact(0.0),
                   "Does something change x, mean or std in place?")  # fmt: skip
    scale, other, x = (
        rng.uniform(0.5, 1.5, 2),
        rng.standard_normal((60, 2)),
        rng.uniform(2, 4, 2) + rng.exponential(1.0, (80, 2)),
    )
    low, high = np.stack([x.mean(0), x.std(0)]), np.stack([x.mean(0), x.std(0, ddof=1)])
    yield prop("anew", "the statistics of a second data set are its own", {"what": "statistics", "x": x, "before": scale * other},
               within(low - 1e-3, high + 1e-3, (2, 2)), "Is something kept from an earlier call?")  # fmt: skip
    for what, x in (("normalize", rng.uniform(20, 40, (3, 2))), ("denormalize", rng.uniform(8, 12, (3, 2)))):
        mean, std = rng.uniform(1, 3, 2), rng.uniform(1.6, 3.0, 2)
        x = x * rng.choice([-1, 1], (3, 2))
        yield prop(f"{what}_far", f"{what} with rows that are far out", {"what": what, "x": x, "mean": mean, "std": std},
                   exact((x - mean) / std if what == "normalize" else x * std + mean), "Is something held back?")  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ schedules


@expects("ddpm.betas")
def betas(rng: Rng) -> Iterates:
    def right(name: str, T: int, first: float = 1e-4, last: float = 0.02) -> Array:
        power = 1 if name == "linear" else 2
        return np.linspace(first ** (1 / power), last ** (1 / power), T) ** power

    looks = {
        "constant": "How many numbers are there, and which is each?",
        "linear": "Is the first number `first`, the last `last`, and is the way between them even?",
        "quadratic": "What is evenly spaced here: the betas or their square roots? And where do they begin and end?",
    }
    for T in (1, 2, 5):
        beta = rng.uniform(0.1, 0.6)
        yield prop(f"constant_{T}", f"a constant schedule with T = {T}", {"schedule": "constant", "T": T, "beta": beta},
                   exact(np.full(T, beta)), looks["constant"])  # fmt: skip
    yield prop("constant", "the constant schedule with its default, T = 30", {"schedule": "constant", "T": 30},
               exact(np.full(30, 0.02), atol=1e-6), looks["constant"])  # fmt: skip
    for name in ("linear", "quadratic"):
        for T in (1, 2, 5):
            first, last = rng.uniform(0.05, 0.2), rng.uniform(0.4, 0.8)
            yield prop(f"{name}_{T}", f"a {name} schedule with T = {T}",
                       {"schedule": name, "T": T, "first": first, "last": last}, exact(right(name, T, first, last)),
                       looks[name])  # fmt: skip
        yield prop(name, f"the {name} schedule with its defaults, T = 40", {"schedule": name, "T": 40},
                   exact(right(name, 40), atol=1e-6), looks[name])  # fmt: skip
    yield prop("types", "all three give float32 numbers, as a network takes them", {"schedule": "types", "T": 4},
               exact([4.0] * 3))  # fmt: skip
    for name in ("linear", "quadratic"):
        first, last = rng.uniform(0.4, 0.8), rng.uniform(0.05, 0.2)
        yield prop(f"{name}_falling", f"a {name} schedule that falls from first to last, T = 4", {"schedule": name, "T": 4, "first": first, "last": last},
                   exact(right(name, 4, first, last)), looks[name])  # fmt: skip


@expects("ddpm.cosine_betas")
def cosine_betas(rng: Rng) -> Iterates:
    def right(T: int, s: float = 0.008, largest: float = 0.999) -> Array:
        f = np.cos((np.arange(T + 1) / T + s) / (1 + s) * np.pi / 2) ** 2
        return np.minimum(1 - f[1:] / f[:-1], largest)

    look = "Write down f(0) ... f(T) and which quotient of neighbours belongs to the first and to the last beta."
    for T in (1, 2, 5):
        s, largest = rng.uniform(0.1, 0.4), rng.uniform(0.9, 0.98)
        yield prop(f"steps_{T}", f"T = {T}, with an s of its own", {"what": "all", "T": T, "s": s, "largest": largest},
                   exact(right(T, s, largest)), look)  # fmt: skip
    s, largest = rng.uniform(0.02, 0.1), rng.uniform(0.25, 0.45)
    yield prop("largest", "T = 7 with a small `largest`, which holds back several betas",
               {"what": "all", "T": 7, "s": s, "largest": largest}, exact(right(7, s, largest)),
               "Which numbers may not exceed `largest`? The others stay as they are.")  # fmt: skip
    yield prop("defaults", "T = 20 with the defaults", {"what": "all", "T": 20}, exact(right(20)), look)
    T = int(rng.integers(900, 1100))
    long = right(T)
    yield prop("ends", "of about a thousand betas: how many there are, the first four and the last four", {"what": "ends", "T": T},
               exact([T, *long[:4], *long[-4:]], atol=4e-6), "The first betas are tiny. Is something in their way?")  # fmt: skip
    yield prop("type", "the numbers are float32, as a network takes them", {"what": "type", "T": 4}, exact(4.0))


@expects("ddpm.alpha_bar")
def alpha_bar(rng: Rng) -> Iterates:
    for T in (1, 2, 5, 12):
        b = schedule(rng, T)
        yield prop(f"steps_{T}", f"the table for T = {T}, from index 0 to index {T}", {"what": "table", "betas": b},
                   exact(bars(b), 2e-5, 1e-6), "What stands at index 0, before any noise, and what at index 1?")  # fmt: skip
    thin = np.linspace(1e-4, 0.02, 60) * rng.uniform(0.8, 1.2)
    yield prop("small", "small betas, T = 60", {"what": "table", "betas": thin}, exact(bars(thin), 2e-5, 1e-6),
               "A product, not an approximation of it, index by index.")  # fmt: skip
    strong = np.float32(rng.permutation(0.4 + 0.4 * (np.arange(20) + rng.uniform(0.2, 0.8, 20)) / 20)).astype(float)
    yield prop("strong", f"large betas, T = 20: the last number of the table is {bars(strong)[-1]:.0e}, all to a thousandth of their own size",
               {"what": "table", "betas": strong}, exact(bars(strong), 1e-3, 1e-14), "Is anything done to small numbers?")  # fmt: skip
    yield prop("type", "numbers of the same type as betas (bytes of each, for float32 and for float64), and betas left as they were",
               {"what": "type", "betas": thin[:5]}, exact([4.0, 8.0, 0.0]), "Which type does the tensor have that you begin with?")  # fmt: skip


# ---------------------------------------------------------------------------------------------------- the forward process


def forward_cases(rng: Rng, x: str, first: int) -> Iterator[tuple[str, str, dict[str, Array]]]:
    """Name, title and inputs: odd shapes, every t, T = 1 and 2, small betas, and the same once more."""
    for (name, B, d), T in zip(SHAPES, (5, 4, 1, 2, 3), strict=True):
        t = times(rng, B, first, T)
        inputs = {"betas": schedule(rng, T), x: values(rng, B, d), "t": t, "noise": values(rng, B, d)}
        yield name, f"{words(B, d)}, each with its own t, T = {T}", inputs
        if name == "rows":
            inputs = {**inputs, "betas": schedule(rng, T), "t": times(rng, B, first, T)}
            yield "other", f"the same rows with another schedule that has as many steps, T = {T}", inputs
    inputs = {"betas": np.linspace(1e-3, 0.02, 40), x: values(rng, 9, 2), "t": times(rng, 9, first, 40)}
    yield "small", "small betas, T = 40", {**inputs, "noise": values(rng, 9, 2)}
    B = 6
    inputs = {"betas": schedule(rng, 3), x: values(rng, B, 2), "t": times(rng, B, first, 3), "noise": values(rng, B, 2)}
    yield "again", "the same again at a second call; inputs and tables stay as they were", {**inputs, "twice": np.ones(1)}


@expects("ddpm.one_step", needs=TABLE)
def one_step(rng: Rng) -> Iterates:
    look = "One step keeps a share of the old variance and adds beta_t of noise. Each row has its own t."
    for name, title, inputs in forward_cases(rng, "x_prev", 1):
        beta = inputs["betas"][inputs["t"].astype(int) - 1][:, None]
        right = np.sqrt(1 - beta) * inputs["x_prev"] + np.sqrt(beta) * inputs["noise"]
        yield prop(name, title, inputs, exact([0, 0] if name == "again" else right), look)


@expects("ddpm.q_sample", needs=TABLE)
def q_sample(rng: Rng) -> Iterates:
    look = "Which table tells what is left of x_0 after t steps, and what share of the variance is noise? Each row has its own t."
    for name, title, inputs in forward_cases(rng, "x0", 0):
        bar = bars(inputs["betas"])[inputs["t"].astype(int)][:, None]
        right = np.sqrt(bar) * inputs["x0"] + np.sqrt(1 - bar) * inputs["noise"]
        yield prop(name, title, inputs, exact([0, 0] if name == "again" else right), look)
    T = int(rng.integers(2, 5))
    for name, t in (("start", 0), ("end", T)):
        b, x0, noise = schedule(rng, T), values(rng, 1, 3), values(rng, 1, 3)
        bar = bars(b)[t]
        yield prop(name, f"one row at t = {'0' if t == 0 else 'T'}", {"betas": b, "x0": x0, "t": np.array([t]), "noise": noise},
                   exact(np.sqrt(bar) * x0 + np.sqrt(1 - bar) * noise), look)  # fmt: skip


# --------------------------------------------------------------------------------------------------------- the networks


def predictor(numbers: Array, x: Array, t: Array) -> Array:
    """The exercise's network on x (B, 1) and t (B,)."""
    w = predictor_weights(numbers)
    hidden = np.tanh(np.outer(x[:, 0], w["x"]) + np.outer(t, w["t"]) + w["bias"])
    return (np.tanh(hidden @ w["middle"] + w["bias"]) @ w["last"] + w["last_bias"])[:, None]


@expects("ddpm.noise_predictor")
def noise_predictor(rng: Rng) -> Iterates:
    def case(what: str, B: int, T: int) -> tuple[dict, Array]:
        while True:
            numbers = np.float32(rng.uniform(0.2, 1.2, 89) * rng.choice([-1.0, 1.0], 89)).astype(float)
            x, t = np.float32(values(rng, B, 1)).astype(float), times(rng, B, 1, T)
            out = predictor(numbers, x, t)
            if np.abs(out).max() > 3:  # beyond what a tanh at the end could give
                return {"what": what, "numbers": numbers, "x": x, "t": t}, out

    inputs, _ = case("count", 3, 9)
    yield prop("count", "the network learns as many numbers as 2 -> 128 -> 128 -> 1 has", inputs, exact(17_025.0),
               "Count the layers, and what each takes in and gives out. Is there one too many or too few?")  # fmt: skip
    for name, B, T in (("batch", 10, 250), ("one", 1, 30), ("three", 3, 4)):
        inputs, out = case("out", B, T)
        yield prop(name, f"with given weights, its answers for {words(B, 1)}, t up to {T}, are right", inputs,
                   exact(out, atol=2e-4), "Which function follows which layer, and in what form does t go in?")  # fmt: skip
    inputs, _ = case("again", 5, 40)
    yield prop("again", "asked twice it answers the same, and x and t stay as they were", inputs, exact([1.0, 0.0]),
               "What in your network is random, or changes its inputs?")  # fmt: skip
    inputs, _ = case("grad", 6, 90)
    yield prop("grad", "all weights and biases get gradients", inputs, exact(1.0),
               "Which layer has no part in the result, or is cut off from it?")  # fmt: skip
    inputs, _ = case("fresh", 3, 9)
    yield prop("fresh", "in a fresh network the units of a layer differ", inputs, exact([1.0, 1.0]),
               "Units that start equal stay equal: what do your weights start as?")  # fmt: skip
    inputs, _ = case("own", 3, 9)
    yield prop("own", "x gets a gradient too, and two networks have no weights in common (1 if not)", inputs, exact([0.0, 0.0]),
               "Is x cut off on its way in? When is each layer made?")  # fmt: skip


@expects("ddpm.time_features")
def time_features(rng: Rng) -> Iterates:
    def right(t: Array, T: int, rates: Array) -> Array:
        angle = 2 * np.pi * np.outer(t / T, rates)
        return np.hstack([np.sin(angle), np.cos(angle)])

    look = "The angle is a full turn times the rate times the part of the way t / T; all sines come before all cosines."
    for name, B, T, K in (("rows", 6, 9, 3), ("square", 3, 7, 3), ("one", 1, 1, 1), ("long", 5, 1000, 2)):
        t, rates = (
            times(rng, B, 0, T),
            np.float32(rng.permutation(0.3 + np.arange(K) + rng.uniform(0, 0.5, K))).astype(float),
        )
        yield prop(name, f"{B} time{'s' * (B > 1)} and {K} rate{'s' * (K > 1)} of their own, T = {T}",
                   {"what": "out", "t": t, "T": T, "rates": rates}, exact(right(t, T, rates)), look)  # fmt: skip
    t = times(rng, 5, 0, 11)
    yield prop("defaults", "5 times with the default rates, T = 11", {"what": "out", "t": t, "T": 11},
               exact(right(t, 11, np.array([0.5, 1, 2, 4]))), look)  # fmt: skip
    yield prop("type", "float32 numbers, as a network takes them, and t left as it was", {"what": "type", "t": t, "T": 11},
               exact([4.0, 0.0]), "Which type do your numbers get?")  # fmt: skip


# ------------------------------------------------------------------------------------------------------ the conversions


def from_x0_numbers(kind: str, x0: Array, x_t: Array, bar: Array) -> Array:
    """What a network of this kind says at x_t if x_0 were x0."""
    a, s = np.sqrt(bar)[:, None], np.sqrt(1 - bar)[:, None]
    eps = (x_t - a * x0) / s
    return {"eps": eps, "x0": x0, "v": a * eps - s * x0, "score": -eps / s}[kind]


def to_x0_numbers(kind: str, out: Array, x_t: Array, bar: Array) -> Array:
    """The x_0 that belongs to this prediction at x_t; from `out` = slope x_0 + rest, solved for x_0."""
    rest = from_x0_numbers(kind, np.zeros_like(x_t), x_t, bar)
    slope = from_x0_numbers(kind, np.ones_like(x_t), x_t, bar) - rest
    return (out - rest) / slope


def conversions(rng: Rng, given: str, formula) -> Iterates:
    """Each kind for several rows, and all kinds together for odd shapes, small betas and a second call."""
    look = (
        "Write x_t as sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps and solve for what is asked; each row has its own t."
    )

    def case(B: int, d: int, b: Array) -> dict:
        return {"betas": b, given: values(rng, B, d), "x_t": values(rng, B, d), "t": times(rng, B, 1, len(b))}

    def right(kind: str, inputs: dict) -> Array:
        return formula(kind, inputs[given], inputs["x_t"], bars(inputs["betas"])[inputs["t"].astype(int)])

    for kind in KINDS:
        for (name, B, d), T in zip(SHAPES[:2], (6, 5), strict=True):
            inputs = case(B, d, schedule(rng, T))
            yield prop(f"{kind}_{name}", f'"{kind}": {words(B, d)}, each with its own t from 1 to T = {T}',
                       {**inputs, "kind": kind}, exact(right(kind, inputs)), look)  # fmt: skip
    rest = [(name, B, d, f"T = {T}", schedule(rng, T)) for (name, B, d), T in zip(SHAPES[2:], (1, 2, 3), strict=True)]
    rest.append(("small", 4, 2, "with small betas", rng.uniform(4e-3, 9e-3) * np.arange(1, 5)))
    for name, B, d, title, b in rest:
        inputs = case(B, d, b)
        everything = np.concatenate([right(kind, inputs) for kind in KINDS])
        yield prop(name, f"all four kinds: {words(B, d)}, {title}", {**inputs, "kind": "every"}, exact(everything), look)
    inputs = {**case(5, 2, schedule(rng, 4)), "kind": "every", "twice": 1.0}
    yield prop("again", "all four kinds: the same again at a second call; inputs and tables stay as they were", inputs,
               exact(np.zeros(8)), "Is something random, or changed in place?")  # fmt: skip


@expects("ddpm.to_x0", needs=TABLE)
def to_x0(rng: Rng) -> Iterates:
    yield from conversions(rng, "out", to_x0_numbers)


@expects("ddpm.from_x0", needs=TABLE)
def from_x0(rng: Rng) -> Iterates:
    yield from conversions(rng, "x0", from_x0_numbers)


@expects("ddpm.broadcast")
def broadcast(rng: Rng) -> Iterates:
    def right(p: Array, n: Array) -> float:
        return float(((p[:, None] - n) ** 2).mean())

    look = "Multiply out the square of every pair: which of the three sums fall apart into sums over one index?"
    for B in (1, 3, 40):
        p, n = rng.uniform(0.5, 3, B), rng.uniform(-3, -0.5, B) * rng.choice([-1, 1], B)
        if B > 1:  # a clear correlation, which the paired loss would see
            p = p + 0.8 * n
        yield prop(f"rows_{B}", f"the mean over all {B * B} pair{'s' * (B > 1)} of {B} and {B} numbers",
                   {"predicted": p, "noise": n}, exact(right(p, n)), look)  # fmt: skip
    p, n, B = rng.uniform(-1, 2, 3), rng.uniform(-2, 1, 3), 6_000_000
    yield prop("many", "six million numbers each, whose square would fit into no memory",
               {"predicted": p, "noise": n, "repeats": B // 3}, exact(right(p, n), 1e-3, 1e-4),
               "Is there a table of all pairs somewhere?")  # fmt: skip
