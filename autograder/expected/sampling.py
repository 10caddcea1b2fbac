"""What notebook 01's tasks should give."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray
from scipy.stats import binom, norm

from autograder.exact import Mixture, UniformCells
from autograder.exact import chequerboard as chequerboard_law
from autograder.expected import (
    RADIUS,
    Property,
    again,
    alone,
    balance,
    draws,
    exact,
    expects,
    law,
    prop,
    rows_law,
    size,
    size_and_ends,
    within,
)
from helpers.judge import FALSE_ALARM


def random_cov(rng: np.random.Generator, d: int, correlation: float = 0.7) -> np.ndarray:
    """A covariance with unequal variances (0.3 to 2.5) and clear correlations."""
    scale = np.exp(rng.uniform(np.log(0.55), np.log(1.6), d))
    signs = rng.choice([-1.0, 1.0], d)
    shared = np.full((d, d), correlation * rng.uniform(0.8, 1.1)) * np.outer(signs, signs)
    np.fill_diagonal(shared, 1.0)
    return shared * np.outer(scale, scale)


def float32(a: ArrayLike) -> np.ndarray:
    """Rounded to float32, as the student's code gets it."""
    return np.asarray(a, dtype=np.float32).astype(float)


@dataclass(frozen=True)
class RowMean:
    """The law of the mean of n independent rows, each with the law `one`."""

    one: Any
    n: int

    @property
    def mean(self) -> np.ndarray:
        """E of the mean, (d,)."""
        return self.one.mean

    @property
    def cov(self) -> np.ndarray:
        """Its covariance, (d, d)."""
        return self.one.cov / self.n

    def characteristic(self, w: ArrayLike) -> NDArray[np.complex128]:
        """E exp(i w.mean), (k, d) -> (k,)."""
        return self.one.characteristic(np.asarray(w) / self.n) ** self.n


INDEPENDENT = "Is every row drawn anew, and does nothing but chance decide about it?"


def one_call(rng: np.random.Generator, name: str, title: str, inputs: dict, target: Any, n: int, look: str = "") -> Property:
    """The law of the rows of one call."""
    return prop(name, title, {**inputs, "view": "rows", "n": n}, law(rng, target, n), look)


def neighbours(rng: np.random.Generator, inputs: dict, target: Any, n: int, look: str = INDEPENDENT) -> Property:
    """Neighbouring rows of one call are independent."""
    return prop("rows", "neighbouring rows are independent of each other", {**inputs, "view": "rows", "n": n},
                rows_law(rng, target, n), look)  # fmt: skip


def row_means(rng: np.random.Generator, inputs: dict, target: Any, n: int, calls: int) -> Property:
    """All rows of a call are independent, and differ between calls: the mean of a call's rows has the right law."""
    d = len(target.mean)
    return prop("means", f"the mean of {n} rows varies from call to call as it does for independent rows",
                {**inputs, "view": "means", "n": n, "d": d, "calls": calls}, law(rng, RowMean(target, n), calls),
                INDEPENDENT)  # fmt: skip


def single_rows(rng: np.random.Generator, inputs: dict, target: Any, calls: int) -> Property:
    """The law of n = 1, over many calls."""
    d = len(target.mean)
    return prop("single", f"n = 1 works, and {calls:,} calls of it follow the law",
                {**inputs, "view": "calls", "n": 1, "d": d, "calls": calls}, law(rng, target, calls),
                "What does your code do when it is asked for one row?")  # fmt: skip


def never_twice(name: str, inputs: dict, d: int, n: int, calls: int) -> Property:
    """No row of some calls comes a second time. (Two of 500 rows of float32 numbers on the board agree with a probability below 1e-9.)"""
    return prop(name, f"{calls:,} calls of n = {n}: no row comes a second time (1 if one does)",
                {**inputs, "view": "twice", "n": n, "d": d, "calls": calls}, exact(0.0), INDEPENDENT)  # fmt: skip


# ----------------------------------------------------------------------------------------------------------- Gaussians


