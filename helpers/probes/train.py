"""Probes of notebook 05's training: the moving average, and `train` on small processes whose steps have a known effect."""

from __future__ import annotations

import contextlib
import copy
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from helpers import checkpoints
from helpers.probes import WrongType, need, probe

# ------------------------------------------------------------------------------------------------------- the average


def flat(network: Any) -> torch.Tensor:
    """All parameters of a network in one row."""
    if not isinstance(network, nn.Module):
        raise WrongType(f"has a {type(network).__name__} as network, which is no nn.Module")
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()])


def put(network: nn.Module, values: torch.Tensor) -> nn.Module:
    """Overwrite the parameters in place, as an optimizer does."""
    with torch.no_grad():
        for parameter, part in zip(
            network.parameters(), values.split([p.numel() for p in network.parameters()]), strict=True
        ):
            parameter.copy_(part.reshape(parameter.shape))
    return network


@probe("train.ema")
def ema(case: SimpleNamespace, cls: Any) -> Any:
    """What the case asks for, of the average of a network with eight parameters; `case.values` is (moments, 8)."""
    network = nn.Sequential(nn.Linear(2, 2), nn.Tanh() if case.what != "buffers" else nn.BatchNorm1d(2, affine=False))
    network.append(nn.Linear(1, 1) if case.what != "forward" else nn.Linear(2, 1, bias=False))
    put(network, case.values[0])
    average = cls(network) if case.what == "default" else cls(network, float(case.decay))
    if case.what == "two":
        cls(network, 0.5 * float(case.decay)).update(put(copy.deepcopy(network), -case.values[1]))
    if case.what == "start":  # before and after the network moves on
        first = flat(average.network)
        return torch.stack([first, flat((put(network, case.values[1]), average)[1].network)])
    if case.what == "load":  # as a checkpoint does
        average.network.load_state_dict(put(copy.deepcopy(network), case.values[-1]).state_dict())
    seen = []
    for values in case.values[1:]:
        average.update(put(network, values))
        seen.append(flat(average.network))
    if case.what == "network":
        return flat(network)
    if case.what == "grad":
        without = any(parameter.requires_grad for parameter in average.network.parameters())
        return [float(without), float(not all(parameter.requires_grad for parameter in network.parameters()))]
    if case.what == "forward":
        return average.network(case.x)
    return torch.stack(seen)


# -------------------------------------------------------------------------------------------------------- the script


class Enough(Exception):
    """A step that should not have been asked for."""


class Scripted:
    """Step k puts row k of a script into the weights and returns loss k; the bias counts the steps.

    Attributes:
        asked: for each call of train_step, the images it was given.
    """

    def __init__(self, case: SimpleNamespace, before: Any = None) -> None:
        self.script, self.losses, self.before = case.script, case.losses.double().tolist(), before
        self.network = put(nn.Linear(2, 1), torch.tensor([*case.start.tolist(), 0.0]))
        self.optimizer = torch.optim.SGD(self.network.parameters(), lr=0.1)
        self.asked: list[torch.Tensor] = []

    def train_step(self, x: torch.Tensor) -> float:
        """One step of the script."""
        if self.before is not None:
            self.before()
        step = round(self.network.bias.item())
        if step >= len(self.script):
            raise Enough(f"train_step was called more than {len(self.script)} times")
        self.asked.append(x.detach().clone())
        put(self.network, torch.tensor([*self.script[step].tolist(), step + 1.0]))
        return self.losses[step]


class Noisy:
    """A step of Adam towards the mean of the images and some noise: every random number and every moment matters.

    Attributes:
        calls: number of steps so far; in the one of number `fails` an exception is raised, as by an interrupt.
    """

    def __init__(self, fails: int = 0) -> None:
        self.network = put(nn.Linear(2, 1), torch.tensor([0.5, -0.5, 0.1]))
        self.optimizer = torch.optim.Adam(self.network.parameters(), lr=0.1)
        self.calls, self.fails = 0, fails

    def train_step(self, x: torch.Tensor) -> float:
        """One step."""
        self.calls += 1
        if self.calls == self.fails:
            raise KeyboardInterrupt
        loss = ((self.network(torch.randn(4, 2)) - x.mean()) ** 2).mean()
        self.network.zero_grad()
        loss.backward()
        self.optimizer.step()
        return float(loss.detach())


