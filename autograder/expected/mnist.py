"""What notebook 05's tasks on data and process should give: tiny images, short and violent schedules, t = 0 ... T - 1."""

from __future__ import annotations

from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import numpy as np
from scipy.special import ndtr

from autograder.exact import Mixture, UniformCells, ddpm_target
from autograder.expected import Property, alone, draws, exact, expects, law, prop, rows_law, size, unshared, within
from autograder.expected.ddpm_samplers import FAR, WORDS, signed, violent

Rng = np.random.Generator
Array = np.ndarray
Properties = Iterator[Property]
Shape = tuple[int, int, int]

SHAPES: tuple[tuple[str, int, Shape], ...] = (
    ("four", 4, (3, 2, 5)),
    ("equal", 3, (3, 3, 3)),  # every wrong broadcast goes through here
    ("one", 1, (1, 4, 2)),
    ("three", 3, (1, 8, 3)),
    ("colour", 5, (3, 2, 2)),
)


def words(B: int, shape: Shape) -> str:
    """A batch in words."""
    C, H, W = shape
    return f"{B} image{'s' * (B > 1)} of {C} channel{'s' * (C > 1)}, {H} x {W}"


def own_times(rng: Rng, T: int, B: int) -> Array:
    """B whole numbers in random order, among them T - 1, 0 and 1 where B and T allow."""
    ends = [T - 1, 0, min(1, T - 1)][:B]
    return rng.permutation(np.concatenate([ends, rng.integers(0, T, max(B - 3, 0))]).astype(int))


def column(values: Array) -> Array:
    """(B,) as (B, 1, 1, 1)."""
    return np.asarray(values)[:, None, None, None]


TILES = {"n": 800, "tiles": [5, 3]}  # 15 times the same small image in a larger one: many rows from few images
ROWS = 12_000


# ------------------------------------------------------------------------------------------------------------ the data