@expects("sampling.gaussian")
def gaussian(rng: np.random.Generator) -> Iterator[Property]:
    n = 10_000
    for d in (2, 1, 5):
        mean, cov = rng.uniform(1, 3, d) * rng.choice([-1, 1], d), random_cov(rng, d)
        target = Mixture.gaussian(mean, cov)
        inputs = {"mean": mean, "cov": cov}
        yield one_call(rng, f"law{d}", f"{n:,} samples in {d}D have the right mean, covariance and shape", inputs, target, n,
                       "Which matrix turns independent normals into correlated ones, and from which side?")  # fmt: skip
        if d == 2:
            yield again({**inputs, "view": "again", "n": 100})
            yield neighbours(rng, inputs, target, 6_000)
            yield row_means(rng, inputs, target, 4, 1_000)
            yield single_rows(rng, inputs, target, 1_000)
    n, d, radius = 20_000, 20, 3.55
    chance = 2 * norm.sf(radius)  # that one of n * d independent numbers is farther out than that
    mean, sd = rng.uniform(1, 3, d) * rng.choice([-1, 1], d), rng.uniform(0.5, 1.5, d)
    yield prop("far", "numbers more than 3.55 standard deviations from the mean are as frequent as they should be",
               {"view": "far", "n": n, "mean": mean, "sd": sd, "radius": radius},
               draws(d * chance, np.sqrt(d * chance * (1 - chance)), n),
               "Are the numbers that you start from normal, with all their far ends?")  # fmt: skip
    yield balance({"view": "balance", "mean": mean, "sd": sd})
    d, n = 200, 4_000
    yield prop("size", "the variance of 800,000 independent numbers, in units of what it should be",
               {"view": "size", "n": n, "mean": rng.uniform(-2, 2, d), "sd": rng.uniform(0.5, 1.5, d)}, size(1.0, d, n),
               "Have the numbers that you start from variance 1, and is something done to them afterwards?")  # fmt: skip
    mean, cov = rng.uniform(1, 3, 2) * rng.choice([-1, 1], 2), 1e-4 * random_cov(rng, 2)
    yield one_call(rng, "narrow", "4,000 samples of a Gaussian that is a hundredth as wide", {"mean": mean, "cov": cov},
                   Mixture.gaussian(mean, cov), 4_000, "Is something added to the covariance?")  # fmt: skip


def _points(rng: np.random.Generator, mean: np.ndarray, cov: np.ndarray, distances: list[float]) -> np.ndarray:
    """One point at each Mahalanobis distance, in random directions."""
    z = rng.standard_normal((len(distances), len(mean)))
    z *= np.asarray(distances)[:, None] / np.linalg.norm(z, axis=1, keepdims=True)
    return float32(mean + z @ np.linalg.cholesky(cov).T)


@expects("sampling.log_prob")
def log_prob(rng: np.random.Generator) -> Iterator[Property]:
    normaliser = "Which terms are left when x is the mean? How do they depend on d and on the covariance?"
    cases = (
        ("plane", "7 points in 2D", 2, [0.0, 0.3, 0.7, 1.1, 1.6, 2.2, 3.0], 1.0, normaliser),
        ("line", "3 points in 1D", 1, [0.2, 1.1, 2.5], 1.0, normaliser),
        ("five", "3 points in 5D", 5, [0.5, 1.7, 3.1], 1.0, normaliser),
        ("square", "as many points as dimensions (n = d = 3)", 3, [0.6, 1.4, 2.3], 1.0, ""),
        ("single", "one point (n = 1) in 2D", 2, [1.3], 1.0, "What shape has the result for x of shape (1, d)?"),
        ("small", "a narrow Gaussian, with variances around 0.001", 2, [0.0, 0.8, 1.9], 1e-3, normaliser),
        ("tails", "far in the tails, up to 50 standard deviations out", 2, [12.0, 20.0, 35.0, 50.0], 1.0,
         "How large is the density itself out there, and which numbers can float32 hold?"),
    )  # fmt: skip
    for name, title, d, distances, scale, look in cases:
        mean, cov = float32(rng.uniform(-3, 3, d)), float32(scale * random_cov(rng, d))
        x = _points(rng, mean, cov, distances)
        inputs = {"x": x, "mean": mean, "cov": cov}
        yield prop(name, title, inputs, exact(Mixture.gaussian(mean, cov).log_prob(x), atol=1e-4), look)
    angle, mean = rng.uniform(0, 2 * np.pi), float32(rng.uniform(-3, 3, 2))
    axes = np.array([[np.cos(angle), -np.sin(angle)], [np.sin(angle), np.cos(angle)]])
    cov = float32(axes * np.array([1.0, 2e-4]) @ axes.T)
    x = _points(rng, mean, cov, [0.8, 1.5, 2.2])
    yield prop("flat", "a Gaussian that is seventy times wider in one direction than in the other", {"x": x, "mean": mean, "cov": cov},
               exact(Mixture.gaussian(mean, cov).log_prob(x), atol=0.02), "Does every direction count in the distance, the narrow one too?")  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ mixtures


