"""A normalising flow of MNIST digits, to compare diffusion with: exact likelihoods, and one pass of its inverse gives an image.

As in Wavelet Flow (Yu, Derpanis and Brubaker, 2020) Haar's rotation takes a digit apart: into a small image of 7 x 7, the details that make it
14 x 14, and those that make that 28 x 28. For each of the three, affine couplings lead to a standard normal, given the smaller image. The
digits are told in 8 shades, not 256, and dequantised: with more shades the flow spends its effort on how black the background is.

`models.load("flow").sample(64)` draws; `python -m helpers.models.flow --minutes 4 --seed 0` trains it again, on one CPU thread.
"""

from __future__ import annotations

import math

import torch
from torch import nn
from torch.nn import functional as F

from helpers.models import _budget

SHADES = 8
HAAR = torch.tensor([[1, 1, 1, 1], [1, -1, 1, -1], [1, 1, -1, -1], [1, -1, -1, 1]]) / 2
"""A rotation of the four pixels of a 2 x 2 square: their sum, and three differences."""


class Coupling(nn.Module):
    """Stretch and shift some channels (dimension 1) as a network tells from the others and from what is given.

    Args:
        moves: which channels are stretched and shifted, a mask.
        net: from what is given and the channels that stay to a stretch and a shift of each that moves.
    """

    def __init__(self, moves: torch.Tensor, net: nn.Sequential) -> None:
        super().__init__()
        self.register_buffer("moves", moves.nonzero()[:, 0])
        self.register_buffer("stays", (~moves).nonzero()[:, 0])
        self.net = net
        nn.init.zeros_(net[-1].weight)  # a new flow is the identity
        nn.init.zeros_(net[-1].bias)

    def read(self, x: torch.Tensor, given: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The log of the stretch, and the shift."""
        with _budget.fast(self.training):
            stretch, shift = self.net(torch.cat([given, x[:, self.stays]], dim=1)).float().chunk(2, dim=1)
        return 2 * torch.tanh(stretch / 2), shift

    def forward(self, x: torch.Tensor, given: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """From data towards noise: the same shape, and the log of the determinant of the Jacobian, (n,)."""
        stretch, shift = self.read(x, given)
        return x.index_copy(1, self.moves, x[:, self.moves] * stretch.exp() + shift), stretch.flatten(1).sum(dim=1)

    def inverse(self, z: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
        """From noise towards data."""
        stretch, shift = self.read(z, given)
        return z.index_copy(1, self.moves, (z[:, self.moves] - shift) * (-stretch).exp())


class Level(nn.Module):
    """Couplings in turn, after a stretch and a shift of each channel.

    Args:
        couplings: in order from data to noise.
        shape: of one example, without the batch.
    """

    def __init__(self, couplings: list[Coupling], shape: tuple[int, ...]) -> None:
        super().__init__()
        self.couplings, self.shape = nn.ModuleList(couplings), shape
        wide = (shape[0], *(1 for _ in shape[1:]))
        self.centre, self.log_spread = nn.Parameter(torch.zeros(wide)), nn.Parameter(torch.zeros(wide))

    def log_prob(self, x: torch.Tensor, given: torch.Tensor) -> torch.Tensor:
        """The exact log density of x (n, *shape), (n,)."""
        z = (x - self.centre) * (-self.log_spread).exp()
        log_det = -self.log_spread.expand(self.shape).sum()
        for coupling in self.couplings:
            z, more = coupling(z, given)
            log_det = log_det + more
        return torch.distributions.Normal(0.0, 1.0).log_prob(z).flatten(1).sum(dim=1) + log_det

    def sample(self, given: torch.Tensor, temperature: float, generator: torch.Generator | None) -> torch.Tensor:
        """One draw for each row of what is given, (n, *shape)."""
        x = temperature * torch.randn(len(given), *self.shape, generator=generator)
        for coupling in reversed(self.couplings):
            x = coupling.inverse(x, given)
        return x * self.log_spread.exp() + self.centre

    @torch.no_grad()
    def standardise(self, x: torch.Tensor) -> None:
        """Set the first stretch and shift so that x has mean 0 and standard deviation 1 in each channel."""
        channels = x.transpose(0, 1).flatten(1)
        self.centre.copy_(channels.mean(dim=1).view_as(self.centre))
        self.log_spread.copy_(channels.std(dim=1).log().view_as(self.log_spread))


def dense(inputs: int, outputs: int, width: int) -> nn.Sequential:
    """A network of vectors."""
    return nn.Sequential(
        nn.Linear(inputs, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, outputs)
    )  # fmt: skip


def local(inputs: int, outputs: int, width: int) -> nn.Sequential:
    """A network of images: three convolutions."""
    sizes = (inputs, width, width, outputs)
    convolutions = [nn.Conv2d(sizes[i], sizes[i + 1], 3, padding=1) for i in range(3)]
    return nn.Sequential(convolutions[0], nn.SiLU(), convolutions[1], nn.SiLU(), convolutions[2])


def halves(size: int, count: int, given: int, width: int) -> list[Coupling]:
    """Dense couplings of vectors, two by two with the halves of a random split exchanged."""
    couplings, shuffle = [], torch.Generator().manual_seed(size)
    for _ in range(count // 2):
        first = torch.randperm(size, generator=shuffle) < size // 2
        for moves in (first, ~first):
            couplings.append(Coupling(moves, dense(given + int((~moves).sum()), 2 * int(moves.sum()), width)))
    return couplings


class Flow(nn.Module):
    """Three levels between dequantised digits and standard normals."""

    def __init__(self) -> None:
        super().__init__()
        self.small = Level(halves(49, 8, 0, 160), (49,))
        self.middle = Level(halves(147, 4, 49, 160), (147,))
        each = [torch.arange(3) == i for i in (0, 1, 2, 0, 1, 2)]
        self.large = Level([Coupling(moves, local(3, 2, 24)) for moves in each], (3, 14, 14))

    def parts(self, y: torch.Tensor) -> list[tuple[Level, torch.Tensor, torch.Tensor]]:
        """Each level with what it describes of the digits y (n, 1, 28, 28), and given what."""
        medium, fine = haar(y)
        small, details = haar(medium)
        small = small.flatten(1)
        return [(self.small, small, small[:, :0]), (self.middle, details.flatten(1), small), (self.large, fine, medium)]

    def log_prob(self, y: torch.Tensor) -> torch.Tensor:
        """The exact log density of dequantised digits y (n, 1, 28, 28), with values in [0, 1), in nats, (n,)."""
        return sum(level.log_prob(x, given) for level, x, given in self.parts(y))

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None, temperature: float = 1.0) -> torch.Tensor:
        """n new digits (n, 1, 28, 28) in [-1, 1], told in 8 shades.

        Args:
            n: how many.
            generator: for the noise.
            temperature: the noise is multiplied by it. 1 is what the flow has learnt; below, samples are less diverse.
        """
        small = self.small.sample(torch.empty(n, 0), temperature, generator)
        details = self.middle.sample(small, temperature, generator)
        medium = back(small.view(n, 1, 7, 7), details.view(n, 3, 7, 7))
        y = back(medium, self.large.sample(medium, temperature, generator))
        shade = (SHADES * y).floor().clamp(0, SHADES - 1)
        return shade / (SHADES - 1) * 2 - 1


def haar(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """Images (n, 1, h, w) as images of half the size (n, 1, h/2, w/2) and details (n, 3, h/2, w/2); a rotation."""
    return torch.einsum("ij,njhw->nihw", HAAR, F.pixel_unshuffle(x, 2)).split([1, 3], dim=1)


def back(small: torch.Tensor, details: torch.Tensor) -> torch.Tensor:
    """The inverse of `haar`."""
    return F.pixel_shuffle(torch.einsum("ij,nihw->njhw", HAAR, torch.cat([small, details], dim=1)), 2)


def dequantised(images: torch.Tensor) -> torch.Tensor:
    """uint8 images as 8 shades, each spread evenly over its part of [0, 1)."""
    return (images // (256 // SHADES) + torch.rand(images.shape)) / SHADES


def build() -> Flow:
    """The untrained flow."""
    return Flow()


def train(budget: _budget.Budget, seed: int, batch: int = 256) -> Flow:
    """Spend the budget; gives running averages of the weights."""
    torch.manual_seed(seed)
    network = build()
    for level, x, _ in network.parts(dequantised(budget.images[:5000])):
        level.standardise(x)
    average = _budget.averaged(network)
    adam = torch.optim.Adam(network.parameters())
    for images, done in budget.batches(batch, average.module):
        adam.param_groups[0]["lr"] = 2e-3 * min(done / 0.05, (1 - done) / 0.95)
        parts = network.parts(dequantised(images))
        parts[2] = (parts[2][0], *(x[: batch // 4] for x in parts[2][1:]))  # fine details are learnt from fewer images
        nats = -sum(level.log_prob(x, given).mean() for level, x, given in parts)
        adam.zero_grad()
        nats.backward()
        nn.utils.clip_grad_norm_(network.parameters(), 100.0)
        adam.step()
        average.update_parameters(network)
        budget.note(bits_per_pixel=math.log2(SHADES) + nats.detach() / (math.log(2) * images[0].numel()))
    return average.module


def main() -> None:
    """Train the normalising flow and write its weights."""
    _budget.main("flow", train, main.__doc__)


if __name__ == "__main__":
    main()
