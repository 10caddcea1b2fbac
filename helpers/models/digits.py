"""The diffusion model that the course ships: digits after ten minutes of two CPU cores.

`load("digits")` gives a network with this interface:

* `network(x_t, t)` takes noisy images x_t (B, 1, 28, 28) and times t (B,) in [0, 1], and gives v (B, 1, 28, 28);
* at time t, x_t = cos(φ) x_0 + sin(φ) ε with φ = π t / 2, so ᾱ(t) = cos²(π t / 2); images x_0 have black at -1 and white at 1;
* v = cos(φ) ε - sin(φ) x_0 (Salimans and Ho 2022), so ε = sin(φ) x_t + cos(φ) v and x_0 = cos(φ) x_t - sin(φ) v;
* `network.noise(x_t, alpha_bar)` gives ε for any ᾱ in [0, 1], and `network.image(x_t, alpha_bar)` gives x_0, so that it serves
  every schedule, discrete or continuous: a schedule matters to the network through ᾱ alone.

`sample` draws from it. The weights are made by `python -m helpers.models.digits --minutes 10 --threads 2 --seed 0`; `load("digits").card` says
what they reach.
"""

from __future__ import annotations

import argparse
import math
import time
from collections.abc import Callable
from pathlib import Path

import torch
from torch import nn
from torch.nn import functional as F
from torch.optim.swa_utils import AveragedModel

from helpers import models
from helpers.images import embedded, mnist, scaled

OUTER, INNER, TIME = 32, 96, 64
RATE, MUON_RATE, WARM_UP, BATCH, RECENT = 3e-3, 0.02, 200, 64, 20
CHURN = 1.5
LAYOUT = torch.channels_last


