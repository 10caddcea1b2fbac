"""What training on images costs and reaches: the shipped recipe against a tutorial-style one with as many CPU seconds.

`python -m autograder.bench_images --minutes 10 --data FOLDER` prints the rows; `make bench` does it with three minutes.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable

import torch
from torch import nn
from torch.nn import functional as F

from autograder.bench_rows import Rows
from helpers import models, pictures
from helpers.images import Digits, mnist, scaled
from helpers.models import digits

STEPS = 1000
"""Noise levels of the tutorial-style recipe."""


class TutorialBlock(nn.Module):
    """Norm, SiLU and convolution twice, the embedded time added between them, and a skip around it all."""

    def __init__(self, inside: int, outside: int, time: int) -> None:
        super().__init__()
        self.before = nn.Sequential(nn.GroupNorm(8, inside), nn.SiLU(), nn.Conv2d(inside, outside, 3, padding=1))
        self.time = nn.Sequential(nn.SiLU(), nn.Linear(time, outside))
        self.after = nn.Sequential(nn.GroupNorm(8, outside), nn.SiLU(), nn.Conv2d(outside, outside, 3, padding=1))
        self.skip = nn.Conv2d(inside, outside, 1) if inside != outside else nn.Identity()

    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """(B, inside, height, width) and (B, time) to (B, outside, height, width)."""
        return self.skip(x) + self.after(self.before(x) + self.time(time)[..., None, None])


class TutorialUNet(nn.Module):
    """A U-Net such as many tutorials have: 32, 64 and 128 channels at 28 x 28, 14 x 14 and 7 x 7; 2.4 million parameters."""

    def __init__(self, width: int = 32, time: int = 128) -> None:
        super().__init__()
        sizes = [width, 2 * width, 4 * width]
        self.register_buffer("frequencies", torch.logspace(0, -4, time // 2))
        self.clock = nn.Sequential(nn.Linear(time, time), nn.SiLU(), nn.Linear(time, time))
        self.stem = nn.Conv2d(1, width, 3, padding=1)
        self.down = nn.ModuleList(
            nn.ModuleList([TutorialBlock(a, b, time), TutorialBlock(b, b, time)])
            for a, b in zip([width, *sizes], sizes, strict=False)
        )
        self.shrink = nn.ModuleList(nn.Conv2d(c, c, 3, 2, 1) for c in sizes[:-1])
        self.middle = TutorialBlock(sizes[-1], sizes[-1], time)
        self.grow = nn.ModuleList(nn.ConvTranspose2d(2 * c, c, 4, 2, 1) for c in sizes[:-1])
        self.up = nn.ModuleList(nn.ModuleList([TutorialBlock(2 * c, c, time), TutorialBlock(c, c, time)]) for c in sizes)
        self.out = nn.Sequential(nn.GroupNorm(8, width), nn.SiLU(), nn.Conv2d(width, 1, 3, padding=1))

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """Noise (B, 1, 28, 28) in noisy images at steps t (B,) from 0 to 999."""
        angles = t[:, None] * self.frequencies
        time = self.clock(torch.cat([angles.sin(), angles.cos()], 1))
        x, kept = self.stem(x), []
        for level, blocks in enumerate(self.down):
            for block in blocks:
                x = block(x, time)
            kept.append(x)
            if level < len(self.shrink):
                x = self.shrink[level](x)
        x = self.middle(x, time)
        for level in reversed(range(len(self.up))):
            x = torch.cat([x, kept[level]], 1)
            for block in self.up[level]:
                x = block(x, time)
            if level:
                x = self.grow[level - 1](x)
        return self.out(x)


def alpha_bars() -> torch.Tensor:
    """Ho et al.'s linear schedule, (1000,)."""
    return (1 - torch.linspace(1e-4, 0.02, STEPS)).cumprod(0)


def train_tutorial(images: torch.Tensor, seconds: float, seed: int) -> tuple[TutorialUNet, int]:
    """The tutorial-style recipe: batches of 64, Adam at 1e-3, noise prediction, float32; the network and the number of steps."""
    torch.manual_seed(seed)
    network, levels = TutorialUNet(), alpha_bars()
    optimizer = torch.optim.Adam(network.parameters(), lr=1e-3)
    start, steps = time.process_time(), 0
    while True:
        for chosen in torch.randperm(len(images)).split(64):
            if time.process_time() - start >= seconds:
                return network.eval(), steps
            x, t = scaled(images[chosen]), torch.randint(STEPS, (len(chosen),))
            level, noise = levels[t, None, None, None], torch.randn_like(x)
            loss = F.mse_loss(network(level.sqrt() * x + (1 - level).sqrt() * noise, t), noise)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            steps += 1


