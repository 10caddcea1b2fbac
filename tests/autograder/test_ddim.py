"""The closed forms of notebook 06: its elementwise step is the course's affine map, and its times are as documented."""

from __future__ import annotations

import numpy as np
import pytest

from autograder.exact import ddim_step
from autograder.expected import ddim


@pytest.mark.parametrize("eta", [0.0, 0.4, 1.0])
@pytest.mark.parametrize("there", [0.7, 1.0])
def test_the_elementwise_step_is_the_affine_map(eta, there):
    x, noise = np.array([0.3, -1.2]), np.array([0.5, 2.0])
    factor, offset, here = np.array([0.6, 0.9]), np.array([0.2, -0.4]), 0.25
    step = ddim_step(here, there, (np.diag(factor), offset), eta)
    moved = ddim.moved(x, factor * x + offset, here, there, eta, noise)
    np.testing.assert_allclose(moved, step(x[None])[0] + np.sqrt(np.diag(step.C)) * noise)


def test_a_step_up_with_the_same_noise_undoes_a_step_down():
    x, eps = np.array([0.3, -1.2]), np.array([1.1, 0.4])
    down = ddim.moved(x, eps, 0.2, 1.0)
    np.testing.assert_allclose(ddim.moved(down, eps, 1.0, 0.2), x)


def test_chosen_times_fall_strictly_from_the_last_one():
    for T in range(1, 40):
        for n in filter(lambda n, T=T: ddim.unambiguous(T, n), range(1, T + 1)):
            times = ddim.times(T, n)
            assert len(times) == n and times[0] == T - 1 and times[-1] >= 0 and (np.diff(times) < 0).all()


def test_the_exact_network_of_gaussian_data_keeps_their_law_with_many_steps():
    rng = np.random.default_rng(0)
    plan = ddim.SimpleNamespace(T=400, bars=np.concatenate([[1.0], np.cumprod(np.full(400, 0.985))]))
    mean, sd = rng.uniform(0.5, 1, 2), rng.uniform(0.5, 1, 2)
    law = ddim.through(ddim.maps(plan, ddim.knowing(plan, mean, sd), 400, 0.0), np.zeros(2), np.eye(2))
    np.testing.assert_allclose(law.mean, mean, atol=0.06)
    np.testing.assert_allclose(np.sqrt(np.diag(law.cov)), sd, rtol=0.05)
