"""Distances on the line, the table of a network, and the exact noise predictor."""

import numpy as np
import pytest
import torch

from autograder import exact
from helpers import data, metrics

LINE = data.normal_mixture([1, 2], [[-4.0], [4.0]], 1.0)


def test_quantiles_are_those_of_the_mixture():
    found = torch.tensor(metrics.quantiles(LINE, 999))
    below = (torch.special.ndtr(found + 4) + 2 * torch.special.ndtr(found - 4)) / 3
    assert below.numpy() == pytest.approx((np.arange(999) + 0.5) / 999, abs=1e-6)


def test_w1_of_shifted_quantiles_is_the_shift():
    samples = torch.tensor(metrics.quantiles(LINE, 1000))
    assert metrics.w1(samples[torch.randperm(1000)][:, None] + 0.25, LINE) == pytest.approx(0.25)


def test_true_samples_are_at_the_floor():
    torch.manual_seed(0)
    floor = metrics.w1_floor(LINE, 10_000)
    assert 0.02 < floor < 0.06  # the share on the right is off by 0.0047, times a distance of 8


def test_lookup_is_the_network():
    lookup = metrics.Lookup(lambda x, t: torch.sin(3 * x) * t[:, None], T=3)
    x = torch.linspace(-7.9, 7.9, 1001)[:, None]
    for t in (1, 3):
        assert lookup(x, torch.full((1001,), t)).numpy() == pytest.approx(t * torch.sin(3 * x).numpy(), abs=1e-4)


def test_exact_noise_is_the_expected_noise():
    alpha_bar, t = torch.tensor([1.0, 0.9, 0.4, 0.05]), torch.tensor([3, 1, 2, 2])
    x = torch.tensor([[0.3], [-3.0], [2.0], [-1.0]])
    law = exact.Mixture(np.array([1, 2]) / 3, np.array([[-4.0], [4.0]]), np.ones((2, 1, 1)))
    right = law.eps(x.numpy(), alpha_bar[t].sqrt().numpy(), (1 - alpha_bar[t]).sqrt().numpy())
    assert data.ExactNoise(LINE, alpha_bar)(x, t).numpy() == pytest.approx(right, abs=1e-4)
