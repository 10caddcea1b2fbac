"""The models that diffusion is compared with: they load, repeat themselves, and draw what they were trained on."""

from __future__ import annotations

import json
import math
import subprocess
import sys

import pytest
import torch

from helpers import data, models
from helpers.metrics import w2_ratio
from helpers.models import coupling

PICTURES = ("vae", "gan", "flow")
WORST = {"two_gaussians": 1.3, "chequerboard": 2.0}
"""Sliced W2 over its sampling floor at most. A normal with the data's mean and covariance is at 5 and 7."""
FAR = {"vae": 200, "gan": 120, "flow": 250}
"""Fréchet distance of 500 samples at most. Black images are at 750, noise is above 3,000."""
ENTROPY = {"two_gaussians": math.log(2) + math.log(2 * math.pi * math.e * 0.3**2), "chequerboard": math.log(8)}


@pytest.fixture(scope="module")
def flows():
    return models.load("coupling")


@pytest.mark.parametrize("name", coupling.SETS)
def test_the_density_of_a_coupling_flow_integrates_to_one(flows, name):
    line = torch.linspace(-3, 3, 301)
    density = torch.cat([flows[name].log_prob(part).exp() for part in torch.cartesian_prod(line, line).split(50_000)])
    assert density.sum().item() * (line[1] - line[0]) ** 2 == pytest.approx(1, abs=2e-3)


@pytest.mark.parametrize("name", coupling.SETS)
def test_samples_of_a_coupling_flow_have_its_density(flows, name):
    """The share of samples in each of 16 cells is the integral of the density over it."""
    n, flow = 40_000, flows[name]
    points = flow.sample(n, torch.Generator().manual_seed(3))
    line = torch.linspace(-2.5, 2.5, 241)
    middles = (line[1:] + line[:-1]) / 2
    mass = flow.log_prob(torch.cartesian_prod(middles, middles)).exp().view(4, 60, 4, 60).sum((1, 3)) * (5 / 240) ** 2
    inside = points[(points.abs() < 2.5).all(1)]
    column, row = ((inside + 2.5) / 1.25).long().clamp(0, 3).T
    share = torch.bincount(4 * column + row, minlength=16).view(4, 4) / n
    assert ((share - mass).abs() < 5 * (mass / n).sqrt() + 2e-4).all()


@pytest.mark.parametrize("name", coupling.SETS)
def test_inverse_undoes_forward(flows, name):
    x = coupling.SETS[name](500)
    z = x
    for layer in flows[name].couplings:
        z, _ = layer(z)
    for layer in reversed(flows[name].couplings):
        z = layer.inverse(z)
    torch.testing.assert_close(z, x, atol=1e-3, rtol=1e-3)


@pytest.mark.parametrize("name", coupling.SETS)
def test_coupling_flows_fit_their_sets(flows, name):
    torch.manual_seed(0)
    draw = coupling.SETS[name]
    assert w2_ratio(flows[name].sample, draw, 5000, range(3)) < WORST[name]
    likelihood = flows[name].log_prob(draw(20_000)).mean().item()
    assert ENTROPY[name] - 0.02 < -likelihood < ENTROPY[name] + 0.25
    assert float(flows.card[f"{name}_nll"]) == pytest.approx(-likelihood, abs=0.03)


def test_two_gaussians_has_a_gap():
    torch.manual_seed(0)
    points = data.two_gaussians(10_000)
    assert points.shape == (10_000, 2)
    torch.testing.assert_close(points[points[:, 0] > 0].mean(0), torch.tensor([1.0, -1.0]), atol=0.02, rtol=0)
    assert ((points[:, 0] - points[:, 1]).abs() < 0.5).float().mean() < 0.001


@pytest.mark.parametrize("name", PICTURES)
def test_digits_have_the_right_shape_and_range_and_repeat(name):
    network = models.load(name)
    first, again, other = (network.sample(20, torch.Generator().manual_seed(seed)) for seed in (0, 0, 1))
    assert first.shape == (20, 1, 28, 28) and first.dtype == torch.float32
    assert first.min() >= -1 and first.max() <= 1
    assert torch.equal(first, again) and not torch.equal(first, other)
    assert network.sample(1).shape == (1, 1, 28, 28)


