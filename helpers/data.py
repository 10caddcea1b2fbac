"""Toy data in the plane, and the exact score of a noised mixture, through torch.distributions and autograd."""

from __future__ import annotations

from typing import Any

import torch
from torch.distributions import Categorical, Independent, MixtureSameFamily, Normal, Uniform

# A student's own alpha and sigma may be far off at first: a picture that looks wrong tells more than an exception.
_LENIENT = {"validate_args": False}


def normal_mixture(weights: Any, means: Any, sds: Any) -> MixtureSameFamily:
    """A mixture of normals with axis-parallel spread: weights (K,), means (K, d), sds (K, d) or anything that broadcasts."""
    means = torch.as_tensor(means, dtype=torch.float32)
    sds = torch.as_tensor(sds, dtype=torch.float32).expand_as(means)
    weights = torch.as_tensor(weights, dtype=torch.float32)
    return MixtureSameFamily(Categorical(probs=weights), Independent(Normal(means, sds), 1))


def ring_mixture(modes: int = 8, radius: float = 2.0, sd: float = 0.1) -> MixtureSameFamily:
    """Equal round normals, evenly spaced on a circle about the origin."""
    angles = 2 * torch.pi * torch.arange(modes) / modes
    centres = torch.polar(torch.full_like(angles, radius), angles)
    return normal_mixture(torch.ones(modes), torch.view_as_real(centres), sd)


def ring(n: int) -> torch.Tensor:
    """n points of eight normals with standard deviation 0.1 on a circle of radius 2, (n, 2)."""
    return ring_mixture().sample((n,))


def chequerboard(n: int) -> torch.Tensor:
    """n points, uniform on every other square of a 4 x 4 board over [-2, 2]^2, (n, 2); the lower-left square is empty.

    Notebook 01's board is the other half, so that this is no answer to its task.
    """
    squares = torch.tensor([(i - 2.0, j - 2.0) for i in range(4) for j in range(4) if (i + j) % 2])
    return MixtureSameFamily(Categorical(torch.ones(len(squares))), Independent(Uniform(squares, squares + 1), 1)).sample(
        (n,)
    )


def two_gaussians_mixture() -> MixtureSameFamily:
    """Two equal round normals with standard deviation 0.3 at (-1, 1) and (1, -1), with a gap between them.

    Notebook 01's two are on the other diagonal, so that this is no answer to its task.
    """
    return normal_mixture(torch.ones(2), [[-1.0, 1.0], [1.0, -1.0]], 0.3)


def two_gaussians(n: int) -> torch.Tensor:
    """n points of `two_gaussians_mixture`, (n, 2)."""
    return two_gaussians_mixture().sample((n,))


class ExactScore:
    """The score of data from a `normal_mixture` under noise: what a perfect network would return.

    Calling it with x (B, d) and t (B,) gives the score (B, d), so it can stand in for a network. The process supplies
    `alpha(t)` and `sigma(t)`.
    """

    def __init__(self, mixture: MixtureSameFamily, process: Any) -> None:
        self.mixture, self.process = mixture, process

    def density(self, t: torch.Tensor) -> MixtureSameFamily:
        """The law of x_t; for t of shape (B,) one law for each row."""
        normals, weights = self.mixture.component_distribution.base_dist, self.mixture.mixture_distribution.probs
        shrink, noise = self.process.alpha(t)[..., None, None], self.process.sigma(t)[..., None, None]
        noised = Normal(normals.loc * shrink, torch.hypot(normals.scale * shrink, noise), **_LENIENT)
        prior = Categorical(probs=weights.expand(*t.shape, -1), **_LENIENT)
        return MixtureSameFamily(prior, Independent(noised, 1, **_LENIENT), **_LENIENT)

    def __call__(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """The gradient of the log density at x, by autograd."""
        with torch.inference_mode(False), torch.enable_grad():
            x, t = x.detach().clone().requires_grad_(), t.detach().clone()
            total = self.density(t).log_prob(x).sum()
        return torch.autograd.grad(total, x)[0]


class ExactNoise:
    """The exact noise predictor of a discrete process on data from a `normal_mixture`: what a perfect network would return.

    Calling it with x (B, d) and integer t (B,) gives E[eps | x_t = x], (B, d), so it can stand in for a network.

    Args:
        mixture: the law of the data, in the units that the process works in.
        alpha_bar: (T + 1,); entry t belongs to t, and entry 0 is 1.
    """

    def __init__(self, mixture: MixtureSameFamily, alpha_bar: torch.Tensor) -> None:
        self.alpha_bar, self.score = alpha_bar, ExactScore(mixture, self)

    def alpha(self, t: torch.Tensor) -> torch.Tensor:
        """The coefficient of the data in x_t: what `ExactScore` asks a process for."""
        return self.alpha_bar[t].sqrt()

    def sigma(self, t: torch.Tensor) -> torch.Tensor:
        """The standard deviation of the noise in x_t: what `ExactScore` asks a process for."""
        return (1 - self.alpha_bar[t]).sqrt()

    def __call__(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """The predicted noise, (B, d)."""
        return torch.einsum("b, bd -> bd", -self.sigma(t), self.score(x, t))