@torch.no_grad()
def sample_tutorial(network: nn.Module, n: int, seed: int, steps: int = 50) -> torch.Tensor:
    """n samples (n, 1, 28, 28) by ancestral sampling on `steps` of the 1000 levels, the predicted images clipped."""
    generator, drawn = torch.Generator().manual_seed(seed), []
    chosen = torch.linspace(STEPS - 1, 0, steps).round().long()
    levels = torch.cat([alpha_bars()[chosen], torch.ones(1)])
    for start in range(0, n, 250):
        x = torch.randn(min(250, n - start), 1, 28, 28, generator=generator)
        for t, here, there in zip(chosen, levels[:-1], levels[1:], strict=True):
            noise = network(x, t.expand(len(x)))
            clean = ((x - (1 - here).sqrt() * noise) / here.sqrt()).clamp(-1, 1)
            ratio = here / there
            mean = (there.sqrt() * (1 - ratio) * clean + ratio.sqrt() * (1 - there) * x) / (1 - here)
            spread = ((1 - ratio) * (1 - there) / (1 - here)).sqrt()
            x = mean + spread * torch.randn(x.shape, generator=generator)
        drawn.append(x)
    return torch.cat(drawn)


def rows(minutes: float, show: Rows | None = None, *, folder: str | None = None, seed: int = 0, n: int = 1_000) -> None:
    """Print a row for each recipe: CPU seconds of training, images per second and Fréchet distance of n samples.

    Args:
        minutes: minutes of CPU time for each recipe; about as many again go into drawing the samples of the tutorial's.
        show: where the rows go; by default to the screen only.
        folder: a folder that holds MNIST/raw; by default the one that `mnist` finds.
        seed: of training and sampling.
        n: number of samples.
    """
    torch.set_num_threads(1)
    show = show or Rows()
    data, test = mnist("train", folder=folder), mnist("test", folder=folder)
    show(f"{data.source} {test.source}")
    show(f"{'MNIST, one thread':52}{'CPU s':>7}{'images/s':>10}{'FD':>8}   ({n:,} samples, {len(test):,} test images)")
    floor = pictures.floors(n, seed, reference=test.images, training=data.images).frechet
    show(f"{'real training images: the floor':52}{'':17}{floor:8.1f}", mnist_floor_fd=floor)
    _shipped(show, test, n, seed)
    for fast in [True, False] if digits.has_bfloat16() else [False]:
        kind = "bfloat16" if fast else "float32"
        key = "mnist" if fast or not digits.has_bfloat16() else "mnist_float32"  # the first is what the recipe does here
        _row(
            show, key, f"the shipped recipe, {kind}", minutes, lambda s, fast=fast: _ours(data, s, seed, fast), test, n, seed
        )
    _row(
        show,
        "mnist_tutorial",
        "a tutorial-style U-Net and recipe, float32",
        minutes,
        lambda s: _theirs(data, s, seed),
        test,
        n,
        seed,
    )


Sampler = Callable[[int, int], torch.Tensor]


def _ours(data: Digits, seconds: float, seed: int, fast: bool) -> tuple[Sampler, int]:
    network, losses = digits.train(data.images, seconds, seed, fast=fast, report=lambda line: None)
    return lambda n, seed: digits.sample(network, n, seed=seed, fast=fast), len(losses) * digits.BATCH


def _theirs(data: Digits, seconds: float, seed: int) -> tuple[Sampler, int]:
    network, steps = train_tutorial(data.images, seconds, seed)
    return lambda n, seed: sample_tutorial(network, n, seed), steps * 64


def _row(
    show: Rows,
    key: str,
    title: str,
    minutes: float,
    train: Callable[[float], tuple[Sampler, int]],
    test: Digits,
    n: int,
    seed: int,
) -> None:
    start = time.process_time()
    sampler, images = train(60 * minutes)
    spent = time.process_time() - start
    found = pictures.frechet_distance(sampler(n, seed), test.images)
    figures = {f"{key}_cpu_s": spent, f"{key}_images_per_cpu_s": images / spent, f"{key}_fd": found}
    show(f"{title:52}{spent:7.0f}{images / spent:10.0f}{found:8.1f}", **figures)


def _shipped(show: Rows, test: Digits, n: int, seed: int) -> None:
    network = models.load("digits")
    found = pictures.frechet_distance(digits.sample(network, n, seed=seed), test.images)
    show(f"{'the shipped weights':52}{'':17}{found:8.1f}   {network.card.get('fd', '')}", mnist_shipped_fd=found)


def main() -> None:
    """Print the rows."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--minutes", type=float, default=10)
    parser.add_argument("--data")
    options = parser.parse_args()
    rows(options.minutes, folder=options.data)


if __name__ == "__main__":
    main()