@pytest.mark.parametrize("name", PICTURES)
def test_cards_and_curves_tell_the_same_story(name):
    network, curves = models.load(name), models.curves(name)
    assert {"cpu_seconds", "images_seen", "seed", "data", "fd", "cpu_seconds_1000_samples"} <= set(network.card)
    assert models.WEIGHTS.joinpath(f"{name}.safetensors").stat().st_size < 1.5e6
    assert all(len(losses) == len(curves["seconds"]) <= 200 for losses in curves["losses"].values())
    assert len(curves["fd"]) == len(curves["fd_seconds"]) == 10
    assert curves["fd_seconds"][-1] == pytest.approx(float(network.card["cpu_seconds"]), abs=2)
    assert curves["fd"][-1] == pytest.approx(float(network.card["fd"].split()[0]), rel=0.3)


def test_curves_of_a_network_without_any_say_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"python -m helpers\.models\.vae"):
        models.curves("vae", folder=tmp_path)


@pytest.mark.slow  # 500 samples through the flow, and the classifier over the test images: some seconds
@pytest.mark.parametrize("name", PICTURES)
def test_digits_look_like_digits_to_the_classifier(name):
    from helpers.pictures import frechet_distance

    distance = frechet_distance(models.load(name).sample(500, torch.Generator().manual_seed(5)))
    assert distance < FAR[name]


def test_the_picture_flow_gives_the_density_of_its_map():
    """log_prob against the determinant of the Jacobian by autograd, on a small level of each kind; and a sample undoes it."""
    from helpers.models.flow import Coupling, Level, halves, local

    torch.manual_seed(0)
    maps = [Coupling(torch.arange(3) == i, local(3, 2, 4)) for i in range(3)]
    for level, given in (
        (Level(halves(6, 4, 2, 8), (6,)), torch.randn(1, 2)),
        (Level(maps, (3, 2, 2)), torch.randn(1, 1, 2, 2)),
    ):
        for parameter in level.eval().parameters():
            parameter.data += 0.2 * torch.randn_like(parameter)
        x = level.sample(given, 1.0, torch.Generator().manual_seed(0))

        def undo(z, level=level, given=given):
            for layer in reversed(level.couplings):
                z = layer.inverse(z, given)
            return z * level.log_spread.exp() + level.centre

        noise = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
        torch.testing.assert_close(undo(noise), x)
        size = noise.numel()
        jacobian = torch.autograd.functional.jacobian(undo, noise).view(size, size)
        expected = torch.distributions.Normal(0.0, 1.0).log_prob(noise).sum() - torch.linalg.slogdet(jacobian).logabsdet
        torch.testing.assert_close(level.log_prob(x, given)[0], expected, atol=1e-3, rtol=1e-3)


def test_haar_is_a_rotation_that_can_be_undone():
    from helpers.models.flow import HAAR, back, haar

    torch.testing.assert_close(HAAR @ HAAR.T, torch.eye(4))
    images = torch.rand(3, 1, 28, 28)
    small, details = haar(images)
    assert small.shape == (3, 1, 14, 14) and details.shape == (3, 3, 14, 14)
    torch.testing.assert_close(back(small, details), images)


@pytest.mark.full
@pytest.mark.parametrize("name", PICTURES)
def test_a_short_training_writes_weights_card_and_curves(name, tmp_path):
    command = [sys.executable, "-m", f"helpers.models.{name}", "--minutes", "0.1", "--samples", "500", "--to", str(tmp_path)]
    done = subprocess.run(command, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    network = models.load(name, folder=tmp_path)
    assert network.sample(3).isfinite().all()
    curves = json.loads((tmp_path / f"{name}.json").read_text(encoding="utf-8"))
    assert all(
        losses[-1] < losses[0] for key, losses in curves["losses"].items() if key in ("reconstruction", "bits_per_pixel")
    )


@pytest.mark.full
def test_training_a_coupling_flow_repeats():
    (first, numbers), (again, _) = (coupling.train("two_gaussians", steps=30, seed=4) for _ in range(2))
    assert all(torch.equal(a, b) for a, b in zip(first.parameters(), again.parameters(), strict=True))
    assert numbers["steps"] == 30