def random_weights(rng: np.random.Generator, K: int) -> np.ndarray:
    """Clearly unequal weights in random order; multiples of 1/64, so that they sum to 1 in float32 too."""
    weights = {1: [64], 2: [44, 20], 3: [36, 18, 10], 4: [30, 18, 10, 6]}[K]
    return rng.permutation(weights) / 64


def random_mixture(rng: np.random.Generator, K: int, d: int, spread: float = 2.5) -> Mixture:
    """K components with means about `spread` from the origin and from each other, each with a covariance of its own."""
    means = rng.standard_normal((200, K, d))
    means *= spread / np.linalg.norm(means, axis=2, keepdims=True)
    if K > 1:  # of 200 proposals the one whose means are farthest apart
        apart = np.linalg.norm(means[:, :, None] - means[:, None], axis=-1) + 9 * spread * np.eye(K)
        means = means[[apart.min((1, 2)).argmax()]]
    means = means[0] * rng.uniform(0.8, 1.2, (K, 1)) + rng.uniform(-1, 1, d)
    shrink = rng.uniform(0.25, 0.6, (K, 1, 1))
    covs = float32(shrink * np.stack([random_cov(rng, d) for _ in range(K)]))
    return Mixture(random_weights(rng, K), float32(means), covs)


def _with_zero(rng: np.random.Generator, mixture: Mixture, distance: float = 14) -> tuple[Mixture, int]:
    """The mixture with one more component, far away and of weight zero, and its position."""
    k = int(rng.integers(len(mixture.weights) + 1))
    away = rng.standard_normal(mixture.dim)
    mean = float32(mixture.mean + distance * away / np.linalg.norm(away))
    return Mixture(
        np.insert(mixture.weights, k, 0.0),
        np.insert(mixture.means, k, mean, axis=0),
        np.insert(mixture.covs, k, float32(0.3 * random_cov(rng, mixture.dim)), axis=0),
    ), k


def _inputs(mixture: Mixture) -> dict[str, np.ndarray]:
    return {"weights": mixture.weights, "means": mixture.means, "covs": mixture.covs}


