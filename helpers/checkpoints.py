"""Checkpoints from which a training run goes on as if it had never stopped: weights in safetensors, numbers in JSON."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any


class CheckpointError(Exception):
    """A checkpoint that cannot be written or read; its text says why and what to do."""


def save(folder: str | os.PathLike[str], process: Any, ema: Any, losses: list[float]) -> None:
    """Write everything that a run needs to go on: weights, their average, the optimizer, the random numbers, the losses.

    The files are written beside the old ones and then put in their place, so an interrupt leaves the last checkpoint whole.

    Args:
        folder: made if it is not there.
        process: has `network` and `optimizer`.
        ema: has `network`, the averaged weights.
        losses: one float for each step so far.

    Raises:
        CheckpointError: if it cannot be written, for instance because the disk is full.
    """
    import torch
    from safetensors.torch import save_file

    tensors = {f"network.{name}": value for name, value in process.network.state_dict().items()}
    tensors |= {f"ema.{name}": value for name, value in ema.network.state_dict().items()}
    state, plain = process.optimizer.state_dict(), {}
    for number, entries in state["state"].items():
        for name, value in entries.items():
            if isinstance(value, torch.Tensor):
                tensors[f"optimizer.{number}.{name}"] = value
            else:
                plain[f"{number}.{name}"] = value
    tensors["random.cpu"] = torch.get_rng_state()
    if torch.cuda.is_available():
        tensors |= {f"random.cuda.{i}": value for i, value in enumerate(torch.cuda.get_rng_state_all())}
    if torch.backends.mps.is_available():
        tensors["random.mps"] = torch.mps.get_rng_state()
    numbers = {"losses": [float(loss) for loss in losses], "groups": state["param_groups"], "optimizer": plain}
    folder = Path(folder)
    part, done, old = folder / "new", folder / "checkpoint", folder / "old"
    try:
        shutil.rmtree(part, ignore_errors=True)
        part.mkdir(parents=True)
        save_file(
            {name: value.detach().contiguous().clone() for name, value in tensors.items()}, part / "weights.safetensors"
        )
        (part / "numbers.json").write_text(json.dumps(numbers), encoding="utf-8")
        if done.exists():
            shutil.rmtree(old, ignore_errors=True)
            done.rename(old)
        part.rename(done)
        shutil.rmtree(old, ignore_errors=True)
    except Exception as error:  # safetensors has its own error types
        raise CheckpointError(
            f"The checkpoint could not be written to {folder} ({_short(error)}). Is the disk full, or the folder read-only? The checkpoint before it, if any, is still there."
        ) from None


def load(folder: str | os.PathLike[str], process: Any, ema: Any) -> list[float]:
    """Put a checkpoint back into process and ema, and set the random numbers to where they were.

    Returns:
        The losses so far; [] if there is no checkpoint in the folder (nothing is changed then).

    Raises:
        CheckpointError: if there is one that cannot be used: damaged, or of another network. Nothing is changed then.
    """
    import torch
    from safetensors.torch import load_file

    folder = Path(folder)
    try:
        place = next((folder / name for name in ("checkpoint", "old") if (folder / name).exists()), None)
        if place is None:
            return []
        tensors = load_file(place / "weights.safetensors")
        numbers = json.loads((place / "numbers.json").read_text(encoding="utf-8"))
        entries: dict[int, dict[str, Any]] = {}
        for name, value in [*_part(tensors, "optimizer.").items(), *numbers["optimizer"].items()]:
            number, key = name.split(".", 1)
            entries.setdefault(int(number), {})[key] = value
        losses = [float(value) for value in numbers["losses"]]
        groups, random = numbers["groups"], tensors["random.cpu"]
    except Exception as error:
        raise CheckpointError(
            f"The checkpoint in {folder} is damaged ({_short(error)}). Delete the folder to begin again, or take another folder."
        ) from None
    random_before = torch.get_rng_state()
    before = [
        {name: value.clone() for name, value in model.state_dict().items()} for model in (process.network, ema.network)
    ]
    try:
        process.network.load_state_dict(_part(tensors, "network."))
        ema.network.load_state_dict(_part(tensors, "ema."))
        torch.set_rng_state(random)
        process.optimizer.load_state_dict({"state": entries, "param_groups": groups})
    except Exception as error:
        process.network.load_state_dict(before[0])
        ema.network.load_state_dict(before[1])
        torch.set_rng_state(random_before)
        raise CheckpointError(
            f"The checkpoint in {folder} is of another network or optimizer ({_short(error)}). Take another folder for this one."
        ) from None
    cuda = [value for name, value in sorted(tensors.items()) if name.startswith("random.cuda.")]
    if cuda and len(cuda) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(cuda)
    if "random.mps" in tensors and torch.backends.mps.is_available():
        torch.mps.set_rng_state(tensors["random.mps"])
    return losses


def _part(tensors: dict[str, Any], prefix: str) -> dict[str, Any]:
    return {name.removeprefix(prefix): value for name, value in tensors.items() if name.startswith(prefix)}


def _short(error: Exception) -> str:
    return f"{type(error).__name__}: {' '.join(str(error).split())[:120]}".rstrip(": ")