class Slow(Scripted):
    """Every step takes 10 ms; notes when each begins. The tenth after `seconds` are over is refused."""

    def __init__(self, case: SimpleNamespace, seconds: float) -> None:
        super().__init__(case)
        self.seconds, self.begins = seconds, []

    @property
    def late(self) -> int:
        """Steps that were begun after the time was over."""
        return sum(begin > self.begins[0] + self.seconds for begin in self.begins)

    def train_step(self, x: torch.Tensor) -> float:
        """One step, always the first of the script."""
        self.begins.append(time.monotonic())
        if self.late >= 10:
            raise Enough("train_step was called long after the time was over")
        time.sleep(0.01)
        return 0.5


@contextlib.contextmanager
def elsewhere() -> Iterator[str]:
    """Work in an empty folder that is removed afterwards."""
    here = os.getcwd()
    with tempfile.TemporaryDirectory() as folder:
        os.chdir(folder)
        try:
            yield folder
        finally:
            os.chdir(here)


def numbered(count: int) -> torch.Tensor:
    """Images (count, 1, 2, 2) that tell their number."""
    return torch.arange(float(count)).reshape(-1, 1, 1, 1).repeat(1, 1, 2, 2) / count


def saved(folder: str) -> int:
    """Steps in the checkpoint of this folder; 0 if there is none."""
    path = Path(folder) / "checkpoint" / "numbers.json"
    return len(json.loads(path.read_text())["losses"]) if path.exists() else 0


def outcome(result: Any) -> tuple[torch.Tensor, list[float]]:
    """The average's weights and the losses that `train` returned."""
    average, losses = need(result, 2, "ema, losses")
    if not isinstance(losses, (list, tuple)):
        raise WrongType(f"returned a {type(losses).__name__} of losses, expected a list")
    if not hasattr(average, "network"):
        raise WrongType(f"returned a {type(average).__name__} as ema, which has no network")
    return flat(average.network), [float(loss) for loss in losses]


@probe("train.script")
def script(case: SimpleNamespace, module: Any, _cls: Any) -> Any:
    """What the case asks for; see the functions below."""
    with elsewhere() as folder:
        return SCRIPT[case.what](case, module.train, os.path.join(folder, "run"))


def plain_run(case: SimpleNamespace, train: Any, folder: str) -> Any:
    """The losses, then the average's weights."""
    average, losses = outcome(
        train(Scripted(case), numbered(9), steps=int(case.steps), batch_size=2, decay=float(case.decay))
    )
    return torch.cat([torch.tensor(losses, dtype=torch.float64), average.double()])


def default_run(case: SimpleNamespace, train: Any, folder: str) -> Any:
    """The size of the batches and the average's weights with the default arguments."""
    process = Scripted(case)
    average, _ = outcome(train(process, numbered(100), steps=int(case.steps)))
    return torch.cat([torch.tensor([float(len(x)) for x in process.asked]), average])


def batches(case: SimpleNamespace, train: Any, folder: str) -> list[float]:
    """Batches of a wrong shape, unknown images, images never or too often drawn, mostly neighbours?, different batches (up to a number)."""
    process, images = Scripted(case), numbered(int(case.rows))
    train(process, images, steps=len(process.script), batch_size=int(case.batch))
    expected = (int(case.batch), *images.shape[1:])
    wrong = sum(tuple(x.shape) != expected for x in process.asked)
    rows = [tuple(sorted((x[:, 0, 0, 0] * len(images)).round().long().tolist())) for x in process.asked if x.ndim == 4]
    known = {tuple(image.flatten().tolist()) for image in images}
    alien = sum(tuple(image.flatten().tolist()) not in known for x in process.asked for image in x)
    counts = torch.bincount(torch.tensor([row for batch in rows for row in batch]), minlength=len(images))
    neighbours = sum(batch[-1] - batch[0] == len(batch) - 1 == len(set(batch)) - 1 for batch in rows)
    return [float(wrong), float(alien), float((counts == 0).sum()), float((counts > int(case.most)).sum()),
            float(neighbours > len(rows) / 2), float(min(len(set(rows)), int(case.different)))]  # fmt: skip


