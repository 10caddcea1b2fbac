"""A small convolutional classifier of MNIST digits, which is the eye of the course's measures of pictures.

Its weights are made by `python -m helpers.models.classifier --minutes 5 --seed 0`, and `load("classifier").card` says what it reaches.
"""

from __future__ import annotations

import argparse
import math
import time

import torch
from torch import nn
from torch.nn import functional as F

from helpers import models
from helpers.images import Digits, mnist, scaled

FEATURES = 96
VARIANCE = 500.0
"""Sum of the variances of the features over the test images. Fréchet distances are in units of it, whatever the training run."""


class Classifier(nn.Module):
    """Images (N, 1, 28, 28) in [-1, 1] to logits (N, 10)."""

    def __init__(self) -> None:
        super().__init__()

        def block(inside: int, outside: int) -> list[nn.Module]:
            return [nn.Conv2d(inside, outside, 3, padding=1, bias=False), nn.BatchNorm2d(outside), nn.ReLU()]

        self.convolutions = nn.Sequential(
            *block(1, 16), *block(16, 16), nn.MaxPool2d(2), *block(16, 48), *block(48, 48), nn.MaxPool2d(2), *block(48, 64)
        )
        self.dense = nn.Sequential(nn.Flatten(), nn.Linear(64 * 7 * 7, FEATURES), nn.ReLU())
        self.head = nn.Linear(FEATURES, 10)

    def features(self, x: torch.Tensor) -> torch.Tensor:
        """What the last layer sees: (N, 96), not negative.

        Raises:
            ValueError: if x is not a batch of 28 x 28 images with one channel.
        """
        if x.shape[1:] != (1, 28, 28):
            raise ValueError(f"The classifier knows images of shape (N, 1, 28, 28); these have shape {tuple(x.shape)}.")
        return self.dense(self.convolutions(x))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Logits (N, 10)."""
        return self.head(F.dropout(self.features(x), 0.3, self.training))


def build() -> Classifier:
    """The untrained classifier."""
    return Classifier()


@torch.no_grad()
def accuracy(network: nn.Module, data: Digits) -> float:
    """The share of images that are classified as labelled."""
    answers = torch.cat([network(scaled(part)).argmax(1) for part in data.images.split(1000)])
    return (answers == data.labels).float().mean().item()


@torch.no_grad()
def set_units(network: Classifier, data: Digits) -> None:
    """Scale the features so that their variances over these images sum to VARIANCE; the logits stay as they are."""
    features = torch.cat([network.features(scaled(part)) for part in data.images.split(1000)])
    factor = (VARIANCE / features.var(0).sum()).sqrt()
    for parameter in network.dense[1].parameters():
        parameter.mul_(factor)  # what follows is a ReLU, which keeps factors
    network.head.weight.div_(factor)


def shaken(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Images turned by up to 12 degrees, scaled by up to a tenth and shifted by up to 2 pixels, each in its own way."""
    turn, size, right, down = (2 * torch.rand(4, len(x), generator=generator) - 1) * torch.tensor(
        [[math.radians(12)], [0.1], [2 / 14], [2 / 14]]
    )
    cos, sin = (1 + size) * turn.cos(), (1 + size) * turn.sin()
    matrix = torch.stack([cos, -sin, right, sin, cos, down], 1).view(-1, 2, 3)
    field = F.affine_grid(matrix, list(x.shape), align_corners=False)
    return F.grid_sample(x + 1, field, align_corners=False) - 1


def train(data: Digits, seconds: float, seed: int, batch: int = 128) -> Classifier:
    """Train for that many seconds of CPU time; the learning rate rises, then falls to zero as the time runs out.

    The seed fixes everything but the number of steps, which depends on the machine.
    """
    torch.manual_seed(seed)
    generator = torch.Generator().manual_seed(seed)
    network = build().train().to(memory_format=torch.channels_last)
    optimizer = torch.optim.AdamW(network.parameters(), lr=3e-3, weight_decay=0.02)
    start, done, epoch = time.process_time(), 0.0, 0
    while done < 1:
        for chosen in torch.randperm(len(data), generator=generator).split(batch):
            done = min((time.process_time() - start) / seconds, 1.0)
            if done == 1:
                break
            optimizer.param_groups[0]["lr"] = 3e-3 * min(done / 0.1, (1 - done) / 0.9)
            x = shaken(scaled(data.images[chosen]), generator).contiguous(memory_format=torch.channels_last)
            loss = F.cross_entropy(network(x), data.labels[chosen])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        epoch += 1
        print(f"epoch {epoch}, loss {loss.item():.3f}, {time.process_time() - start:.0f} CPU s", flush=True)
    return network.eval()


def main() -> None:
    """Train the classifier and write its weights."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--minutes", type=float, default=5, help="CPU minutes of training")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--data", help="a folder that holds MNIST/raw; by default the one that mnist() finds")
    options = parser.parse_args()
    train_set, test_set = mnist("train", folder=options.data), mnist("test", folder=options.data)
    print(train_set.source, test_set.source)
    network = train(train_set, 60 * options.minutes, options.seed)
    set_units(network, test_set)
    card = {"data": train_set.source, "cpu_minutes": options.minutes, "seed": options.seed}
    models.save("classifier", network, half=True, **card)
    reached = f"{accuracy(models.load('classifier'), test_set):.2%} of {len(test_set):,} test images"
    models.save("classifier", network, half=True, accuracy=reached, **card)
    print(reached)


if __name__ == "__main__":
    main()
