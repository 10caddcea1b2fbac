"""How far two samples are apart, without training anything."""

from __future__ import annotations

from collections.abc import Callable, Iterable

import numpy as np
import torch


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
