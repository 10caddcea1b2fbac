"""What notebook 01's tasks should give."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from autograder.exact import Mixture
from autograder.expected import Property, expects, law, prop, rows_law


def random_cov(rng: np.random.Generator, d: int, correlation: float = 0.7) -> np.ndarray:
    """A covariance with unequal variances (0.3 to 2.5) and clear correlations."""
    scale = np.exp(rng.uniform(np.log(0.55), np.log(1.6), d))
    signs = rng.choice([-1.0, 1.0], d)
    shared = np.full((d, d), correlation * rng.uniform(0.8, 1.1)) * np.outer(signs, signs)
    np.fill_diagonal(shared, 1.0)
    return shared * np.outer(scale, scale)


@expects("sampling.gaussian")
def gaussian(rng: np.random.Generator) -> Iterator[Property]:
    n = 20_000
    for d in (2, 1, 5):
        mean, cov = rng.uniform(-3, 3, d), random_cov(rng, d)
        target = Mixture.gaussian(mean, cov)
        inputs = {"n": n, "mean": mean, "cov": cov}
        yield prop(f"law{d}", f"{n:,} samples in {d}D have the right mean, covariance and shape", inputs, law(rng, target, n),
                   "Which matrix turns independent normals into correlated ones, and from which side?")  # fmt: skip
        if d == 2:
            yield prop("rows", "every row is drawn on its own", inputs, rows_law(rng, target, n))