def epochs(case: SimpleNamespace, train: Any, folder: str) -> Any:
    """For each call of on_epoch: the epoch, the steps so far, the weights of the network it was given (step count last)."""
    process, calls = Scripted(case), []

    def on_epoch(epoch: int, network: nn.Module) -> None:
        calls.append([float(epoch), float(len(process.asked)), *flat(network).tolist()])

    inputs = {"batch_size": int(case.batch), "decay": float(case.decay), "on_epoch": on_epoch}
    if case.steps_before:
        train(process, numbered(int(case.rows)), steps=int(case.steps_before), folder=folder, save_every=100, **inputs)
    train(process, numbered(int(case.rows)), steps=int(case.steps), folder=folder, save_every=100, **inputs)
    return calls


def saves(case: SimpleNamespace, train: Any, folder: str) -> Any:
    """The steps in the checkpoint at the beginning of every step and at the end; in two runs if the case says so."""
    seen: list[int] = []
    for steps in (int(case.steps_before), int(case.steps)):
        if steps:
            process = Scripted(case, before=lambda: seen.append(saved(folder)))
            train(process, numbered(9), steps=steps, batch_size=2, folder=folder, save_every=int(case.every))
            seen.append(saved(folder))
    return seen


def resumed(case: SimpleNamespace, train: Any, folder: str) -> Any:
    """The second of two runs in a folder: its number of steps, the losses, the average's weights, what the checkpoint holds of them."""
    inputs = {"batch_size": 2, "decay": float(case.decay), "folder": folder}
    train(Scripted(case), numbered(9), steps=int(case.steps_before), **inputs)
    process = Scripted(case)
    average, losses = outcome(train(process, numbered(9), steps=int(case.steps), **inputs))
    other = SimpleNamespace(network=nn.Linear(2, 1))
    checkpoints.load(folder, Scripted(case), other)
    parts = [torch.tensor([float(len(process.asked))]), torch.tensor(losses), average, flat(other.network)]
    return torch.cat([part.double() for part in parts])


def interrupted(case: SimpleNamespace, train: Any, folder: str) -> list[float]:
    """A run with an interrupt against one without: does the number of losses differ, a loss, a weight, an average?"""
    results = []
    for name, fails in (("whole", 0), ("broken", int(case.fails))):
        inputs = {
            "steps": int(case.steps),
            "batch_size": 2,
            "decay": 0.6,
            "folder": folder + name,
            "save_every": int(case.every),
        }
        torch.manual_seed(int(case.seed))
        if fails:
            with contextlib.suppress(KeyboardInterrupt):
                train(Noisy(fails), numbered(50), **inputs)
            torch.manual_seed(int(case.seed) + 1)  # a new session
        process = Noisy()
        average, losses = outcome(train(process, numbered(50), **inputs))
        results.append((losses, flat(process.network), average))
    (losses, weights, average), (losses_2, weights_2, average_2) = results
    if len(losses) != len(losses_2):
        return [1.0, 1.0, 1.0, 1.0]
    apart = max(abs(one - two) for one, two in zip(losses, losses_2, strict=True))
    return [
        0.0,
        float(apart > 1e-6),
        float((weights - weights_2).abs().max() > 1e-6),
        float((average - average_2).abs().max() > 1e-6),
    ]


def minutes(case: SimpleNamespace, train: Any, folder: str) -> list[float]:
    """Did a run with a time budget end early, or late; are steps missing in its checkpoint?"""
    seconds = 60 * float(case.minutes)
    process, begin = Slow(case, seconds), time.monotonic()
    limits = {} if case.steps is None else {"steps": int(case.steps)}
    try:
        _, losses = outcome(
            train(process, numbered(int(case.rows)), minutes=float(case.minutes), batch_size=2, folder=folder, **limits)
        )
    except Enough:
        return [0.0, 1.0, 0.0]
    early = time.monotonic() - begin < 0.9 * seconds and len(losses) != case.steps
    return [float(early), float(process.late > 3), float(saved(folder) != len(losses) or len(losses) != len(process.begins))]


def nothing(case: SimpleNamespace, train: Any, folder: str) -> float:
    """Whether something is written when no folder is given."""
    train(Scripted(case), numbered(9), steps=4, batch_size=2, save_every=2)
    return float(bool(os.listdir(".")))


SCRIPT = {
    "run": plain_run,
    "default": default_run,
    "batches": batches,
    "epochs": epochs,
    "saves": saves,
    "resumed": resumed,
    "interrupted": interrupted,
    "minutes": minutes,
    "nothing": nothing,
}