class Block(nn.Module):
    """x plus two convolutions of it; time scales and shifts what is between them. It begins as the identity."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = nn.Conv2d(channels, channels, 3, padding=1)
        self.second = nn.Conv2d(channels, channels, 3, padding=1)
        self.modulation = nn.Linear(TIME, 2 * channels)
        nn.init.kaiming_normal_(self.first.weight)
        for parameter in (self.first.bias, *self.second.parameters(), *self.modulation.parameters()):
            nn.init.zeros_(parameter)

    def forward(self, x: torch.Tensor, time: torch.Tensor) -> torch.Tensor:
        """(B, channels, height, width) to the same, given the embedded time (B, TIME)."""
        scale, shift = self.modulation(time)[:, :, None, None].chunk(2, 1)
        return x + self.second(F.silu(torch.addcmul(shift, self.first(F.silu(x)), 1 + scale)))


class Digits(nn.Module):
    """Noisy images and times to v; see the module's text.

    Each 2 x 2 square of pixels becomes four channels, so that everything happens at 14 x 14 and 7 x 7, where it is cheap.
    """

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("frequencies", torch.logspace(0, 2, TIME // 2), persistent=False)
        self.clock = nn.Sequential(nn.Linear(TIME, TIME), nn.SiLU(), nn.Linear(TIME, TIME), nn.SiLU())
        self.stem = nn.Conv2d(4, OUTER, 3, padding=1)
        self.before = Block(OUTER)
        self.shrink = nn.Conv2d(OUTER, INNER, 3, stride=2, padding=1)
        self.inside = nn.ModuleList([Block(INNER), Block(INNER)])
        self.grow = nn.Conv2d(INNER, 4 * OUTER, 1)
        self.join = nn.Conv2d(2 * OUTER, OUTER, 3, padding=1)
        self.after = Block(OUTER)
        self.last = nn.Conv2d(OUTER, 4, 3, padding=1)
        nn.init.zeros_(self.last.weight)
        nn.init.zeros_(self.last.bias)

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """v (B, 1, 28, 28) for noisy images x (B, 1, 28, 28) and times t (B,) in [0, 1].

        Raises:
            ValueError: if x has another shape.
        """
        if x.shape[1:] != (1, 28, 28):
            raise ValueError(f"This network knows images of shape (B, 1, 28, 28); these have shape {tuple(x.shape)}.")
        angles = torch.outer(t.float(), self.frequencies)
        time = self.clock(torch.cat([angles.sin(), angles.cos()], 1))
        fine = self.before(self.stem(F.pixel_unshuffle(x, 2).contiguous(memory_format=LAYOUT)), time)
        coarse = self.shrink(fine)
        for block in self.inside:
            coarse = block(coarse, time)
        back = F.pixel_shuffle(self.grow(F.silu(coarse)), 2)
        fine = self.after(self.join(torch.cat([fine, back], 1)), time)
        return F.pixel_shuffle(self.last(F.silu(fine)), 2).to(x.dtype)

    def noise(self, x: torch.Tensor, alpha_bar: torch.Tensor | float) -> torch.Tensor:
        """The predicted noise ε (B, 1, 28, 28) in x = √ᾱ x_0 + √(1 - ᾱ) ε, for ᾱ in [0, 1], a number or of shape (B,)."""
        angle = self._angle(x, alpha_bar)
        return torch.addcmul(self._velocity(x, angle) * _wide(angle.cos()), x, _wide(angle.sin()))

    def image(self, x: torch.Tensor, alpha_bar: torch.Tensor | float) -> torch.Tensor:
        """The predicted x_0 (B, 1, 28, 28), the same way; not clipped."""
        angle = self._angle(x, alpha_bar)
        return torch.addcmul(x * _wide(angle.cos()), self._velocity(x, angle), _wide(angle.sin()), value=-1)

    def _velocity(self, x: torch.Tensor, angle: torch.Tensor) -> torch.Tensor:
        return self(x, angle * (2 / math.pi))

    def _angle(self, x: torch.Tensor, alpha_bar: torch.Tensor | float) -> torch.Tensor:
        return torch.as_tensor(alpha_bar, dtype=torch.float32).clamp(0, 1).sqrt().acos().expand(len(x))


def build() -> Digits:
    """The untrained network."""
    return Digits()


@torch.no_grad()
def sample(
    network: nn.Module,
    n: int,
    *,
    steps: int = 50,
    churn: float = CHURN,
    seed: int = 0,
    batch: int = 500,
    fast: bool | None = None,
) -> torch.Tensor:
    """Draw n digits, (n, 1, 28, 28) with values in [-1, 1], by stochastic sampling in equal steps of the angle φ.

    Args:
        network: one with the interface of this module.
        n: how many.
        steps: network calls for each.
        churn: fresh noise in a step, as a multiple of the posterior's standard deviation (the η of Song, Meng and Ermon 2021: 0
            is DDIM, 1 is DDPM). Whatever it is, an exact network gives the right law; above 1 more of the errors of earlier
            steps are forgotten.
        seed: of all noise.
        batch: how many at a time.
        fast: whether to compute in bfloat16; by default where the processor can.
    """
    generator = torch.Generator().manual_seed(seed)
    angles = torch.linspace(math.pi / 2, 0, steps + 1)
    drawn = []
    for start in range(0, n, batch):
        x = torch.randn(min(batch, n - start), 1, 28, 28, generator=generator)
        for here, there in zip(angles[:-1], angles[1:], strict=True):
            with torch.autocast("cpu", torch.bfloat16, enabled=has_bfloat16() if fast is None else fast):
                v = network(x, (here * 2 / math.pi).expand(len(x)))
            clean = (x * here.cos() - v * here.sin()).clamp(-1, 1)
            rest = (x - clean * here.cos()) / here.sin()
            posterior = there.sin() / here.sin() * (1 - (here.cos() / there.cos()).square()).clamp(min=0).sqrt()
            fresh = torch.minimum(churn * posterior, there.sin())
            kept = (there.sin().square() - fresh.square()).clamp(min=0).sqrt()
            x = clean * there.cos() + rest * kept + torch.randn(x.shape, generator=generator) * fresh
        drawn.append(x)
    return torch.cat(drawn)


def has_bfloat16() -> bool:
    """Whether this processor multiplies bfloat16 in hardware; where it does not, that is ten times slower than float32."""
    try:
        found = torch.cpu.get_capabilities()
    except AttributeError:  # an older torch
        return False
    return bool(found.get("avx512_bf16") or found.get("amx_bf16"))


def train(
    images: torch.Tensor,
    seconds: float,
    seed: int,
    *,
    threads: int = 1,
    fast: bool | None = None,
    report: Callable[[str], None] = print,
) -> tuple[Digits, list[float]]:
    """Train for that many seconds of CPU time, in batches of 64 for each thread.

    Args:
        images: (N, 1, 28, 28) uint8.
        seconds: CPU seconds, of all threads together; the learning rates fall to zero as they run out.
        seed: fixes everything but the number of steps, which depends on the machine.
        threads: how many cores to use.
        fast: whether to compute in bfloat16; by default where the processor can.
        report: gets a line now and then.

    Returns:
        The network, with the running mean of the weights, and the loss of each step.
    """
    fast = has_bfloat16() if fast is None else fast
    report(f"computing in {'bfloat16 and ' if fast else ''}float32")
    torch.set_num_threads(threads)
    torch.manual_seed(seed)
    batch = BATCH * threads
    network = build().to(memory_format=LAYOUT)
    average = AveragedModel(network, avg_fn=_recent)
    optimizers = _Optimizers(network)
    start, losses, spent = time.process_time(), [], 0.0
    while spent < seconds:
        for chosen in torch.randperm(len(images)).split(batch):
            spent = time.process_time() - start
            if spent >= seconds:
                break
            warm = min(1.0, (len(losses) + 1) / WARM_UP)
            loss = _loss(network, scaled(images[chosen]), fast)
            loss.backward()
            nn.utils.clip_grad_norm_(network.parameters(), 1.0)
            optimizers.step(warm * math.cos(math.pi / 2 * spent / seconds) ** 2)
            average.update_parameters(network)
            losses += [loss.item()]
            if len(losses) % 1000 == 0:
                speed = len(losses) * batch / spent
                report(
                    f"{spent:4.0f} CPU s, step {len(losses)}, loss {sum(losses[-1000:]) / 1000:.4f}, {speed:.0f} images per CPU second"
                )
    return average.module.eval(), losses


class _Optimizers:
    """Muon (Jordan et al. 2024) for the convolutions from features to features, Adam for all other parameters.

    Muon takes a matrix for each weight and makes all directions of its update equally long. The matrix of a convolution, output
    channels by everything else, shares the memory of the weight.
    """

    def __init__(self, network: Digits) -> None:
        ends = (network.stem, network.last)
        self.weights = [m.weight for m in network.modules() if isinstance(m, nn.Conv2d) and m not in ends]
        self.matrices = [nn.Parameter(_matrix(weight.detach())) for weight in self.weights]
        chosen = set(self.weights)
        others = [parameter for parameter in network.parameters() if parameter not in chosen]
        self.network, self.adam = network, torch.optim.Adam(others, lr=RATE, foreach=True)
        self.muon = torch.optim.Muon(self.matrices, lr=MUON_RATE, weight_decay=0.0)

    def step(self, share: float) -> None:
        """One step with this share of the full learning rates; the gradients are gone afterwards."""
        for matrix, weight in zip(self.matrices, self.weights, strict=True):
            matrix.grad = _matrix(weight.grad)
        for optimizer, rate in ((self.adam, RATE), (self.muon, MUON_RATE)):
            optimizer.param_groups[0]["lr"] = rate * share
            optimizer.step()
        self.network.zero_grad()


def _matrix(weight: torch.Tensor) -> torch.Tensor:
    """(outside, inside, height, width), channels last in memory, as (outside, height * width * inside) without a copy."""
    return weight.permute(0, 2, 3, 1).flatten(1)


def _recent(average: torch.Tensor, weights: torch.Tensor, steps: torch.Tensor) -> torch.Tensor:
    """A running mean over about the last twentieth of all steps so far, which suits short runs and long ones (Karras et al. 2024)."""
    return torch.lerp(average, weights, RECENT / (steps + RECENT))


def _loss(network: nn.Module, images: torch.Tensor, fast: bool) -> torch.Tensor:
    """Mean squared error of v; the times of a batch are spread evenly over [0, 1], which makes the loss less noisy."""
    t = (torch.arange(len(images)) + torch.rand(len(images))) / len(images)
    angle, noise = _wide(t * math.pi / 2), torch.randn_like(images)
    with torch.autocast("cpu", torch.bfloat16, enabled=fast):
        v = network(images * angle.cos() + noise * angle.sin(), t)
    return F.mse_loss(v, noise * angle.cos() - images * angle.sin())


def _wide(numbers: torch.Tensor) -> torch.Tensor:
    return numbers[:, None, None, None]


def main() -> None:
    """Train the model, measure it and write its weights."""
    from torchvision.utils import save_image

    from helpers import pictures

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--minutes", type=float, default=10, help="minutes for each thread")
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--data", help="a folder that holds MNIST/raw; by default the one that mnist() finds")
    parser.add_argument("--embedded", action="store_true", help="train on the part of MNIST that comes with the course")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--samples", type=int, default=10_000, help="how many samples to measure")
    parser.add_argument(
        "--trial", help="write weights and a picture of samples to this folder, not over the shipped weights"
    )
    options = parser.parse_args()
    data = embedded("train") if options.embedded else mnist("train", folder=options.data)
    test = mnist("test", folder=options.data)
    print(data.source, test.source)
    start, begun = time.process_time(), time.perf_counter()
    network, losses = train(data.images, 60 * options.minutes * options.threads, options.seed, threads=options.threads)
    spent, seconds = time.process_time() - start, time.perf_counter() - begun
    card = {
        "data": data.source,
        "seed": options.seed,
        "threads": options.threads,
        "cpu_seconds": f"{spent:.0f}",
        "seconds": f"{seconds:.0f}",
        "images_per_second": f"{len(losses) * BATCH * options.threads / seconds:.0f}",
        "computed_in": "bfloat16 and float32" if has_bfloat16() else "float32",
    }
    folder = options.trial and Path(options.trial)
    models.save("digits", network, half=True, folder=folder, **card)
    drawn = sample(models.load("digits", folder=folder), options.samples, seed=options.seed)
    distance = pictures.frechet_distance(drawn, test.images)
    card["fd"] = f"{distance:.1f} ({options.samples:,} samples of 50 steps against {len(test):,} test images)"
    models.save("digits", network, half=True, folder=folder, **card)
    print("\n".join(f"{key}: {value}" for key, value in card.items()))
    if folder:
        save_image(drawn[:64], folder / "digits.png", nrow=16, normalize=True, value_range=(-1, 1))


if __name__ == "__main__":
    main()