@expects("sampling.mixture")
def mixture(rng: np.random.Generator) -> Iterator[Property]:
    look = "How often is each component chosen, and which mean and covariance go with it?"
    target = random_mixture(rng, 3, 2)
    yield one_call(rng, "law2", "8,000 samples of 3 unequal components in 2D follow the mixture", _inputs(target), target,
                   8_000, look)  # fmt: skip
    yield again({**_inputs(target), "view": "again", "n": 100})
    yield neighbours(rng, _inputs(target), target, 6_000, "Are the rows in random order, or sorted by component?")
    yield row_means(rng, _inputs(target), target, 3, 1_000)
    yield single_rows(rng, _inputs(target), target, 1_000)
    # Components so far apart that every row shows which one it came from; one of the last two is looked at.
    angle = rng.uniform(0, 2 * np.pi) + np.arange(3) * 2 * np.pi / 3
    covs = np.stack([random_cov(rng, 2) for _ in range(3)])
    k = int(rng.integers(1, 3))
    weights = np.roll([16, 28, 20], k - 1) / 64
    far = Mixture(weights, 60 * np.stack([np.cos(angle), np.sin(angle)], axis=1), covs)
    keep = 2_500
    yield prop("part", f"the rows of component {k}, far from the others, have that component's mean and covariance",
               {**_inputs(far), "view": "near", "n": 7_000, "centre": far.means[k], "radius": 30.0, "keep": keep},
               law(rng, Mixture.gaussian(far.means[k], covs[k]), keep),
               "Does each component use its own covariance, through a factor of it?")  # fmt: skip
    target, k = _with_zero(rng, random_mixture(rng, 3, 2), distance=40)
    yield prop("never", "a component of weight zero is never chosen",
               {**_inputs(target), "view": "count", "n": 2_000, "point": target.means[k], "radius": 13.0}, exact(0.0),
               "No row may come from that component: it lies far from all the others.")  # fmt: skip
    yield one_call(rng, "zero", "next to a component of weight zero the others keep their weights", _inputs(target), target,
                   4_000, look)  # fmt: skip
    d, n, sd = 32, 20_000, rng.uniform(0.5, 1.5, (2, 32))
    centres = 40 * np.eye(2, d)
    wide = {"weights": [0.5, 0.5], "means": centres, "covs": np.stack([np.diag(row**2) for row in sd])}
    yield prop("size", f"the variance around the centres of two components far from each other, from {n * d:,} numbers, in units of what it should be",
               {**wide, "view": "size", "n": n, "sd": sd}, size(1.0, d, n),
               "Have the numbers that you start from variance 1, and is something done to them afterwards?")  # fmt: skip
    target = random_mixture(rng, 2, 1)
    yield one_call(rng, "law1", "5,000 samples of 2 components in 1D", _inputs(target), target, 5_000, look)
    target = random_mixture(rng, 4, 5)
    yield one_call(rng, "law5", "5,000 samples of 4 components in 5D", _inputs(target), target, 5_000, look)
    target = random_mixture(rng, 1, 2)
    yield one_call(rng, "lone", "a mixture of one component is a Gaussian", _inputs(target), target, 3_000, look)
    target, k, n = *_with_zero(rng, random_mixture(rng, 2, 2), distance=40), 10_000
    weights = np.insert(np.array([100, 155]) / 256, k, 1 / 256)
    counts = binom(n, 1 / 256)
    yield prop("rare", f"of {n:,} rows about as many as should be come from a component of weight 1/256",
               {**_inputs(target), "weights": weights, "view": "count", "n": n, "point": target.means[k], "radius": 13.0},
               within(counts.ppf(FALSE_ALARM / 2), counts.isf(FALSE_ALARM / 2)), "Is a weight rounded somewhere?")  # fmt: skip


@expects("sampling.mixture_log_prob", needs=("sampling.log_prob",))
def mixture_log_prob(rng: np.random.Generator) -> Iterator[Property]:
    look = "Which is summed over the components, the densities or their logarithms? And where do the weights enter?"
    cases = (
        ("plane", "7 points, 3 components in 2D", 3, 2, 7),
        ("line", "one point (n = 1), 2 components in 1D", 2, 1, 1),
        ("five", "3 points, 4 components in 5D", 4, 5, 3),
        ("square", "as many points as components and dimensions (n = K = d = 3)", 3, 3, 3),
        ("lone", "a mixture of one component is a Gaussian", 1, 2, 3),
    )
    for name, title, K, d, n in cases:
        target = random_mixture(rng, K, d, spread=1.2)
        k = np.arange(n) % K  # points near each of the components, pulled to the middle, where components overlap
        x = float32(0.6 * target.means[k] + 0.4 * target.mean + 0.5 * rng.standard_normal((n, d)))
        yield prop(name, title, {"x": x, **_inputs(target)}, exact(target.log_prob(x), atol=1e-4), look)
    target, k = _with_zero(rng, random_mixture(rng, 3, 2))
    x = float32(np.concatenate([target.means, target.means[:1] + 0.7]))
    yield prop("zero", "a component of weight zero adds nothing, even at its own mean", {"x": x, **_inputs(target)},
               exact(target.log_prob(x), atol=1e-4),
               "What is the logarithm of zero, and what becomes of it in your sum?")  # fmt: skip
    target = random_mixture(rng, 3, 2)
    z = rng.standard_normal((4, 2))
    x = float32(target.mean + 45 * z / np.linalg.norm(z, axis=1, keepdims=True) * np.array([[0.5], [0.8], [1.0], [1.4]]))
    yield prop("tails", "far in the tails, where every component's density underflows", {"x": x, **_inputs(target)},
               exact(target.log_prob(x), atol=1e-4),
               "The densities are 0 in float32 out there. Can the sum be taken without leaving the logarithms?")  # fmt: skip
    target, k = _with_zero(rng, random_mixture(rng, 2, 2))
    target = Mixture(np.insert(np.array([1024, 3071]) / 4096, k, 1 / 4096), target.means, target.covs)
    yield prop("rare", "a component of weight 1/4096 counts where it is alone", {"x": target.means, **_inputs(target)},
               exact(target.log_prob(target.means), atol=1e-4), "Which components do you add up?")  # fmt: skip


