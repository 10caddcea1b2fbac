"""The training budget that the digit models for comparison share: batches until the CPU seconds are spent, and a curve of it all."""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel

from helpers import models
from helpers.images import mnist
from helpers.models.digits import has_bfloat16

POINTS = 200
"""Points of a loss curve; each is the mean over its part of the CPU time."""
MOMENTS = 10
"""Fréchet distances along the way, at equal parts of the CPU time."""


class Budget:
    """Hands out batches until the CPU seconds are spent; notes losses and, with the clock stopped, Fréchet distances on the way.

    Args:
        seconds: CPU seconds of training.
        images: uint8 training images (N, 1, 28, 28).
        seed: for the order of the images.
    """

    def __init__(self, seconds: float, images: torch.Tensor, seed: int) -> None:
        self.seconds, self.images = seconds, images
        self.generator = torch.Generator().manual_seed(seed)
        self.spent, self.seen = 0.0, 0
        self.noted: list[list[dict[str, float]]] = [[] for _ in range(POINTS)]
        self.frechet: list[tuple[float, float]] = []

    def batches(self, size: int, network: nn.Module) -> Iterator[tuple[torch.Tensor, float]]:
        """Batches (size, 1, 28, 28) of uint8, each with the share of the budget that is spent, in [0, 1).

        Args:
            size: images in a batch.
            network: what to measure at each of the `MOMENTS`, in evaluation mode, by its `sample(n, generator)`.
        """
        whole = len(self.images) // size * size
        while True:
            for chosen in torch.randperm(len(self.images), generator=self.generator)[:whole].split(size):
                start = time.process_time()
                yield self.images[chosen], self.spent / self.seconds
                self.spent += time.process_time() - start
                self.seen += size
                if self.spent >= (len(self.frechet) + 1) * self.seconds / MOMENTS:
                    self._measure(network)
                if self.spent >= self.seconds:
                    return

    def note(self, **losses: torch.Tensor) -> None:
        """Put the losses of a step, averages over its batch, on the curve."""
        values = {name: loss.item() for name, loss in losses.items()}
        self.noted[int(POINTS * min(self.spent / self.seconds, 1 - 1e-9))].append(values)

    def curves(self) -> dict[str, Any]:
        """CPU seconds, losses by name, CPU seconds of the Fréchet distances, and these; plain lists."""
        points = [i for i in range(POINTS) if self.noted[i]]
        names = self.noted[points[0]][0]
        mean = {name: [sum(note[name] for note in self.noted[i]) / len(self.noted[i]) for i in points] for name in names}
        return {
            "seconds": [round((i + 0.5) * self.seconds / POINTS, 1) for i in points],
            "losses": {name: [float(f"{value:.4g}") for value in mean[name]] for name in names},
            "fd_seconds": [round(at, 1) for at, _ in self.frechet],
            "fd": [round(distance, 1) for _, distance in self.frechet],
            "fd_samples": 2000,
        }

    def _measure(self, network: nn.Module) -> None:
        self.frechet.append((self.spent, frechet(network, 2000)))
        last = {name: f"{value:.4g}" for note in self.noted for entry in note[-1:] for name, value in entry.items()}
        print(f"{self.spent:4.0f} CPU s, {self.seen:,} images, FD {self.frechet[-1][1]:.1f}", last, flush=True)


def fast(wanted: bool = True) -> torch.autocast:
    """A context in which networks compute in bfloat16, if that is wanted and the processor has instructions for it."""
    return torch.autocast("cpu", torch.bfloat16, enabled=wanted and has_bfloat16())


def averaged(network: nn.Module, decay: float = 0.999) -> AveragedModel:
    """A copy of the network, in evaluation mode, whose weights are running averages; call `update_parameters` after each step.

    At first it averages over fewer steps, so that it is of use early.
    """

    def update(average: torch.Tensor, new: torch.Tensor, count: torch.Tensor) -> torch.Tensor:
        return average.lerp(new, 1 - min(decay, (1 + count.item()) / (10 + count.item())))

    return AveragedModel(network, avg_fn=update, use_buffers=False).eval()


def frechet(network: nn.Module, n: int, seed: int = 1) -> float:
    """The Fréchet distance of n samples of a network, drawn 500 at a time, to the test images."""
    from helpers.pictures import frechet_distance

    generator = torch.Generator().manual_seed(seed)
    return frechet_distance(torch.cat([network.sample(500, generator) for _ in range(n // 500)]))


def main(name: str, train: Callable[[Budget, int], nn.Module], description: str | None) -> None:
    """What `python -m helpers.models.<name>` does: train, write weights, card and curves, and print the numbers.

    Args:
        name: of the module, and of the files.
        train: takes a budget and a seed, and gives the trained network.
        description: for --help.
    """
    parser = argparse.ArgumentParser(description=description)
    parser.add_argument("--minutes", type=float, default=4, help="CPU minutes of training, without the measuring")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--to", type=Path, default=models.WEIGHTS, help="folder for the weights and the curves")
    parser.add_argument("--samples", type=int, default=10_000, help="number of samples for the Fréchet distance at the end")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    torch.manual_seed(wanted.seed)
    data = mnist("train")
    print(data.source)
    budget = Budget(60 * wanted.minutes, data.images, wanted.seed)
    network = train(budget, wanted.seed)
    card: dict[str, object] = {
        "cpu_seconds": round(budget.spent),
        "images_seen": budget.seen,
        "seed": wanted.seed,
        "data": data.source,
        "arithmetic": "bfloat16 where it is safe" if has_bfloat16() else "float32",
    }
    models.save(name, network, half=True, folder=wanted.to, **card)
    stored = models.load(name, folder=wanted.to)
    start = time.process_time()
    stored.sample(1000, torch.Generator().manual_seed(0))
    card["cpu_seconds_1000_samples"] = round(time.process_time() - start, 2)
    card["fd"] = (
        f"{frechet(stored, wanted.samples):.1f} ({wanted.samples:,} samples against {len(mnist('test')):,} test images)"
    )
    path = models.save(name, network, half=True, folder=wanted.to, **card)
    path.with_suffix(".json").write_text(json.dumps(budget.curves()), encoding="utf-8")
    print(path, f"{path.stat().st_size:,} bytes", card)
