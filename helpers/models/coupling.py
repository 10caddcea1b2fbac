"""A small normalising flow for the toy sets in the plane: affine couplings, so that density and samples are both exact.

A coupling leaves one coordinate as it is and stretches and shifts the other by amounts that a small network reads from the first
(Dinh, Sohl-Dickstein and Bengio, 2017, "Density estimation using Real NVP"). That is easy to undo, and the logarithm of its
Jacobian determinant is the logarithm of the stretch. Eight of them in turn carry the data to a standard normal.

`models.load("coupling")["chequerboard"].sample(1000)` draws from one of the two that are shipped; their numbers are in `.card` of what
`load` gives. `python -m helpers.models.coupling --seed 0` trains both again and prints the numbers.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import torch
from torch import nn
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

from helpers import data, models
from helpers.metrics import w2_ratio

SETS = {"two_gaussians": data.two_gaussians, "chequerboard": data.chequerboard}
STEPS = 4000


class Coupling(nn.Module):
    """Stretch and shift one coordinate of the plane as the other one tells.

    Args:
        kept: which coordinate stays as it is, 0 or 1.
        width: hidden units in each of the two hidden layers.
    """

    def __init__(self, kept: int, width: int) -> None:
        super().__init__()
        self.kept = kept
        self.net = nn.Sequential(
            nn.Linear(1, width), nn.SiLU(), nn.Linear(width, width), nn.SiLU(), nn.Linear(width, 2)
        )  # fmt: skip
        nn.init.zeros_(self.net[-1].weight)  # a new flow is the identity
        nn.init.zeros_(self.net[-1].bias)

    def read(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """The coordinate that stays (n, 1), and the log of the stretch and the shift of the other, (n, 1) each."""
        stays = x[:, self.kept, None]
        stretch, shift = self.net(stays).chunk(2, dim=1)
        return stays, 2 * torch.tanh(stretch / 2), shift  # a stretch by more than e^2 in one step would be unstable

    def join(self, stays: torch.Tensor, moves: torch.Tensor) -> torch.Tensor:
        """The two coordinates (n, 1) put back in order, (n, 2)."""
        return torch.cat([moves, stays] if self.kept else [stays, moves], dim=1)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """From data towards noise: the points (n, 2) and the log of the determinant of the Jacobian, (n,)."""
        stays, stretch, shift = self.read(x)
        return self.join(stays, x[:, 1 - self.kept, None] * stretch.exp() + shift), stretch[:, 0]

    def inverse(self, z: torch.Tensor) -> torch.Tensor:
        """From noise towards data, (n, 2)."""
        stays, stretch, shift = self.read(z)
        return self.join(stays, (z[:, 1 - self.kept, None] - shift) * (-stretch).exp())


class Flow(nn.Module):
    """Couplings in turn between data in the plane and a standard normal.

    Args:
        layers: number of couplings; they keep the first and the second coordinate in turn.
        width: hidden units in each layer of their networks.
    """

    def __init__(self, layers: int = 8, width: int = 128) -> None:
        super().__init__()
        self.couplings = nn.ModuleList(Coupling(i % 2, width) for i in range(layers))

    def log_prob(self, x: torch.Tensor) -> torch.Tensor:
        """The exact log density at x (n, 2), natural logarithm, (n,)."""
        log_det = torch.zeros(len(x))
        for coupling in self.couplings:
            x, more = coupling(x)
            log_det = log_det + more
        return torch.distributions.Normal(0.0, 1.0).log_prob(x).sum(dim=1) + log_det

    @torch.no_grad()
    def sample(self, n: int, generator: torch.Generator | None = None) -> torch.Tensor:
        """n fresh points, (n, 2): one pass through the inverse couplings, last one first."""
        points = torch.randn(n, 2, generator=generator)
        for coupling in reversed(self.couplings):
            points = coupling.inverse(points)
        return points


def build() -> nn.ModuleDict:
    """Untrained flows for both toy sets, by name."""
    return nn.ModuleDict({name: Flow() for name in SETS})


def train(
    name: str, steps: int = STEPS, seed: int = 0, seconds: float = 60, batch: int = 512
) -> tuple[Flow, dict[str, float]]:
    """Fit a flow to one toy set by maximum likelihood, on fresh points at each step.

    Args:
        name: one of `SETS`.
        steps: optimiser steps; the same steps, seed and machine give the same weights.
        seed: for the initial weights, the points, and the samples that are measured. It seeds torch's global generator.
        seconds: training stops short after so many CPU seconds.
        batch: points per step.

    Returns:
        The flow, with running averages of the weights, and its numbers: `cpu_seconds`, `steps`, `seed`, `nll` (mean negative log
        likelihood of 100,000 fresh points in nats; the least possible is the entropy, 1.123 for `two_gaussians` and log 8 = 2.079
        for `chequerboard`) and `w2_ratio` (sliced W2 to the data over the sampling floor, mean of 20 samples of 5,000 points).
    """
    torch.manual_seed(seed)
    draw, flow = SETS[name], Flow()
    average = AveragedModel(flow, multi_avg_fn=get_ema_multi_avg_fn(0.995))
    adam = torch.optim.Adam(flow.parameters())
    schedule = torch.optim.lr_scheduler.OneCycleLR(adam, max_lr=2e-3, total_steps=steps, pct_start=0.05)
    start, done = time.process_time(), 0
    while done < steps and time.process_time() - start < seconds:
        loss = -flow.log_prob(draw(batch)).mean()
        adam.zero_grad()
        loss.backward()
        nn.utils.clip_grad_norm_(flow.parameters(), 5.0)
        adam.step()
        schedule.step()
        average.update_parameters(flow)
        done += 1
    spent = time.process_time() - start
    flow = average.module.half().float()  # as it is stored
    with torch.no_grad():
        nll = -flow.log_prob(draw(100_000)).mean().item()
    ratio = w2_ratio(flow.sample, draw, 5000, range(20))
    return flow, {
        "cpu_seconds": round(spent, 1), "steps": done, "seed": seed, "nll": round(nll, 4), "w2_ratio": round(ratio, 2)
    }  # fmt: skip


def main() -> None:
    """Train both flows, write their weights and print their numbers."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--steps", type=int, default=STEPS, help="optimiser steps for each set")
    parser.add_argument("--seconds", type=float, default=60, help="CPU seconds for each set, at most")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--to", type=Path, help="folder for the weights; by default those that the course ships")
    wanted = parser.parse_args()
    torch.set_num_threads(1)
    flows, card = build(), {}
    for name in SETS:
        flows[name], numbers = train(name, wanted.steps, wanted.seed, wanted.seconds)
        card |= {f"{name}_{key}": value for key, value in numbers.items()}
        print(name, *(f"{key} {value}" for key, value in numbers.items()), sep="  ", flush=True)
    print(models.save("coupling", flows, half=True, folder=wanted.to, **card))


if __name__ == "__main__":
    main()
