"""A variational autoencoder of MNIST digits, to compare diffusion with: one pass through a decoder gives an image.

An encoder gives for each image a normal in 10 dimensions, a decoder turns points of it back into images, and the loss is the negative
evidence lower bound (Kingma and Welling, 2014, "Auto-encoding variational Bayes"): what it costs to tell the image by its point, plus
what it costs to tell the point. `models.load("vae").sample(64)` draws; `python -m helpers.models.vae --minutes 4 --seed 0` trains it
again, on one CPU thread.
"""

from __future__ import annotations

import torch
from torch import nn
from torch.nn import functional as F

from helpers.images import scaled
from helpers.models import _budget

LATENT = 10


class VAE(nn.Module):
    """Encoder and decoder between images (n, 1, 28, 28) in [-1, 1] and points (n, 10)."""

    def __init__(self, latent: int = LATENT) -> None:
        super().__init__()
        self.latent = latent
        self.encoder = nn.Sequential(
            nn.Conv2d(1, 32, 4, stride=2, padding=1), nn.SiLU(), nn.Conv2d(32, 64, 4, stride=2, padding=1), nn.SiLU(),
            nn.Conv2d(64, 128, 3, stride=2, padding=1), nn.SiLU(), nn.Flatten(), nn.Linear(128 * 16, 2 * latent),
        )  # fmt: skip
        self.decoder = nn.Sequential(
            nn.Linear(latent, 128 * 49), nn.Unflatten(1, (128, 7, 7)), nn.SiLU(), nn.Conv2d(128, 128, 3, padding=1), nn.SiLU(),
            nn.ConvTranspose2d(128, 64, 4, stride=2, padding=1), nn.SiLU(), nn.Conv2d(64, 64, 3, padding=1), nn.SiLU(),
            nn.ConvTranspose2d(64, 1, 4, stride=2, padding=1),
        )  # fmt: skip

    def encode(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Mean and log variance of each image's normal, (n, 10) each."""
        return self.encoder(x).chunk(2, dim=1)

    def decode(self, z: torch.Tensor) -> torch.Tensor:
        """The image that each point stands for: the mean, in [-1, 1], without the noise of the decoder's distribution."""
        return torch.tanh(self.decoder(z) / 2)

    def losses(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The two parts of the negative evidence lower bound in nats, summed over pixels and averaged over the batch.

        The first takes the ink of a pixel, in [0, 1], for the probability that the pixel is white, as is usual for these digits.
        """
        mean, log_variance = (part.float() for part in self.encode(x))
        z = mean + (log_variance / 2).exp() * torch.randn_like(mean)
        ink = F.binary_cross_entropy_with_logits(self.decoder(z).float(), (x + 1) / 2, reduction="sum")
        code = (mean.square() + log_variance.exp() - log_variance - 1).sum() / 2
        return ink / len(x), code / len(x)

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None) -> torch.Tensor:
        """n new digits (n, 1, 28, 28) in [-1, 1]."""
        return self.decode(torch.randn(n, self.latent, generator=generator))


def build() -> VAE:
    """The untrained autoencoder."""
    return VAE()


def train(budget: _budget.Budget, seed: int) -> VAE:
    """Spend the budget; gives running averages of the weights."""
    torch.manual_seed(seed)
    network = build().to(memory_format=torch.channels_last)
    average = _budget.averaged(network)
    adam = torch.optim.Adam(network.parameters())
    for images, done in budget.batches(128, average.module):
        adam.param_groups[0]["lr"] = 2e-3 * min(done / 0.02, (1 - done) / 0.98)
        with _budget.fast():
            reconstruction, code = network.losses(scaled(images))
        adam.zero_grad()
        (reconstruction + code).backward()
        adam.step()
        average.update_parameters(network)
        budget.note(reconstruction=reconstruction, code=code)
    return average.module


def main() -> None:
    """Train the variational autoencoder and write its weights."""
    _budget.main("vae", train, main.__doc__)


if __name__ == "__main__":
    main()
