"""Checkpoints: a run that goes on is a run without a break; whatever goes wrong, one sentence says so and nothing is lost."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch
from torch import nn

from helpers import checkpoints
from helpers.checkpoints import CheckpointError


class Process:
    """A network with dropout and counted batches, and Adam: everything that a checkpoint has to remember matters."""

    def __init__(self, width=3, optimizer=torch.optim.Adam):
        torch.manual_seed(1)
        self.network = nn.Sequential(nn.Linear(2, width), nn.BatchNorm1d(width), nn.Dropout(0.3), nn.Linear(width, 1))
        self.optimizer = optimizer(self.network.parameters(), lr=0.05)

    def train_step(self):
        loss = (self.network(torch.randn(8, 2)) - 1).square().mean()
        self.optimizer.zero_grad()
        loss.backward()
        self.optimizer.step()
        return loss.item()


def session(width=3, optimizer=torch.optim.Adam):
    process = Process(width, optimizer)
    return process, SimpleNamespace(network=Process(width).network)


def run(process, ema, losses, steps):
    for _ in range(steps):
        losses.append(process.train_step())
        with torch.no_grad():
            for mean, value in zip(ema.network.parameters(), process.network.parameters(), strict=True):
                mean.lerp_(value, 0.2)
    return losses


def state(process, ema):
    return [value.clone() for network in (process.network, ema.network) for value in network.state_dict().values()]


def same(one, two):
    return all(torch.equal(a, b) for a, b in zip(one, two, strict=True))


@pytest.fixture
def made(tmp_path):
    """A folder with a checkpoint of five steps."""
    process, ema = session()
    losses = run(process, ema, [], 5)
    checkpoints.save(tmp_path / "run", process, ema, losses)
    return tmp_path / "run"


@pytest.mark.parametrize("optimizer", [torch.optim.Adam, torch.optim.SGD, torch.optim.AdamW, torch.optim.RMSprop])
def test_a_run_that_goes_on_is_one_without_a_break(tmp_path, optimizer):
    process, ema = session(optimizer=optimizer)
    losses = run(process, ema, [], 5)
    checkpoints.save(tmp_path, process, ema, losses)
    run(process, ema, losses, 5)
    other, other_ema = session(optimizer=optimizer)
    torch.manual_seed(99)
    resumed = checkpoints.load(tmp_path, other, other_ema)
    assert resumed == losses[:5]
    assert run(other, other_ema, resumed, 5) == losses and same(state(process, ema), state(other, other_ema))


def test_saving_disturbs_no_random_numbers(tmp_path):
    process, ema = session()
    before = torch.get_rng_state()
    checkpoints.save(tmp_path, process, ema, [])
    assert torch.equal(before, torch.get_rng_state())


def test_an_empty_folder_gives_no_losses_and_changes_nothing(tmp_path):
    process, ema = session()
    before, random = state(process, ema), torch.get_rng_state()
    assert checkpoints.load(tmp_path / "nowhere", process, ema) == []
    assert same(before, state(process, ema)) and torch.equal(random, torch.get_rng_state())


def test_losses_may_be_tensors(tmp_path):
    process, ema = session()
    checkpoints.save(tmp_path, process, ema, [torch.tensor(0.5)])
    assert checkpoints.load(tmp_path, process, ema) == [0.5]


class Interrupt(BaseException):
    """Not an Exception, like KeyboardInterrupt."""


def interrupted(monkeypatch, name, owner, moment):
    """Let the `moment`-th call of owner.name raise, before or after it does its work."""
    original, calls = getattr(owner, name), []

    def call(*args, **kwargs):
        calls.append(args)
        if len(calls) - 1 == moment // 2:
            if moment % 2:
                original(*args, **kwargs)
            raise Interrupt
        return original(*args, **kwargs)

    monkeypatch.setattr(owner, name, call)


@pytest.mark.parametrize("moment", range(8))
@pytest.mark.parametrize("name, owner", [("rename", Path), ("mkdir", Path), ("write_text", Path), ("rmtree", shutil)])
def test_an_interrupt_at_any_moment_leaves_a_whole_checkpoint(made, monkeypatch, name, owner, moment):
    process, ema = session()
    losses = checkpoints.load(made, process, ema)
    run(process, ema, losses, 2)
    with monkeypatch.context() as patch:
        interrupted(patch, name, owner, moment)
        for _ in range(2):  # the second attempt begins with what the first left behind
            try:
                checkpoints.save(made, process, ema, losses)
            except Interrupt:
                found = checkpoints.load(made, *session())
                assert len(found) in (5, 7)
    checkpoints.save(made, process, ema, losses)
    other = session()
    assert len(checkpoints.load(made, *other)) == 7 and same(state(process, ema), state(*other))
    assert sorted(os.listdir(made)) == ["checkpoint"]


def damage_weights(place):
    path = place / "weights.safetensors"
    path.write_bytes(path.read_bytes()[:-200])


def other_weights(place):
    (place / "weights.safetensors").write_bytes(b"no tensors at all")


def damage_numbers(place):
    (place / "numbers.json").write_text('{"losses": [1.0, ')


def empty_numbers(place):
    (place / "numbers.json").write_text("[]")


def no_numbers(place):
    (place / "numbers.json").unlink()


def no_losses(place):
    path = place / "numbers.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), "losses": ["many"]}))


def no_random(place):
    from safetensors.torch import load_file, save_file

    tensors = load_file(place / "weights.safetensors")
    save_file({**tensors, "random.cpu": torch.zeros(3)}, place / "weights.safetensors")


@pytest.mark.parametrize(
    "harm", [damage_weights, other_weights, damage_numbers, empty_numbers, no_numbers, no_losses, no_random]
)
def test_a_damaged_checkpoint_is_one_sentence_and_changes_nothing(made, harm):
    harm(made / "checkpoint")
    process, ema = session()
    before, random = state(process, ema), torch.get_rng_state()
    with pytest.raises(CheckpointError) as caught:
        checkpoints.load(made, process, ema)
    assert str(made) in str(caught.value) and "\n" not in str(caught.value) and len(str(caught.value)) < 500
    assert same(before, state(process, ema)) and torch.equal(random, torch.get_rng_state())
    assert not process.optimizer.state_dict()["state"]


@pytest.mark.parametrize(
    "other", [{"width": 4}, {"optimizer": lambda parameters, lr: torch.optim.Adam(list(parameters)[:2], lr)}]
)
def test_a_checkpoint_of_another_network_or_optimizer_is_refused(made, other):
    process, ema = session(**other)
    before, random = state(process, ema), torch.get_rng_state()
    with pytest.raises(CheckpointError, match="of another network or optimizer"):
        checkpoints.load(made, process, ema)
    assert same(before, state(process, ema)) and torch.equal(random, torch.get_rng_state())


@pytest.mark.parametrize("where", ["weights", "numbers"])
def test_a_full_disk_is_one_sentence_and_the_checkpoint_before_stays(made, monkeypatch, where):
    import safetensors.torch

    def full(*_, **__):
        raise OSError(28, "No space left on device")

    process, ema = session()
    losses = run(process, ema, checkpoints.load(made, process, ema), 2)
    with monkeypatch.context() as patch:
        patch.setattr(*((safetensors.torch, "save_file") if where == "weights" else (Path, "write_text")), full)
        with pytest.raises(CheckpointError, match="No space left"):
            checkpoints.save(made, process, ema, losses)
    assert len(checkpoints.load(made, process, ema)) == 5


def test_a_folder_that_cannot_be_written_is_one_sentence(tmp_path, monkeypatch):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(CheckpointError, match="could not be written"):
        checkpoints.save(tmp_path / "file" / "run", *session(), [])

    def refused(*_, **__):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "mkdir", refused)  # root, who may run this, can write everywhere
    with pytest.raises(CheckpointError, match="read-only"):
        checkpoints.save(tmp_path / "run", *session(), [])
