"""How far two samples are apart, without training anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch
from torch.distributions import MixtureSameFamily


def sliced_w2(x: torch.Tensor, y: torch.Tensor, n_projections: int = 128, generator: torch.Generator | None = None) -> float:
    """Sliced Wasserstein-2 distance: root mean square, over random directions, of the distance of sorted projections.

    Args:
        x, y: samples of the same shape (n, d).
        n_projections: number of directions.
        generator: for the directions; if None they are the same at every call.

    Returns:
        The distance, in units of x. Two samples of one distribution are not at 0 but at the sampling floor.
    """
    if x.shape != y.shape:
        raise ValueError(f"x has shape {tuple(x.shape)} and y {tuple(y.shape)}; they must agree.")
    generator = generator or torch.Generator().manual_seed(0)
    directions = torch.randn(x.shape[1], n_projections, generator=generator)
    directions = torch.nn.functional.normalize(directions, dim=0)
    first, second = (np.sort((directions.T @ sample.T).numpy()) for sample in (x, y))  # many times faster than torch's sort
    return float(np.sqrt(np.square(first - second).mean()))


def w2_ratio(
    draw_model: Callable[[int], torch.Tensor], draw_data: Callable[[int], torch.Tensor], n: int, draws: Iterable[int]
) -> float:
    """Mean sliced W2 between model and data, divided by the mean between two samples of the data (the sampling floor).

    Args:
        draw_model, draw_data: functions of n that give fresh (n, d) samples.
        n: size of each sample.
        draws: something to iterate over, one repetition each (a range or a progress bar).
    """
    model = floor = 0.0
    for _ in draws:
        points, one, two, three = draw_model(n), draw_data(n), draw_data(n), draw_data(n)
        model += sum(sliced_w2(points, data) for data in (one, two, three))
        floor += sliced_w2(one, two) + sliced_w2(two, three) + sliced_w2(three, one)
    return model / floor


def w1(samples: torch.Tensor, mixture: MixtureSameFamily) -> float:
    """Wasserstein-1 distance on the line: how far the samples have to move, on average, to lie like the mixture.

    Args:
        samples: (n,) or (n, 1).
        mixture: a `data.normal_mixture` in one dimension; its exact quantiles at (i - 1/2) / n are compared with the sorted samples.

    Returns:
        The mean distance, in units of the samples. Samples of the mixture itself are at `w1_floor` on average.
    """
    found = np.sort(samples.detach().double().flatten().numpy())
    return float(np.abs(found - quantiles(mixture, len(found))).mean())


def w1_floor(mixture: MixtureSameFamily, n: int, draws: int = 20) -> float:
    """The mean of `w1` for n samples of the mixture itself: a good sampler comes to it, and none goes below for long."""
    return sum(w1(mixture.sample((n,)), mixture) for _ in range(draws)) / draws


def quantiles(mixture: MixtureSameFamily, n: int) -> np.ndarray:
    """The n numbers below which the mixture has the shares 0.5 / n, 1.5 / n, ..., (n - 0.5) / n; float64, (n,)."""
    normals, weights = mixture.component_distribution.base_dist, mixture.mixture_distribution.probs.double()
    means, sds = normals.loc.double()[:, 0], normals.scale.double()[:, 0]
    x = torch.linspace((means - 8 * sds).min().item(), (means + 8 * sds).max().item(), 100_001, dtype=torch.float64)
    below = torch.special.ndtr((x[:, None] - means) / sds) @ weights
    return np.interp((np.arange(n) + 0.5) / n, below.numpy(), x.numpy())


class Lookup:
    """A network on the line, looked up in a table instead of computed: 100,000 samples become a matter of seconds.

    Calling it with x (B, 1) and integer t (B,), all equal as in a sampler, gives (B, 1). Between the 4,001 places of the table it is
    interpolated linearly; outside [-8, 8] it is constant.

    Args:
        network: called as network(x, t) with x (B, 1) and integer t (B,); returns (B, 1).
        T: the largest t.
    """

    def __init__(self, network: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], T: int) -> None:
        places = torch.linspace(-8, 8, 4001)[:, None]
        with torch.no_grad():
            self.rows = [network(places, torch.full((len(places),), t))[:, 0] for t in range(1, T + 1)]

    def __call__(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """The network at x, (B, 1)."""
        row, place = self.rows[int(t[0]) - 1], (x[:, 0].clamp(-8, 7.999) + 8) * 250
        below = place.long()
        return torch.lerp(row[below], row[below + 1], place - below)[:, None]