# ------------------------------------------------------------------------------------------------------------ toy data


TWO = Mixture(np.full(2, 0.5), np.array([[-1.0, -1.0], [1.0, 1.0]]), np.stack([0.09 * np.eye(2)] * 2))


@expects("sampling.two_gaussians")
def two_gaussians(rng: np.random.Generator) -> Iterator[Property]:
    yield one_call(rng, "law", "8,000 samples follow the mixture", {}, TWO, 8_000, "Where are the two blobs, and how wide?")
    yield again({"view": "again", "n": 100})
    yield neighbours(rng, {}, TWO, 6_000, "Are the rows in random order, or sorted by component?")
    k = int(rng.integers(2))
    yield prop("part", f"the blob at ({'-+'[k]}1, {'-+'[k]}1) has the right centre and width",
               {"view": "near", "n": 8_000, "centre": TWO.means[k], "radius": 1.9, "keep": 3_500},
               law(rng, Mixture.gaussian(TWO.means[k], TWO.covs[k]), 3_500),
               "Which number is the standard deviation, which the variance?")  # fmt: skip
    n, d = 300_000, 200  # so many numbers are looked at together
    yield prop("size", f"the variance around the centres, from {2 * n:,} numbers", {"view": "size", "n": n, "width": d},
               size(0.09, d, 2 * n // d), "How wide is each blob, and is something done to the normal numbers?")  # fmt: skip
    yield row_means(rng, {}, TWO, 5, 1_000)
    yield single_rows(rng, {}, TWO, 1_000)


@expects("sampling.chequerboard")
def chequerboard(rng: np.random.Generator) -> Iterator[Property]:
    target: UniformCells = chequerboard_law()
    n = int(rng.integers(3_001, 4_000)) | 1  # odd
    yield prop("support", f"all of {n:,} points lie inside a black square",
               {"view": "outside", "n": n, "lows": target.lows, "highs": target.highs}, within(0.0, 1e-5, (n,)),
               "Which squares are black? Test your rule on the lower-left square, and on x below 0.")  # fmt: skip
    yield one_call(rng, "law", "10,000 samples fill all black squares evenly", {}, target, 10_000,
                   "Is each of the 8 squares chosen equally often, and is each filled evenly?")  # fmt: skip
    place = UniformCells(np.zeros((1, 2)), np.ones((1, 2)))
    yield prop("place", "within the squares the points are spread evenly in both directions", {"view": "place", "n": 6_000},
               law(rng, place, 6_000), "How is the place within a square drawn?")  # fmt: skip
    n, width = 20_000, 0.0125
    chance = 1 - (1 - 2 * width) ** 2
    yield prop("edges", f"the share of {n:,} points that are within 1/80 of the edge of a square", {"view": "edges", "n": n, "width": width},
               draws(chance, np.sqrt(chance * (1 - chance)), n), "How is the place within a square drawn?")  # fmt: skip
    yield again({"view": "again", "n": 100})
    yield neighbours(rng, {}, target, 6_000)
    yield row_means(rng, {}, target, 3, 1_000)
    yield single_rows(rng, {}, target, 1_000)
    yield never_twice("twice", {}, 2, 1, 500)
    yield never_twice("copies", {}, 2, 250, 2)


# ------------------------------------------------------------------------------------------------------------- perturb


@expects("sampling.perturb")
def perturb(rng: np.random.Generator) -> Iterator[Property]:
    def inputs(n: int, d: int, copies: int = 1, **more: Any) -> dict[str, Any]:
        return {"x0": float32(rng.uniform(0.7, 3, (n, d)) * rng.choice([-1, 1], (n, d))), "copies": copies,
                "alpha": float32(rng.permutation(np.linspace(0.3, 1.3, n) + rng.uniform(-0.05, 0.05, n))),
                "sigma": float32(rng.permutation(np.linspace(0.4, 1.6, n) + rng.uniform(-0.05, 0.05, n))), **more}  # fmt: skip

    look = "Row i is scaled by alpha[i] and sigma[i]. What shape must they have to meet x0 of shape (n, d)?"
    normal = Mixture.gaussian(np.zeros(2), np.eye(2))
    for name, title, n, d in (
        ("each", "x_t = α x_0 + σ ε with its own α and σ in each of 7 rows", 7, 2),
        ("square", "the same for n = d = 3", 3, 3),
        ("single", "the same for one row (n = 1) of 5 numbers", 1, 5),
        ("column", "the same for 4 rows of one number (d = 1)", 4, 1),
    ):
        yield prop(name, title, inputs(n, d, view="residual"), exact(np.zeros((n, d))), look)
    numbers = {"alpha": float(rng.uniform(0.3, 0.6)), "sigma": float(rng.uniform(0.7, 1.5))}
    yield prop("numbers", "the same with plain numbers for α and σ", {**inputs(3, 2, view="residual"), **numbers},
               exact(np.zeros((3, 2))), "α and σ may be Python numbers, too.")  # fmt: skip
    yield prop("whole", "the same with α = 1 and σ = 2", {**inputs(3, 2, view="residual"), "alpha": 1, "sigma": 2},
               exact(np.zeros((3, 2))), "A plain number may be whole.")  # fmt: skip
    yield prop("same", "the ε handed back is the noise that is in x_t", inputs(5, 2, copies=400, view="squares"),
               draws(np.zeros(2), np.full(2, 1e-4), 2_000, atol=1e-8), "How often is noise drawn in your code?")  # fmt: skip
    n, copies = 5, 1_600
    yield prop("noise", "ε is standard normal", inputs(n, 2, copies, view="eps"), law(rng, normal, n * copies),
               "Which of torch's random functions draws from N(0, 1)?")  # fmt: skip
    yield again(inputs(50, 2, view="again"))
    yield prop("rows", "neighbouring rows have independent noise", inputs(n, 2, 1_200, view="eps"),
               rows_law(rng, normal, n * 1_200), INDEPENDENT)  # fmt: skip
    yield prop("size", "the variance of ε, and how many of 800,000 numbers are far from 0", inputs(5, 200, 800, view="size", radius=RADIUS),
               size_and_ends(1.0, 200, 4_000),
               "Which of torch's random functions draws from N(0, 1), and is something done to its numbers?")  # fmt: skip
    yield prop("noised", "x_t has mean α x_0 and standard deviation σ", inputs(n, 2, copies, view="x_t"),
               law(rng, normal, n * copies), "Does σ scale the noise itself, or its square?")  # fmt: skip
    yield prop("means", "the mean noise of 4 rows varies from call to call as it does for independent rows",
               inputs(4, 2, view="means", calls=1_000), law(rng, RowMean(normal, 4), 1_000), INDEPENDENT)  # fmt: skip
    yield prop("alone", "500 calls with one row of two numbers: ε is standard normal", inputs(1, 2, view="calls", calls=500), alone(rng, normal),
               "Is something done to all numbers of ε together?")  # fmt: skip
    yield prop("inputs", "x0, alpha and sigma are not changed", inputs(3, 2, view="inputs"), exact(np.zeros(3)),
               "Operators such as += and functions that end in _ write into the tensor they are given.")  # fmt: skip
    numbers = {"alpha": float(rng.uniform(0.3, 0.6)), "sigma": float(rng.uniform(0.7, 1.5))}
    yield prop("inputs_numbers", "x0 is not changed by plain numbers α and σ either", {**inputs(3, 2, view="inputs"), **numbers},
               exact(np.zeros(3)), "Operators such as += and functions that end in _ write into the tensor they are given.")  # fmt: skip