@expects("mnist.dequantise")
def dequantise(rng: Rng) -> Properties:
    k = np.arange(256.0).reshape(16, 16)
    yield prop("levels", "each of the 256 grey levels stays in its own 256th of [0, 1]", {"what": "levels"},
               within(k / 256 - 1e-6, (k + 1) / 256 + 1e-6, (16, 16)),
               "In which piece of [0, 1] does level k end up, for k = 0 and for k = 255?")  # fmt: skip
    yield prop("generator", "a generator decides about the numbers: equal seeds give equal ones, and it goes on from call to call",
               {"what": "generator", "pixels": rng.integers(0, 256, (5, 3)).astype(float)}, exact([1.0, 0.0]), "What do you do with the generator that is handed in?")  # fmt: skip
    n = 8000
    pixels = rng.permutation([0, 255, int(rng.integers(20, 120)), int(rng.integers(130, 240))]).astype(float)
    inputs = {"what": "rows", "n": n, "pixels": pixels.reshape(1, 2, 2)}
    unit = UniformCells(np.zeros((1, 4)), np.ones((1, 4)))
    yield prop("uniform", f"{n:,} images of four grey levels, with 0 and 255 among them: the shares u of the pixels are uniform on [0, 1) and independent",
               inputs, law(rng, unit, n, 40), "Which law has u, and does every pixel have its own?")  # fmt: skip
    yield prop("rows", "neighbouring images have independent u", {**inputs, "n": 4000}, rows_law(rng, unit, 4000),
               "Does every image have its own u?")  # fmt: skip
    inputs = {**inputs, "what": "calls", "n": 600}
    yield prop("calls", "600 calls with one image each: u is uniform and new in every call", inputs, law(rng, unit, 600))
    count, width = 4 * 20_000, 0.02
    slack = 7 * np.sqrt(count * width * (1 - width))
    yield prop("ends", f"of {count:,} values of u about as many as should be are below {width}, and above {1 - width}",
               {"what": "ends", "n": count // 4, "width": width, "pixels": np.array([0.0, 80, 160, 255])},
               within(count * width - slack, count * width + slack, (2,)), "Does u reach both ends of [0, 1)?")  # fmt: skip
    yield prop("bottom", "none of 4,000 black pixels leaves the lowest 256th of [0, 1] (1 if one does)",
               {"what": "bottom", "n": 4000, "pixels": np.zeros((1, 1, 1))}, exact(0.0), "How wide is the piece that a grey level has for itself?")  # fmt: skip
    yield prop("distinct", "among 4,000 values of u for level 0 hardly any come twice",
               {"what": "distinct", "n": 4000, "pixels": np.zeros((1, 1, 1))}, within([3900], [4000], (1,)),
               "How many different values can your u take?")  # fmt: skip
    for name, shape in (("line", (7,)), ("cube", (2, 3, 1, 5)), ("number", ())):
        pixels = rng.integers(0, 256, shape).astype(float)
        yield prop(f"shape_{name}", f"pixels of shape {list(shape)} give numbers of this shape", {"what": "shape", "pixels": np.asarray(pixels)},
                   exact([float(side) for side in shape]))  # fmt: skip
    pixels = rng.integers(0, 256, (5, 3)).astype(float)
    yield prop(
        "kept",
        "the numbers are float32, and the pixels stay as they were",
        {"what": "kept", "pixels": pixels},
        exact([4.0, 0.0]),
    )


@expects("mnist.scale")
def scale(rng: Rng) -> Properties:
    def inside(shape: tuple[int, ...]) -> Array:
        x = rng.uniform(0.02, 0.98, shape)
        x.ravel()[: min(x.size, 2)] = [0.0, 1.0][: min(x.size, 2)]
        return x

    for name, shape in (("images", (3, 1, 4, 2)), ("line", (5,)), ("narrow", (2, 3))):
        x = inside(shape)
        if name == "narrow":  # a dark picture is a dark picture
            x = 0.2 + 0.3 * rng.uniform(0, 1, shape)
        yield prop(f"model_{name}", f"to_model on numbers of shape {list(shape)}", {"what": "to_model", "x": x}, exact(2 * x - 1),
                   "Where should 0 and 1 go, and one half?")  # fmt: skip
        yield prop(f"display_{name}", f"to_display on numbers of shape {list(shape)}, all of them in [-1, 1]",
                   {"what": "to_display", "x": 2 * x - 1}, exact(x), "Where should -1 and 1 go, and 0?")  # fmt: skip
    x = inside((2, 3, 2, 2))
    yield prop("inverse", "there and back again: the same numbers as before", {"what": "both", "x": x}, exact(x),
               "Does one map undo the other?")  # fmt: skip
    x = signed(rng, 0.2, 1.8, (3, 1, 3, 3))
    x.ravel()[:4] = [-1.6, 1.7, -1.0, 1.0]
    yield prop("outside", "to_display on numbers of which some lie outside of [-1, 1]", {"what": "to_display", "x": x},
               exact(np.clip((x + 1) / 2, 0, 1)), "What becomes of the numbers outside, on both sides, and do the others stay as they are?")  # fmt: skip
    x = np.asarray(rng.uniform(0.2, 0.4))
    yield prop("number", "a tensor without dimensions", {"what": "both", "x": x}, exact(x))
    yield prop("kept", "both maps leave the numbers that they were given as they were", {"what": "kept", "x": signed(rng, 0.2, 1.8, (2, 3))},
               exact(0.0), "Does something change x in place?")  # fmt: skip


def right_betas(schedule: str, T: int) -> Array:
    """The three schedules."""
    if schedule == "cosine":
        f = np.cos((np.arange(T + 1) / T + 0.008) / 1.008 * np.pi / 2) ** 2
        return np.minimum(1 - f[1:] / f[:-1], 0.999)
    power = {"linear": 1, "quadratic": 2}[schedule]
    return np.linspace(1e-4 ** (1 / power), 0.02 ** (1 / power), T) ** power


@expects("mnist.betas")
def betas(rng: Rng) -> Properties:
    looks = {
        "linear": "Which are the first and the last number, and is the way between them even?",
        "quadratic": "What is evenly spaced here: the betas or their square roots? And where do they begin and end?",
        "cosine": "Write down f(0) ... f(T), and which two of them belong to the first and to the last beta.",
    }
    for schedule, look in looks.items():
        atol = 4e-6 if schedule == "cosine" else 1e-6
        for T in (2, 5, 10, int(rng.integers(20, 40))):
            yield prop(f"{schedule}_{T if T <= 10 else 'some'}", f"the {schedule} schedule, T = {T}", {"what": "all", "schedule": schedule, "T": T},
                       exact(right_betas(schedule, T), atol=atol), look)  # fmt: skip
        long = right_betas(schedule, 1000)
        pieces = long.reshape(-1, 25).sum(1)
        yield prop(f"{schedule}_1000", f"the {schedule} schedule, T = 1000: how many, the first and the last four, and the sums of 25 at a time",
                   {"what": "pieces", "schedule": schedule, "T": 1000}, exact([1000, *long[:4], *long[-4:], *pieces], atol=atol), look)  # fmt: skip
    for name in ("exponential", "cos", ""):
        yield prop(f"unknown_{name or 'empty'}", f'"{name}" is no schedule: a ValueError (1 if so)', {"what": "unknown", "schedule": name, "T": 5},
                   exact(1.0), "What does your code do with a name that it does not know?")  # fmt: skip


# ---------------------------------------------------------------------------------------------------------- the process


@expects("mnist.add_noise")
def add_noise(rng: Rng) -> Properties:
    look = "Which table belongs to all the steps up to t, and what is its share of the variance? Each image has its own t."

    def case(T: int, B: int, shape: Shape) -> dict[str, Any]:
        plan, t = violent(rng, T), own_times(rng, T, B)
        bar = plan.bars[t + 1]
        return {
            "betas": plan.betas,
            "x": signed(rng, 0.3, 2, (B, *shape)),
            "t": t,
            "signal": np.sqrt(bar),
            "spread": np.sqrt(1 - bar),
        }

    for (name, B, shape), T in zip(SHAPES, (5, 3, 2, 4, 1), strict=True):
        yield prop(name, f"nothing is left of {words(B, shape)}, each with its own t, T = {T}, when x_0 and noise are taken out in their shares",
                   {**case(T, B, shape), "what": "rest"}, exact(np.zeros(B), 0.0, 5e-5), look)  # fmt: skip
    inputs = {**case(6, 5, (1, 4, 7)), "what": "rest", "tiles": np.array([7, 4])}
    yield prop("digits", "nothing is left of five images of 28 x 28 either", inputs, exact(np.zeros(5), 0.0, 5e-5), look)
    plan, shape = violent(rng, 4), (2, 1, 2)
    x = signed(rng, 1.0, 2.0, (1, *shape))
    flat, eye = x.ravel(), np.eye(4)
    for name, title, t in (
        ("first", "t = 0", np.array([0])),
        ("second", "t = 1", np.array([1])),
        ("last", "t = T - 1", np.array([3])),
        ("mixed", "all t in one batch", rng.permutation(4)),
    ):
        a, s = np.sqrt(plan.bars[t + 1]), np.sqrt(1 - plan.bars[t + 1])
        both = Mixture(np.full(len(t), 1 / len(t)), a[:, None] * flat, (1 + s)[:, None, None] ** 2 * eye)
        yield prop(name, f"noisy + noise, for one image at {title}, T = 4, has the right mean, spread and shape",
                   {"betas": plan.betas, **TILES, "what": "sum", "x": x, "t": t}, law(rng, both, ROWS), look)  # fmt: skip
    normal = Mixture.gaussian(np.zeros(12), np.eye(12))
    inputs = {"betas": plan.betas, "x": signed(rng, 0.3, 2, (1, 3, 2, 2)), "t": rng.permutation(4)}
    look = "Does every image, channel and pixel have its own standard normal number?"
    yield prop("noise", "the noise is standard normal and independent from channel to channel and pixel to pixel", {**inputs, "what": "noise", "n": 2800},
               law(rng, normal, 2800, 48), look)  # fmt: skip
    yield prop(
        "rows",
        "neighbouring images have independent noise",
        {**inputs, "what": "noise", "n": 2800},
        rows_law(rng, normal, 2800),
        look,
    )
    one = {"betas": plan.betas, "x": signed(rng, 0.3, 2, (1, 1, 2, 2)), "t": np.array([2]), "what": "calls", "n": 500}
    yield prop("calls", "500 calls with one image or four: the noise is standard normal and new in each", one,
               law(rng, Mixture.gaussian(np.zeros(4), eye), 500), look)  # fmt: skip
    yield prop("far", "about as many of 500,000 numbers as should be are more than 4 standard deviations out (1 if so)",
               {"betas": plan.betas, "what": "far", "n": 2, "x": np.ones((1, 1, 10, 10)), "tiles": [50, 50], "t": np.arange(2), **FAR}, exact(1.0),
               "Which distribution does the noise have, and is something cut off?")  # fmt: skip
    pair = {**one, "x": one["x"][..., :1], "n": 500}
    yield prop("alone", "500 calls with one image or four of two pixels: the sum of each call's noise is that of independent standard normals", pair,
               alone(rng, Mixture.gaussian(np.zeros(2), np.eye(2))), "Is something done to all numbers of the noise together?")  # fmt: skip
    yield prop("size", "the variance of the noise, from 800,000 numbers",
               {"betas": plan.betas, "what": "size", "n": 2, "x": np.ones((1, 1, 10, 10)), "tiles": [64, 64], "t": np.arange(2)},
               size(1.0, 200, 4096), "Which distribution does the noise have, and is something done to the numbers afterwards?")  # fmt: skip
    yield prop("kept", "x, t and the tables stay as they were", {**case(3, 3, (1, 2, 3)), "what": "kept"}, exact(0.0),
               "Is something changed in place?")  # fmt: skip
    whole = {"betas": plan.betas, "what": "whole", "n": 400, "x": np.ones((1, 1, 2, 2)), "tiles": [8, 8], "t": np.arange(4)}
    yield prop("whole", "the sum of the noise of an image of 16 x 16 pixels is that of independent numbers", whole,
               law(rng, Mixture.gaussian([0.0], [[1.0]]), 400), "Do the pixels of an image have a part of their noise in common?")  # fmt: skip


@expects("mnist.target")
def target(rng: Rng) -> Properties:
    def case(kind: str, T: int, B: int, shape: Shape) -> dict[str, Any]:
        both = {name: signed(rng, 0.3, 2, (B, *shape)) for name in ("x0", "noise")}
        return {"betas": violent(rng, T).betas, "kind": kind, "t": own_times(rng, T, B), **both, "what": "target"}

    look = "What does this kind of network say, and which numbers of the schedule belong to t? Each image has its own t."
    for kind in ("eps", "x0", "v"):
        for (name, B, shape), T in zip(SHAPES, (5, 3, 2, 4, 1), strict=True):
            inputs = case(kind, T, B, shape)
            bar = np.cumprod(1 - inputs["betas"])[inputs["t"]]
            c_x0, c_eps = (column(c) for c in zip(*(ddpm_target(kind, one) for one in bar), strict=True))
            yield prop(f"{kind}_{name}", f"the target of a network that predicts {WORDS[kind]}: {words(B, shape)}, T = {T}", inputs,
                       exact(c_x0 * inputs["x0"] + c_eps * inputs["noise"]), look)  # fmt: skip
        if kind == "v":
            inputs = case(kind, 5, 5, (2, 2, 3)) | {"betas": np.float32(rng.uniform(0.003, 0.008, 5)).astype(float)}
            bar = column(np.cumprod(1 - inputs["betas"])[inputs["t"]])
            yield prop("v_near", "the target of a network that predicts v, with alpha_bars that are all near 1", inputs,
                       exact(np.sqrt(bar) * inputs["noise"] - np.sqrt(1 - bar) * inputs["x0"]),
                       "Does every image use the numbers of its own t, even if they are nearly those of another one?")  # fmt: skip
        yield prop(f"{kind}_kept", f"a network that predicts {WORDS[kind]}: inputs and tables stay as they were",
                   {**case(kind, 3, 3, (1, 2, 2)), "what": "kept"}, exact(0.0), "Is something changed in place?")  # fmt: skip


def random_theta(rng: Rng, T: int, shape: Shape) -> Array:
    """Factor and offset of an affine network for each t = -1 ... T, channel and pixel: (T + 2, 2, C, H, W)."""
    return np.stack([rng.uniform(0.35, 1.0, (T + 2, *shape)), signed(rng, 0.4, 1.2, (T + 2, *shape))], axis=1)


def knowing(plan: SimpleNamespace, x0: Array, kind: str) -> Array:
    """The network (T + 2, 2, C, H, W) that is right at every t when all images are x0 (C, H, W); at t = -1 and T it is far off."""
    rows = []
    for bar in (0.5, *plan.bars[1:], 0.5):
        c_x0, c_eps = ddpm_target(kind, bar)  # eps = (x_t - a x0) / s
        a, s = np.sqrt(bar), np.sqrt(1 - bar)
        rows.append(np.stack([np.full(x0.shape, c_eps / s), (c_x0 - c_eps * a / s) * x0]))
    theta = np.stack(rows)
    theta[[0, -1], 1] += 3
    return theta


def loss_moments(plan: SimpleNamespace, x0: Array, theta: Array, kind: str) -> tuple[Array, Array]:
    """Mean and variance of the loss of one image, (B,) each for images x0 (B, C, H, W), over uniform t and noise."""
    means, variances = [], []
    for t in range(plan.T):
        bar, (factor, offset) = plan.bars[t + 1], theta[t + 1]
        (c_x0, c_eps), a, s = ddpm_target(kind, bar), np.sqrt(bar), np.sqrt(1 - bar)
        mu, var = (factor * a - c_x0) * x0 + offset, (factor * s - c_eps) ** 2 + 0 * x0
        means.append((mu**2 + var).mean((1, 2, 3)))
        variances.append((2 * var**2 + 4 * mu**2 * var).sum((1, 2, 3)) / x0[0].size ** 2)
    return np.mean(means, 0), np.mean(variances, 0) + np.var(means, 0)


def times_property(rng: Rng, name: str, T: int, B: int, count: int) -> Property:
    """Each t comes up in one T-th of the images: networks that know everything but at one t."""
    plan, x0 = violent(rng, T), signed(rng, 0.8, 1.6, (1, 2, 1))
    sizes = rng.uniform(1.0, 2.0, T)
    thetas = np.stack([knowing(plan, x0, "eps")] * T)
    for t in range(T):
        thetas[t, t + 1, 1] += np.sqrt(sizes[t])
    sd = sizes * np.sqrt((1 / T) * (1 - 1 / T) / B)
    return prop(name, f"T = {T}, {B} image{'s' * (B > 1)} at a time: networks that are wrong at a single t, one for each t from 0 to T - 1",
                {"what": "times", "betas": plan.betas, "x": x0[None], "B": B, "count": count, "thetas": thetas}, draws(sizes / T, sd, count, 1e-4),
                "From which whole numbers is t drawn, how often does the first and the last of them come up, and has every image its own?")  # fmt: skip


def noise_properties(rng: Rng) -> Properties:
    """The noise of the images: a share of it in each of three bands, and the count of numbers beyond 4."""
    edges = np.array([0, rng.uniform(0.5, 0.8), rng.uniform(1.6, 2.0), 1e9])
    share = 2 * np.diff(ndtr(edges))

    def knower(value: float) -> dict[str, Any]:
        plan = violent(rng, 3)
        s = np.sqrt(1 - np.array([0.5, *plan.bars[1:], 0.5]))
        return {"betas": plan.betas, "value": value, "scale": 1 / s, "shift": -np.sqrt(1 - s**2) / s * value}

    B, shape, count = 8, (3, 4, 4), 40
    inputs = {**knower(rng.uniform(0.5, 1.5)), "what": "bands", "B": B, "shape": shape, "count": count,
              "bands": np.column_stack([edges[:-1], edges[1:]])}  # fmt: skip
    yield prop("bands", "networks that are wrong by 1 wherever the noise is small, middling or large", inputs,
               draws(share, np.sqrt(share * (1 - share) / (B * np.prod(shape))), count, 1e-5),
               "Which distribution does the noise have, and has every image, channel and pixel its own?")  # fmt: skip
    inputs = {
        **knower(rng.uniform(0.5, 1.5)),
        "what": "far",
        "B": 50,
        "shape": (1, 100, 100),
        "count": 1,
        "bands": [[4.0, 1e9]],
        **FAR,
    }
    yield prop("far", "among 500,000 numbers of noise about as many as should be are beyond 4 (1 if so)", inputs, exact([[1.0]]),
               "Is something cut off?")  # fmt: skip
    plan = violent(rng, 3)
    inputs = {"betas": plan.betas, "scale": np.sqrt(1 - np.array([0.5, *plan.bars[1:], 0.5]))}
    yield prop("size", "black images (all 0): the variance of the noise that the network sees, from 800,000 numbers",
               {**inputs, "what": "size", "B": 50, "dim": 400, "shape": (4, 10, 10), "count": 40}, size(1.0, 400, 2000),
               "Which distribution does the noise have, and is something done to the numbers afterwards?")  # fmt: skip
    yield prop("alone", "500 batches of one black image of two pixels: the noise that the network sees is standard normal",
               {**inputs, "what": "alone", "B": 1, "dim": 2, "shape": (1, 2, 1), "count": 500}, alone(rng, normal(np.zeros(2), np.ones(2))),
               "Is something done to all numbers of the noise together?")  # fmt: skip
    shared = {**inputs, "what": "shared", "shape": (1, 4, 5), **unshared(16, 20, 40)}
    yield prop("shared", "black images (all 0): every image that the network sees has noise of its own (1 if neighbours share; 1 if others do)",
               shared, exact([0.0, 0.0]), "For how many images is noise drawn, and which of it does each get?")  # fmt: skip


def gradient_property(rng: Rng, kind: str) -> Property:
    """The expected gradient of every number of the network, from a step with learning rate 1."""
    shape, T, B, count = (1, 2, 1), 2, 96, 40
    plan, theta, x0 = violent(rng, T), random_theta(rng, T, shape), signed(rng, 0.4, 1.2, (3, *shape))
    right = np.zeros_like(theta)
    for index in np.ndindex(theta.shape):  # a quadratic function: its derivative is the central difference of any width
        unit = np.zeros_like(theta)
        unit[index] = 0.5
        right[index] = np.subtract(*(loss_moments(plan, x0, theta + sign * unit, kind)[0].mean() for sign in (1, -1)))
    n = 4000  # the standard deviation only sets the width of the tolerance: simulated
    t, images, eps = rng.integers(0, T, n), x0[rng.integers(0, 3, n)], rng.standard_normal((n, *shape))
    bar = column(plan.bars[t + 1])
    x_t = np.sqrt(bar) * images + np.sqrt(1 - bar) * eps
    c_x0, c_eps = (column(c) for c in zip(*(ddpm_target(kind, one) for one in plan.bars[t + 1]), strict=True))
    residual = theta[t + 1, 0] * x_t + theta[t + 1, 1] - c_x0 * images - c_eps * eps
    each = 2 * residual[:, None] * np.stack([x_t, np.ones_like(x_t)], 1) / np.prod(shape)
    sd = np.einsum("nk,nichw->nkichw", np.eye(T + 2)[t + 1], each).std(0)
    inputs = {"what": "gradient", "betas": plan.betas, "kind": kind, "theta": theta, "x": x0, "B": B, "count": count}
    return prop("gradient", "a step with learning rate 1: what it takes from each of the network's numbers, on average", inputs,
                draws(right, np.maximum(sd / np.sqrt(B), 1e-6), count, 2e-3 * np.abs(right).max()),
                "Of which number is the gradient taken, and does it reach the network once?")  # fmt: skip


@expects("mnist.train_step", needs=("mnist.add_noise", "mnist.target"))
def train_step(rng: Rng) -> Properties:
    look = (
        "Go through two steps by hand: what is the loss of, before or after which step, and which gradients does a step use?"
    )
    for name, steps, B, shape, momentum in (
        ("course", 3, 3, (1, 2, 3), rng.uniform(0.4, 0.7)),
        ("one", 1, 1, (3, 2, 2), 0.0),
        ("pair", 2, 4, (1, 1, 2), 0.0),
        ("steep", 2, 3, (1, 2, 2), 0.0),
    ):
        start, batches, lr = (
            signed(rng, *((2.2, 3) if name == "steep" else (0.2, 1)), shape),
            signed(rng, 0.2, 1, (steps, B, *shape)),
            rng.uniform(0.3, 0.45),
        )
        theta, velocity, right = start.copy(), 0.0, []
        for images in batches:
            right.append(((theta - images) ** 2).mean())
            velocity = momentum * velocity + 2 * (theta - images).mean(0) / theta.size
            theta = theta - lr * velocity
        inputs = {"what": "course", "betas": violent(rng, 3).betas, "kind": "x0", "start": start, "batches": batches, "lr": lr,
                  "momentum": momentum}  # fmt: skip
        far = ", some way from where it should be," * (name == "steep")
        yield prop(name, f"{steps} step{'s' * (steps > 1)} of SGD on {words(B, shape)}, with a network{far} to which neither t nor noise matter: losses, then parameters, then 0 if the images stay",
                   inputs, exact([*right, *theta.ravel(), 0.0]), "Is something done to the gradient before the step?" if far else look)  # fmt: skip
    for kind, T, (_, B, shape) in zip(("eps", "x0", "v", "eps", "v"), (5, 3, 2, 1, 4), SHAPES, strict=True):
        plan, x0 = violent(rng, T), signed(rng, 0.4, 1.2, shape)
        inputs = {
            "what": "losses",
            "betas": plan.betas,
            "kind": kind,
            "theta": knowing(plan, x0, kind),
            "x": x0[None],
            "B": B,
            "count": 8,
        }
        yield prop(f"known_{kind}{T}", f"no loss for a network that knows {WORDS[kind]} ({words(B, shape)}, T = {T})", inputs,
                   exact(np.zeros(8), 0.0, 2e-4), "Is the target of the kind that the network predicts, and has each image its own t?")  # fmt: skip
    look = "Which t, which noise and which target does each image have, and over what is the mean taken?"
    for kind, T, B, rows, shape, count in (
        ("eps", 3, 96, 1, (1, 2, 1), 40),
        ("x0", 2, 96, 3, (2, 1, 2), 40),
        ("v", 4, 96, 3, (3, 2, 2), 40),
        ("v", 2, 3, 3, (1, 1, 3), 80),
        ("eps", 1, 1, 1, (1, 2, 2), 40),
    ):
        plan, theta, x0 = violent(rng, T), random_theta(rng, T, shape), signed(rng, 0.4, 1.2, (rows, *shape))
        mean, var = loss_moments(plan, x0, theta, kind)
        sd = np.sqrt(var.mean() / B)
        inputs = {"what": "losses", "betas": plan.betas, "kind": kind, "theta": theta, "x": x0, "B": B, "count": count}
        yield prop(f"mean_{kind}{B}", f"the expected loss of a network that predicts {WORDS[kind]} not quite right ({words(B, shape)}, T = {T})",
                   inputs, draws(mean.mean(), sd, count, (B < 10) * 1.5 * sd / np.sqrt(count) + 1e-3 * mean.mean()), look)  # fmt: skip
    yield times_property(rng, "times", 4, 96, 40)
    yield times_property(rng, "times_two", 2, 64, 40)
    yield times_property(rng, "times_single", 2, 1, 80)
    yield from noise_properties(rng)
    yield gradient_property(rng, "v")


def predicted(plan: SimpleNamespace, theta: Array, kind: str, x_t: Array, t: Array, clip: bool) -> Array:
    """The x_0 that an affine network's outputs stand for, at x_t (B, C, H, W) and t (B,): solve out = c_x0 x_0 + c_eps eps."""
    bar = plan.bars[t + 1]
    c_x0, c_eps = (column(c) for c in zip(*(ddpm_target(kind, one) for one in bar), strict=True))
    a, s = column(np.sqrt(bar)), column(np.sqrt(1 - bar))
    out = theta[t + 1, 0] * x_t + theta[t + 1, 1]
    x0 = (out - c_eps * x_t / s) / (c_x0 - c_eps * a / s)
    return np.clip(x0, -1, 1) if clip else x0


@expects("mnist.predict_x0")
def predict_x0(rng: Rng) -> Properties:
    look = "Write x_t as sqrt(alpha_bar_t) x_0 + sqrt(1 - alpha_bar_t) eps and solve for x_0; each image has its own t."
    for kind in ("eps", "x0", "v"):
        for clip in (0, 1):
            for (name, B, shape), T in zip(SHAPES, (5, 3, 2, 4, 1), strict=True):
                if clip and name in ("three", "one"):
                    continue
                plan, t = violent(rng, T), own_times(rng, T, B)
                while True:  # with clipping, numbers on both sides and some inside
                    theta, x_t = random_theta(rng, T, shape), signed(rng, 0.2, 1.6, (B, *shape))
                    free = predicted(plan, theta, kind, x_t, t, False)
                    if not clip or min((free > 1.2).sum(), (free < -1.2).sum(), (abs(free) < 0.8).sum()) >= 2:
                        break
                inputs = {
                    "what": "images",
                    "betas": plan.betas,
                    "theta": theta,
                    "kind": kind,
                    "clip": clip,
                    "x_t": x_t,
                    "t": t,
                }
                how = "cut to [-1, 1]" if clip else "not cut"
                yield prop(f"{kind}_{name}{'_clip' * clip}", f"a network that predicts {WORDS[kind]}: {words(B, shape)}, T = {T}, {how}", inputs,
                           exact(predicted(plan, theta, kind, x_t, t, bool(clip))),
                           "Which images lie in [-1, 1] when the network says what it says, and what is cut?" if clip else look)  # fmt: skip
        yield prop(f"{kind}_kept", f"a network that predicts {WORDS[kind]}: inputs and tables stay as they were", {**inputs, "what": "kept"},
                   exact(0.0), "Is something changed in place?")  # fmt: skip
    betas = np.float32([*rng.uniform(0.8, 0.95, 2), *rng.uniform(0.97, 0.99, 2)]).astype(float)
    plan, t, shape = (
        SimpleNamespace(betas=betas, bars=np.concatenate([[1.0], np.cumprod(1 - betas)])),
        np.arange(4),
        (1, 2, 2),
    )
    theta, x_t = random_theta(rng, 4, shape), signed(rng, 0.2, 1.6, (4, *shape))
    inputs = {"what": "images", "betas": betas, "theta": theta, "kind": "eps", "clip": 0, "x_t": x_t, "t": t}
    yield prop("eps_late", "a network that predicts the noise, with alpha_bars that get very small, not cut", inputs,
               exact(predicted(plan, theta, "eps", x_t, t, False)), "Is something held back where alpha_bar is small?")  # fmt: skip


# ----------------------------------------------------------------------------------------------------- back to images


def posterior(plan: SimpleNamespace, x_t: Array, x0: Array, t: int) -> Array:
    """The mean of x_{t-1} given both ends, by Bayes: precisions of the step to x_t and of the way from x0 add up."""
    beta, prev = plan.betas[t], plan.bars[t]
    var = 1 - prev  # 0 at t = 0, where x0 is all that counts
    return (np.sqrt(prev) * x0 * beta + np.sqrt(1 - beta) * x_t * var) / (beta + (1 - beta) * var)


def tilde(plan: SimpleNamespace, t: int) -> float:
    """The posterior's variance at t = 0 ... T - 1."""
    return float((1 - plan.bars[t]) / (1 - plan.bars[t + 1]) * plan.betas[t])


def step(plan: SimpleNamespace, theta: Array, kind: str, x_t: Array, t: int, clip: bool = False) -> Array:
    """The mean of one denoising step from images x_t (B, C, H, W)."""
    return posterior(plan, x_t, predicted(plan, theta, kind, x_t, np.full(len(x_t), t), clip), t)


def normal(mean: Array, var: Array) -> Mixture:
    """Independent normals as rows."""
    return Mixture.gaussian(np.ravel(mean), np.diag(np.ravel(var)))


@expects("mnist.denoise", needs=("mnist.predict_x0",))
def denoise(rng: Rng) -> Properties:
    look = "Write the mean of q(x_{t-1} | x_t, x_0) down for this t: which of its numbers belong to t, which to the level below?"

    def case(T: int, t: int, kind: str, B: int, shape: Shape, clip: int) -> tuple[SimpleNamespace, dict[str, Any], Array]:
        plan, theta, x_t = violent(rng, T), random_theta(rng, T, shape), signed(rng, 0.4, 1.6, (B, *shape))
        inputs = {
            "what": "images",
            "betas": plan.betas,
            "theta": theta,
            "kind": kind,
            "clip": clip,
            "x_t": x_t,
            "t": t,
            "stochastic": 0,
        }
        return plan, inputs, step(plan, theta, kind, x_t, t, bool(clip))

    for name, T, t, kind, B, shape, clip in (
        ("last", 5, 0, "eps", 3, (1, 2, 3), 0),
        ("next", 5, 1, "v", 4, (3, 2, 2), 0),
        ("middle", 5, 3, "x0", 3, (1, 4, 2), 0),
        ("top", 4, 3, "eps", 1, (3, 3, 3), 0),
        ("cut", 3, 2, "eps", 3, (1, 3, 3), 1),
        ("cut_next", 3, 1, "x0", 1, (1, 2, 4), 1),
        ("cut_last", 3, 0, "v", 4, (3, 2, 1), 1),
        ("only", 1, 0, "v", 3, (1, 2, 2), 0),
    ):
        _, inputs, right = case(T, t, kind, B, shape, clip)
        where = f"t = {t}, T = {T}, a network that predicts {WORDS[kind]}, {'cut to [-1, 1]' if clip else 'not cut'}"
        yield prop(name, f"the mean of the step: {words(B, shape)}, {where}", inputs, exact(right), look)
        if t == 0:
            yield prop(f"{name}_noise", f"the last step has no noise even if stochastic: {words(B, shape)}, {where}",
                       {**inputs, "stochastic": 1}, exact(right), "How much noise does the last step add?")  # fmt: skip
    look = (
        "What variance does the posterior have at this t, and what stands before a standard normal number of that variance?"
    )
    for name, T, t, kind, clip, stochastic in (
        ("law_next", 4, 1, "eps", 0, 1),
        ("law_middle", 5, 2, "v", 0, 2),
        ("law_top", 3, 2, "x0", 1, 1),
    ):
        plan, inputs, right = case(T, t, kind, 1, (2, 1, 2), clip)
        given = "" if stochastic == 1 else ", and stochastic is not mentioned"
        yield prop(name, f"{ROWS:,} draws from one small image at t = {t}, T = {T}{given}: mean, covariance and shape",
                   {**inputs, **TILES, "what": "rows", "stochastic": stochastic}, law(rng, normal(right, np.full(4, tilde(plan, t))), ROWS), look)  # fmt: skip
    yield prop("rows", "every image has its own noise", {**inputs, "what": "rows", "n": 2800, "stochastic": 1},
               rows_law(rng, normal(right, np.full(4, tilde(plan, t))), 2800))  # fmt: skip
    plan, inputs, right = case(3, 1, "x0", 1, (3, 2, 2), 0)
    yield prop("pixels", "every channel and pixel has its own noise", {**inputs, "what": "rows", "n": 2800, "stochastic": 1},
               law(rng, normal(right, np.full(12, tilde(plan, 1))), 2800, 48))  # fmt: skip
    plan = violent(rng, 2)
    silent = {
        "betas": plan.betas,
        "theta": np.zeros((4, 2, 1, 10, 10)),
        "kind": "x0",
        "x_t": np.zeros((1, 1, 10, 10)),
        "t": 1,
        "tiles": [50, 50],
    }
    yield prop("far", "about as many of 500,000 numbers of noise as should be are more than 4 standard deviations out (1 if so)",
               {**silent, **FAR, "what": "far", "n": 2, "stochastic": 1}, exact(1.0), "Which distribution does the noise have, and is something cut off?")  # fmt: skip
    yield prop("size", "the variance of the noise, from 800,000 numbers", {**silent, "what": "size", "n": 2, "tiles": [64, 64], "stochastic": 1},
               size(tilde(plan, 1), 200, 4096), look)  # fmt: skip
    pair = {**silent, "theta": np.zeros((4, 2, 1, 2, 1)), "x_t": np.zeros((1, 1, 2, 1)), "tiles": [1, 1], "what": "alone"}
    yield prop("alone", "500 calls with one image or four of two pixels: the sum of the noise is that of independent normals", {**pair, "n": 1, "calls": 500, "stochastic": 1},
               alone(rng, normal(np.zeros(2), np.full(2, tilde(plan, 1)))), "Is something done to all numbers of the noise together?")  # fmt: skip
    _, inputs, _ = case(3, 2, "v", 3, (1, 2, 2), 1)
    yield prop("again", "without noise a second call gives the same again (images for which it does not)", {**inputs, "what": "again"}, exact(0.0),
               "Is something random although `stochastic` is false?")  # fmt: skip
    yield prop("kept", "x_t and the tables stay as they were", {**inputs, "what": "kept", "stochastic": 1}, exact(0.0),
               "Is something changed in place?")  # fmt: skip


def path(plan: SimpleNamespace, theta: Array, kind: str, x_T: Array, clip: bool = False) -> list[Array]:
    """The images after the steps at t = T - 1 ... 0, without noise."""
    found = [x_T]
    for t in range(plan.T - 1, -1, -1):
        found.append(step(plan, theta, kind, found[-1], t, clip))
    return found[1:]


def end(plan: SimpleNamespace, theta: Array, kind: str, mean: Array, var: Array, noise: bool) -> Mixture:
    """The law of the images after all steps, without clipping: each pixel's mean and variance, step by step."""
    mean, var = mean[None], var[None]
    for t in range(plan.T - 1, -1, -1):
        moved = step(plan, theta, kind, np.concatenate([mean, mean + 1]), t)
        mean, var = moved[:1], (moved[1:] - moved[:1]) ** 2 * var + noise * tilde(plan, t)
    return normal(mean, var)


@expects("mnist.sample", needs=("mnist.predict_x0", "mnist.denoise"))
def sample(rng: Rng) -> Properties:
    look = "Which t comes first, which last, and what goes from one step into the next?"

    def case(T: int, kind: str, shape: Shape, clip: int = 0) -> tuple[SimpleNamespace, dict[str, Any]]:
        plan, theta = violent(rng, T), random_theta(rng, T, shape)
        return plan, {"what": "images", "betas": plan.betas, "theta": theta, "kind": kind, "clip": clip, "stochastic": 0}

    for name, T, kind, n, shape, clip in (
        ("five", 5, "eps", 3, (1, 2, 3), 1),
        ("three", 3, "v", 4, (3, 2, 2), 0),
        ("two", 2, "x0", 1, (1, 4, 2), 0),
        ("only", 1, "v", 3, (1, 2, 2), 0),
    ):
        (plan, inputs), x_T = case(T, kind, shape, clip), signed(rng, 0.4, 1.6, (n, *shape))
        right = path(plan, inputs["theta"], kind, x_T, bool(clip))[-1]
        yield prop(name, f"without noise, from given starts: {words(n, shape)}, T = {T}, a network that predicts {WORDS[kind]}",
                   {**inputs, "x_T": x_T, "n": n}, exact(right), look)  # fmt: skip
    for name, T, frames, collection in (
        ("frames", 5, [4, 0, 2], "list"),
        ("frames_set", 4, [3, 1, 2], "set"),
        ("frames_all", 3, [0, 1, 2], "tuple"),
        ("frames_one", 4, [2], "tuple"),
        ("frames_last", 3, [0], "set"),
        ("frames_none", 2, [], "list"),
    ):
        shape, n = (1, 2, 2), 2
        (plan, inputs), x_T = case(T, "v", shape, 1), signed(rng, 0.4, 1.6, (n, *shape))
        after = path(plan, inputs["theta"], "v", x_T, True)
        right = np.stack([after[-1], *(after[T - 1 - t] for t in sorted(frames, reverse=True))])
        yield prop(name, f"T = {T}: the images, then those kept at t in {frames} (a {collection}), in the order of sampling",
                   {**inputs, "what": "frames", "n": n, "x_T": x_T, "frames": frames, "collection": collection}, exact(right),
                   "After which step is an image kept, is it the one of then, and in which order do they come?")  # fmt: skip
    shape = (2, 1, 2)
    zeros, ones = np.zeros(shape), np.ones(shape)
    for name, T, kind, own, stochastic in (
        ("start", 1, "v", True, 0),
        ("start_two", 2, "eps", True, 0),
        ("noise", 3, "x0", False, 1),
        ("unasked", 2, "v", False, 2),
        ("all", 4, "eps", True, 1),
    ):
        (plan, inputs), x_T = case(T, kind, shape), signed(rng, 0.4, 1.6, (1, *shape))
        start = {} if own else {"x_T": x_T}
        right = end(plan, inputs["theta"], kind, zeros if own else x_T[0], ones if own else zeros, stochastic > 0)
        how = {0: "without noise", 1: "with noise", 2: "with noise, since stochastic is not mentioned"}[stochastic]
        yield prop(name, f"T = {T}, from {'its own start' if own else 'one image'}, {how}: mean, covariance and shape of {ROWS:,} small images",
                   {**inputs, **start, **TILES, "what": "rows", "stochastic": stochastic}, law(rng, right, ROWS),
                   "Where do samples begin, and is `stochastic` passed on?" if own else "Is `stochastic` passed on to every step?")  # fmt: skip
    yield prop(
        "rows",
        "every image has its own start and noise",
        {**inputs, "what": "rows", "n": 2800, "stochastic": 1},
        rows_law(rng, right, 2800),
    )
    shape = (3, 2, 2)
    plan, inputs = case(2, "v", shape)
    right = end(plan, inputs["theta"], "v", np.zeros(shape), np.ones(shape), False)
    yield prop(
        "pixels",
        "every channel and pixel has its own start",
        {**inputs, "what": "rows", "n": 2800},
        law(rng, right, 2800, 48),
    )
    one = violent(rng, 1)
    silent = {
        "betas": one.betas,
        "theta": np.zeros((3, 2, 1, 10, 10)),
        "kind": "eps",
        "clip": 0,
        "stochastic": 0,
    }
    yield prop("far", "about as many of 500,000 numbers at the start as should be are more than 4 standard deviations out (1 if so)",
               {**silent, **FAR, "what": "far", "n": 2, "tiles": [50, 50]}, exact(1.0), "Which distribution does the start have, and is something cut off?")  # fmt: skip
    right = end(one, silent["theta"][:, :, :, :1, :1], "eps", np.zeros((1, 1, 1)), np.ones((1, 1, 1)), False)
    yield prop("size", "the variance of the start, seen behind one step of a network that says 0, from 800,000 numbers",
               {**silent, "what": "size", "n": 2, "tiles": [64, 64]}, size(right.cov[0, 0], 200, 4096),
               "Which distribution does the start have, and is something done to its numbers?")  # fmt: skip
    plan, inputs = case(3, "v", (1, 2, 2), 1)
    yield prop("kept", "x_T stays as it was", {**inputs, "what": "kept", "n": 3, "x_T": signed(rng, 0.4, 1.6, (3, 1, 2, 2))}, exact(0.0),
               "Is something changed in place?")  # fmt: skip
