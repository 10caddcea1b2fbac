"""What notebook 02's tasks should give: the networks in plain numpy, their gradients by complex steps."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from autograder.exact import Mixture
from autograder.expected import RADIUS, Property, exact, expects, law, prop, rows_law, size_and_ends
from helpers.probes.mlp import fc_shapes, mlp_shapes, spread, timed_shapes

Array = np.ndarray
Weights = dict[str, Array]
Net = Callable[..., Array]


def single(values: Array) -> Array:
    """The float64 numbers that a float32 tensor of `values` holds."""
    return np.asarray(values, dtype=np.float32).astype(float)


def silu(z: Array) -> Array:
    """z sigmoid(z), for real and complex z."""
    with np.errstate(over="ignore"):
        return z / (1 + np.exp(-z))


def affine(w: Weights, name: str, x: Array) -> Array:
    """A linear layer, rows in, rows out."""
    return x @ w[f"{name}.weight"].T + w[f"{name}.bias"]


def layer_norm(w: Weights, name: str, h: Array, eps: float = 1e-5) -> Array:
    """LayerNorm over the last axis."""
    centred = h - h.mean(-1, keepdims=True)
    return centred / np.sqrt((centred**2).mean(-1, keepdims=True) + eps) * w[f"{name}.weight"] + w[f"{name}.bias"]


def mlp(w: Weights, x: Array) -> Array:
    """Two layers, a residual block with a normalised input, and a linear read-out."""
    first = silu(affine(w, "hidden1", silu(affine(w, "inp", x))))
    block = silu(affine(w, "hidden2", layer_norm(w, "norm", first)))
    return affine(w, "out", first + block)


def fc(w: Weights, x: Array, t: Array, T: float) -> Array:
    """Three layers on the columns [x, t / T]."""
    h = np.concatenate([x, np.reshape(t, (-1, 1)) / T], axis=1)
    return affine(w, "layers.4", silu(affine(w, "layers.2", silu(affine(w, "layers.0", h)))))


def embed(t: Array, dim: int, max_period: float = 10_000.0) -> Array:
    """(n, dim): the sines, then the cosines, of t times frequencies falling geometrically from 1 to 1 / max_period."""
    angles = np.outer(np.ravel(t), np.geomspace(1.0, 1.0 / max_period, dim // 2))
    return np.hstack([np.sin(angles), np.cos(angles)])


def timed(w: Weights, x: Array, t: Array, dim_time: int) -> Array:
    """Both hidden layers get the same linear function of the embedded time added before their activation."""
    e = affine(w, "time", embed(t, dim_time))
    return affine(w, "out", silu(affine(w, "hidden", silu(affine(w, "inp", x) + e)) + e))


def slopes(net: Net, w: Weights, directions: Weights, x: Array, c: Array, *rest: Any) -> Array:
    """Derivatives of sum(c * net) along `directions`, one for each parameter by name, then along each entry of x."""
    step = 1e-30
    along = [
        (net({**w, name: w[name] + 1j * step * directions[name]}, x, *rest) * c).sum().imag / step for name in sorted(w)
    ]
    for k in range(x.size):
        bump = np.zeros(x.size)
        bump[k] = step
        along.append((net(w, x + 1j * bump.reshape(x.shape), *rest) * c).sum().imag / step)
    return np.array(along)


def draw(rng: np.random.Generator, count: int = 89) -> Array:
    """Numbers for weights: of both signs, none near 0."""
    return single(rng.choice([-1.0, 1.0], count) * rng.uniform(0.35, 2.0, count))


def points(rng: np.random.Generator, *shape: int, scale: float = 1.5) -> Array:
    """Inputs without symmetry: every column with its own mean."""
    return single(scale * rng.standard_normal(shape) + rng.uniform(-1, 1, shape[-1]))


# ------------------------------------------------------------------------------------------------------ mlp.forward


@expects("mlp.forward")
def forward(rng: np.random.Generator) -> Iterator[Property]:
    def case(what: str, B: int, sizes: tuple[int, int, int], dtype: str = "float32", scale: float = 1.5) -> tuple:
        numbers, x = draw(rng), points(rng, B, sizes[0], scale=scale)
        inputs = {"what": what, "dtype": dtype, "numbers": numbers, "x": x, "sizes": "given",
                  "dim_in": sizes[0], "dim_hidden": sizes[1], "dim_out": sizes[2]}  # fmt: skip
        w = spread(mlp_shapes(*sizes), numbers)
        return inputs, w, x, mlp(w, x)

    def far() -> tuple:
        while True:
            found = case("out", 6, (2, 9, 2), scale=60.0)
            if found[3].min() < -15 and found[3].max() > 15:
                return found

    inputs, _, _, out = case("out", 10, (2, 64, 2))
    yield prop("default", "MLP() turns a batch of 10 into the right [10, 2] tensor", {**inputs, "sizes": "default"}, exact(out),
               "Follow the picture from left to right; is there a module that your code passes by?")  # fmt: skip
    inputs, _, _, out = case("out", 3, (5, 7, 4))
    yield prop("wide", "other sizes: 5 numbers in, 4 out, a batch of 3", inputs, exact(out),
               "Compare your lines with the four formulas one by one: which module, applied to what?")  # fmt: skip
    inputs, _, _, out = case("out", 1, (1, 12, 1))
    yield prop(
        "one", "one number in, one out, a batch of 1", inputs, exact(out), "Does a shape get lost, or a mean over rows?"
    )
    inputs, _, _, out = far()
    yield prop("far", "large inputs give large outputs of both signs", inputs, exact(out, atol=1e-3),
               "What is applied after the last linear layer, and what is carried past the block?")  # fmt: skip
    inputs, _, _, out = case("rows", 5, (2, 7, 2))
    yield prop("rows", "a row's output depends on no other row, on no order, and not on train or eval mode", inputs,
               exact(np.stack([out] * 4)), "Is there a mean over the batch, or something random?")  # fmt: skip
    inputs, *_ = case("repeat", 4, (2, 7, 2))
    yield prop(
        "repeat", "asked twice in train mode, it answers the same", inputs, exact(1.0), "What in your code is random?"
    )
    inputs, w, x, out = case("grad", 4, (3, 6, 2))
    directions, c = draw(rng), single(rng.uniform(0.4, 1.6, out.shape) * rng.choice([-1, 1], out.shape))
    right = slopes(mlp, w, spread(mlp_shapes(3, 6, 2), directions), x, c)
    yield prop("grad", "every parameter and the input get their right gradient",
               {**inputs, "directions": directions, "weights": c}, exact(right, atol=1e-4),
               "Which module has no part in the result, or is cut off by detach or no_grad?")  # fmt: skip
    inputs, _, _, out = case("dtype", 3, (2, 6, 3), dtype="float64")
    yield prop("double", "a float64 network gives float64 numbers", inputs, exact(np.append(out, 8)),
               "Is a dtype written down anywhere in your code?")  # fmt: skip
    inputs, _, x, out = case("twice", 3, (2, 6, 2))
    yield prop("twice", "a second call gives the same, and x is left as it was", inputs,
               exact(np.append(out, x)), "Does your code change x or the network itself?")  # fmt: skip


# ---------------------------------------------------------------------------------------------------- mlp.fcnetwork


def times_with_ends(rng: np.random.Generator, B: int, T: float, kind: str, column: bool) -> Array:
    """B times of their own in 0..T, 0 and T among them where there is room."""
    t = rng.uniform(0.08 * T, 0.92 * T, B)
    if B >= 3:
        t[rng.permutation(B)[:2]] = 0, T
    t = np.round(t) if kind == "int" else single(t)
    return t[:, None] if column else t


@expects("mlp.fcnetwork")
def fcnetwork(rng: np.random.Generator) -> Iterator[Property]:
    def case(
        what: str, B: int, dim: int, T: int, kind: str, column: bool, dtype: str = "float32", up_to: float | None = None
    ) -> tuple:
        numbers, x, t = draw(rng), points(rng, B, dim), times_with_ends(rng, B, up_to or T, kind, column)
        inputs = {"what": what, "dtype": dtype, "numbers": numbers, "x": x, "t": t, "times": kind,
                  "dim": dim, "hidden": 7, "T": T}  # fmt: skip
        w = spread(fc_shapes(dim, 7), numbers)
        return inputs, w, x, t, fc(w, x, t, T)

    inputs, *_, out = case("out", 10, 2, 50, "int", True)
    yield prop("column", "10 points in 2D, integer times of shape (10, 1), T = 50", inputs, exact(out),
               "What exactly is in the last column that enters the first layer?")  # fmt: skip
    inputs, *_, out = case("out", 5, 5, 7, "float", False)
    yield prop("flat", "5 points in 5D, times of shape (5,), T = 7", inputs, exact(out),
               "Which shape must t have to stand beside x, one time in each row?")  # fmt: skip
    inputs, *_, out = case("out", 3, 1, 4, "int", False)
    yield prop("ends", "the first and the last step, t = 0 and t = T, with T = 4", inputs, exact(out),
               "Which numbers should t = 0 and t = T become?")  # fmt: skip
    inputs, *_, out = case("out", 1, 2, 1000, "float", False)
    yield prop("one", "a batch of 1 with T = 1000", inputs, exact(out), "Does the answer depend on the size of the batch?")
    inputs, *_, out = case("out", 3, 2, 1, "float", True)
    yield prop(
        "unit", "times that already lie between 0 and 1 (T = 1)", inputs, exact(out), "Are the times still real numbers?"
    )
    inputs, *_, out = case("out", 4, 2, 12, "float", False, up_to=1)
    yield prop("early", "only early times, none above 1, with T = 12", inputs, exact(out),
               "Is a time treated differently for being small?")  # fmt: skip
    inputs, *_, out = case("rows", 4, 2, 9, "float", True)
    yield prop("rows", "a row's output depends on its own x and t alone", inputs, exact(np.stack([out] * 4)),
               "Does every row keep its own time?")  # fmt: skip
    inputs, w, x, t, out = case("grad", 4, 2, 20, "float", True)
    directions, c = draw(rng), single(rng.uniform(0.4, 1.6, out.shape) * rng.choice([-1, 1], out.shape))
    right = slopes(fc, w, spread(fc_shapes(2, 7), directions), x, c, t, 20)
    yield prop("grad", "every parameter and the input get their right gradient",
               {**inputs, "directions": directions, "weights": c}, exact(right, atol=1e-4),
               "Is something cut off by detach or no_grad?")  # fmt: skip
    inputs, *_, out = case("dtype", 3, 2, 30, "float", False, "float64")
    yield prop("double", "a float64 network gives float64 numbers", inputs, exact(np.append(out, 8)),
               "Is a dtype written down anywhere in your code?")  # fmt: skip
    inputs, _, x, t, out = case("twice", 3, 2, 6, "float", True)
    yield prop("twice", "a second call gives the same, and x and t are left as they were", inputs,
               exact(np.concatenate([out, x, t], axis=None)), "Does an operator with = change the caller's t?")  # fmt: skip


# ---------------------------------------------------------------------------------------------------- mlp.embedding


@expects("mlp.embedding")
def embedding(rng: np.random.Generator) -> Iterator[Property]:
    def case(what: str, t: Array, dim: int, max_period: float | str, kind: str = "float", dtype: str = "float32") -> tuple:
        inputs = {"what": what, "t": t, "times": kind, "dtype": dtype, "dim": dim, "max_period": max_period}
        return inputs, embed(t, dim, 10_000.0 if max_period == "default" else max_period)

    def period() -> float:
        return round(float(np.exp(rng.uniform(np.log(40), np.log(4000)))), 2)

    inputs, out = case("out", single(rng.uniform(0.3, 20, 10)), 8, "default")
    yield prop("flat", "10 times of shape (10,) become [10, 8]", inputs, exact(out, atol=5e-5),
               "Look at one row: which half are sines, and how do the frequencies fall?")  # fmt: skip
    inputs, out = case("out", single(rng.uniform(0.3, 20, (3, 1))), 12, period())
    yield prop("column", "times of shape (3, 1), another max_period, 12 columns", inputs, exact(out, atol=5e-5),
               "Which frequencies should the first and the last sine have?")  # fmt: skip
    inputs, out = case("out", single(rng.uniform(0.3, 5, 1)), 4, period())
    yield prop("small", "one time and the smallest size, 4", inputs, exact(out, atol=5e-5),
               "With dim = 4 there are two frequencies: which?")  # fmt: skip
    t = np.append(rng.choice(np.arange(200, 1001), 3, replace=False), 0).astype(float)
    inputs, out = case("out", t, 10, "default", "int")
    yield prop("steps", "integer steps up to 1000, and t = 0", inputs, exact(out, atol=1e-3),
               "What are sine and cosine of 0, and does an integer t cut something off?")  # fmt: skip
    longest = round(float(rng.uniform(40, 120)), 2)
    inputs, out = case("out", single(longest * rng.uniform(1.5, 6, 5)), 8, longest)
    yield prop("long", f"times of up to six times max_period, which is {longest:g}", inputs, exact(out, atol=1e-3),
               "Is a large t treated in another way than a small one?")  # fmt: skip
    t = np.round(rng.uniform(1, 30, (3, 1)))
    inputs, out = case("dtype", t, 6, period(), "int")
    yield prop("int", "integer times give float32", inputs, exact(np.append(out, 4), atol=5e-5), "Which dtype comes out?")
    inputs, out = case("dtype", single(rng.uniform(0.3, 20, 3)), 6, period(), dtype="float64")
    yield prop("double", "float64 times give float64", inputs, exact(np.append(out, 8), atol=5e-5),
               "Is a dtype written down anywhere in your code?")  # fmt: skip
    t = single(rng.uniform(0.3, 9, 3))
    inputs, out = case("twice", t, 6, period())
    yield prop("twice", "a second call gives the same, and t is left as it was", inputs, exact(np.append(out, t), atol=5e-5),
               "Does your code change t or the embedding itself?")  # fmt: skip


# -------------------------------------------------------------------------------------------------------- mlp.timed


@expects("mlp.timed", needs=("mlp.embedding",))
def timed_mlp(rng: np.random.Generator) -> Iterator[Property]:
    def case(
        what: str, B: int, sizes: tuple[int, int, int], column: bool, dtype: str = "float32", kind: str = "float"
    ) -> tuple:
        numbers, x = draw(rng), points(rng, B, sizes[0])
        t = rng.uniform(0.3, 15, B)
        t = np.round(t + 1) if kind == "int" else single(t)
        t = t[:, None] if column else t
        inputs = {"what": what, "dtype": dtype, "numbers": numbers, "x": x, "t": t, "times": kind,
                  "dim": sizes[0], "dim_hidden": sizes[1], "dim_time": sizes[2]}  # fmt: skip
        w = spread(timed_shapes(*sizes), numbers)
        return inputs, w, x, t, timed(w, x, t, sizes[2])

    inputs, *_, out = case("out", 10, (2, 9, 8), False, kind="int")
    yield prop("flat", "10 points in 2D, integer times of shape (10,)", inputs, exact(out, atol=2e-4),
               "Where does the time enter, and how often?")  # fmt: skip
    inputs, *_, out = case("out", 3, (5, 7, 6), True)
    yield prop("column", "3 points in 5D, times of shape (3, 1)", inputs, exact(out, atol=2e-4),
               "Compare your lines with the four formulas one by one.")  # fmt: skip
    inputs, *_, out = case("out", 1, (1, 6, 4), False)
    yield prop("one", "one point in 1D", inputs, exact(out, atol=2e-4), "Does a shape get lost, or a mean over rows?")
    inputs, *_ = case("stale", 4, (2, 7, 6), False)
    yield prop("stale", "new weights change the answer at the same points and times (1: nothing is left of the old ones)", inputs, exact(1.0),
               "Does the network keep something from an earlier call? In training its weights change with every step.")  # fmt: skip
    inputs, *_, out = case("rows", 4, (2, 7, 6), False)
    yield prop("rows", "a row's output depends on its own x and t alone", inputs, exact(np.stack([out] * 4), atol=2e-4),
               "Does every row keep its own time?")  # fmt: skip
    inputs, w, x, t, out = case("grad", 4, (3, 6, 8), False)
    directions, c = draw(rng), single(rng.uniform(0.4, 1.6, out.shape) * rng.choice([-1, 1], out.shape))
    right = slopes(timed, w, spread(timed_shapes(3, 6, 8), directions), x, c, t, 8)
    yield prop("grad", "every parameter and the input get their right gradient",
               {**inputs, "directions": directions, "weights": c}, exact(right, rtol=5e-4, atol=5e-4),
               "Which module has no part in the result, or is cut off by detach or no_grad?")  # fmt: skip
    inputs, *_, out = case("dtype", 3, (2, 6, 4), False, "float64")
    yield prop("double", "a float64 network gives float64 numbers", inputs, exact(np.append(out, 8), atol=2e-4),
               "Is a dtype written down anywhere in your code?")  # fmt: skip
    inputs, _, x, t, out = case("twice", 3, (2, 6, 4), True)
    yield prop("twice", "a second call gives the same, and x and t are left as they were", inputs,
               exact(np.concatenate([out, x, t], axis=None), atol=2e-4), "Is something changed in place?")  # fmt: skip


# --------------------------------------------------------------------------------------------------------- mlp.init


@expects("mlp.init")
def init(rng: np.random.Generator) -> Iterator[Property]:
    narrow, wide = int(rng.integers(17, 24)), int(rng.integers(380, 420))
    sizes = {"narrow": narrow, "wide": wide, "no_bias": False}
    for layer, fan_in, title in (
        ("first", narrow, f"weights of a Linear({narrow}, {wide}): right mean, variance and shape of the distribution"),
        ("inner", wide, f"weights of a Linear({wide}, {narrow}) that stands inside another module"),
        ("deep", narrow, f"weights of a Linear({narrow}, {wide}) that stands four modules deep, in one of another class"),
    ):
        target = Mixture.gaussian([0.0, 0.0], np.eye(2) * 2 / fan_in)
        yield prop(layer, title, {**sizes, "what": "weights", "layer": layer}, law(rng, target, narrow * wide),
                   "Which of the layer's two sizes sets the spread, and is the number you pass a variance?")  # fmt: skip
    target = Mixture.gaussian([0.0, 0.0], np.eye(2) * 2 / narrow)
    yield prop("independent", "every weight is drawn on its own, anew in every network", {**sizes, "what": "weights",
               "layer": "first"}, rows_law(rng, target, narrow * wide), "Is one draw used in several places?")  # fmt: skip
    target = Mixture.gaussian(np.zeros(3), np.diag([2 / narrow, 2 / wide, 2 / narrow]))
    yield prop("layers", "the weights of three layers of one network have nothing to do with each other", {**sizes, "what": "layers"},
               law(rng, target, narrow * wide), "Is one draw used in several places?")  # fmt: skip
    yield prop("rank", "no unit of a layer is a copy or a mixture of others (the weights have full rank)",
               {**sizes, "what": "rank"}, exact(narrow), "Does every weight get a draw of its own?")  # fmt: skip
    others = np.concatenate([np.zeros(2 * wide + narrow + 3), np.full(2 * narrow, 0.625)])
    yield prop("others", "biases are 0, and the parameters of a LayerNorm stay as they were", {**sizes, "what": "others"},
               exact(others), "Which parameters does your loop reach?")  # fmt: skip
    yield prop("embedding", "a table of another module, nn.Embedding, stays as it was", {**sizes, "what": "embedding"},
               exact(np.full((4, 5), 0.625)), "Which parameters does your loop reach?")  # fmt: skip
    others = np.concatenate([np.zeros(2 * wide + narrow), np.full(2 * narrow, 0.625)])
    yield prop("no-bias", "a linear layer without bias is no obstacle", {**sizes, "no_bias": True, "what": "others"},
               exact(others), "With bias=False a layer's bias is None.")  # fmt: skip
    wide = 900
    yield prop("large", f"the weights of a Linear({wide}, {wide}): the variance of its weights, and how many of them are far from 0",
               {**sizes, "wide": wide, "what": "large", "radius": RADIUS * np.sqrt(2 / wide)}, size_and_ends(2 / wide, wide, wide),
               "Which modules does your loop reach, and is something done to the numbers that are drawn?")  # fmt: skip
    x, c = points(rng, 4, narrow), points(rng, 4, 3)
    yield prop("grad", "the weights still learn: they get their gradient", {**sizes, "what": "grad", "x": x, "weights": c},
               exact(c.T @ x, atol=1e-4), "Are the new weights still parameters of the layer?")  # fmt: skip
    many = 8_000
    yield prop("few", f"the weights of a Linear(2, {many:,}): normal with variance 2/2", {**sizes, "what": "few", "many": many},
               law(rng, Mixture.gaussian(np.zeros(2), np.eye(2)), many), "Is something cut off where the weights are large?")  # fmt: skip
