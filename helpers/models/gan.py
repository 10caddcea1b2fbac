"""A generative adversarial network of MNIST digits, to compare diffusion with: one pass through a generator gives an image.

Two networks play against each other (Goodfellow et al., 2014): a critic learns to tell digits from the generator's, the generator learns to
be taken for real. Left alone such games often cycle or collapse. What keeps this one in balance: spectral normalisation of the critic
(Miyato et al., 2018) with the hinge loss, Adam with little momentum, a generator that learns no faster than its critic, and a running average of the
generator's weights, which alone is shipped. `models.load("gan").sample(64)` draws; `python -m helpers.models.gan --minutes 4 --seed 0` trains it
again, on one CPU thread.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F
from torch.nn.utils.parametrizations import spectral_norm

from helpers.images import scaled
from helpers.models import _budget

LATENT = 64


class Generator(nn.Module):
    """From noise (n, 64) to images (n, 1, 28, 28) in [-1, 1]."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(
            nn.Linear(LATENT, 128 * 49, bias=False), nn.Unflatten(1, (128, 7, 7)), nn.BatchNorm2d(128), nn.ReLU(),
            nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1, bias=False), nn.BatchNorm2d(64), nn.ReLU(),
            nn.ConvTranspose2d(64, 1, 4, stride=2, padding=1), nn.Tanh(),
        )  # fmt: skip

    def forward(self, z: torch.Tensor) -> torch.Tensor:
        """The images of noise z (n, 64)."""
        return self.net(z)

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None) -> torch.Tensor:
        """n new digits (n, 1, 28, 28) in [-1, 1]."""
        return self(torch.randn(n, LATENT, generator=generator))


def critic() -> nn.Sequential:
    """The network that says how real an image (n, 1, 28, 28) looks, (n, 1); it is needed in training only."""
    layers = [
        nn.Conv2d(1, 32, 4, stride=2, padding=1), nn.Conv2d(32, 64, 4, stride=2, padding=1),
        nn.Conv2d(64, 128, 3, stride=2, padding=1), nn.Linear(128 * 16, 1),
    ]  # fmt: skip
    parts: list[nn.Module] = []
    for layer in layers[:-1]:
        parts += [spectral_norm(layer), nn.LeakyReLU(0.1)]
    return nn.Sequential(*parts, nn.Flatten(), spectral_norm(layers[-1]))


def build() -> Generator:
    """The untrained generator."""
    return Generator()


def train(budget: _budget.Budget, seed: int, batch: int = 64) -> Generator:
    """Spend the budget; gives the generator with running averages of its weights."""
    torch.manual_seed(seed)
    maker, judge = (network.to(memory_format=torch.channels_last) for network in (build(), critic()))
    average = _budget.averaged(maker)
    adams = [torch.optim.Adam(network.parameters(), betas=(0.5, 0.99)) for network in (maker, judge)]
    for images, done in budget.batches(batch, average.module):
        for adam, rate in zip(adams, (1e-3, 1e-3), strict=True):
            adam.param_groups[0]["lr"] = rate * min(1.0, 2 * (1 - done))
        with _budget.fast():
            made = maker(torch.randn(batch, LATENT))
            real, fake = judge(torch.cat([scaled(images), made.detach()])).float().chunk(2)
        critic_loss = F.relu(1 - real).mean() + F.relu(1 + fake).mean()
        _step(adams[1], critic_loss)
        with _budget.fast():
            generator_loss = -judge.requires_grad_(False)(made).float().mean()
        _step(adams[0], generator_loss)
        judge.requires_grad_(True)
        average.update_parameters(maker)
        budget.note(generator=generator_loss, critic=critic_loss)
    return average.module


def _step(adam: torch.optim.Adam, loss: torch.Tensor) -> None:
    adam.zero_grad()
    loss.backward()
    adam.step()


def main() -> None:
    """Train the generative adversarial network and write the generator's weights."""
    _budget.main("gan", train, main.__doc__)


if __name__ == "__main__":
    main()
