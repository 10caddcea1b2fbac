"""The networks that the course ships, each with weights and with the script that trained them.

`load("digits")` gives a trained network. What is known of it (its training data, seed, seconds and measured figures) travels in the
weights file and comes back as `network.card`, a dictionary of strings.

A shipped network is a module of this package with a function `build()`, which gives the untrained network, and a `main()`, which
trains it (`python -m helpers.models.digits`) and ends with `save`. None has an architecture that a task asks for.
"""

from __future__ import annotations

import json
from importlib import import_module
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from torch import nn

WEIGHTS = Path(__file__).parent / "weights"


def names() -> list[str]:
    """The networks that there are."""
    return sorted(path.stem for path in Path(__file__).parent.glob("[a-z]*.py"))


def build(name: str) -> nn.Module:
    """The untrained network of that name.

    Raises:
        ValueError: if there is none of that name.
    """
    if name not in names():
        raise ValueError(f"There is no network {name!r} in helpers.models; there are {', '.join(names())}.")
    return import_module(f"helpers.models.{name}").build()


def load(name: str, *, folder: Path | None = None) -> nn.Module:
    """The trained network of that name: float32, on the CPU, in evaluation mode and without gradients.

    Args:
        name: for example "classifier" or "digits".
        folder: where the weights file is; by default the weights that the course ships.

    Returns:
        The network, with what is known of it in the dictionary `network.card`.

    Raises:
        ValueError: if there is no network of that name.
        FileNotFoundError: if its weights file is missing.
        RuntimeError: if the file is damaged, or holds another network.
    """
    from safetensors import SafetensorError, safe_open

    network = build(name)
    path = _path(name, folder)
    if not path.is_file():
        raise FileNotFoundError(
            f"The weights of {name!r} are missing: there is no file {path}. Get the helpers folder again, "
            f"or train it with: python -m helpers.models.{name}"
        )
    try:
        with safe_open(path, framework="pt") as file:
            network.load_state_dict({key: file.get_tensor(key).clone() for key in file.keys()})  # noqa: SIM118
            network.card = file.metadata() or {}
    except (SafetensorError, OSError, RuntimeError) as error:
        reason = str(error).splitlines()[0]
        raise RuntimeError(f"The file {path} is damaged or does not hold the network {name!r} ({reason}).") from error
    return network.float().eval().requires_grad_(False)


def save(name: str, network: nn.Module, *, half: bool = False, folder: Path | None = None, **card: object) -> Path:
    """Write a network's weights for `load`; gives the path of the file.

    Args:
        name: the name of its module.
        network: the trained network.
        half: store 16-bit floats, half as many bytes. Measure after `load`, then.
        folder: where to write; by default among the weights that the course ships.
        card: what is known of the network, for example seed=0, fd="12.3 (10,000 samples)"; stored as strings.
    """
    import torch
    from safetensors.torch import save_file

    def stored(tensor: torch.Tensor) -> torch.Tensor:
        tensor = tensor.detach().cpu().contiguous()
        return tensor.half() if half and tensor.is_floating_point() else tensor

    path = _path(name, folder)
    path.parent.mkdir(parents=True, exist_ok=True)
    state = {key: stored(tensor) for key, tensor in network.state_dict().items()}
    save_file(state, path, metadata={key: str(value) for key, value in card.items()})
    path.chmod(0o644)  # safetensors lets nobody else read what it writes
    return path


def curves(name: str, *, folder: Path | None = None) -> dict[str, Any]:
    """How the training of "vae", "gan" or "flow" went, for a figure.

    Args:
        name: of the network.
        folder: where the file is; by default among the weights that the course ships.

    Returns:
        `seconds`: CPU seconds, up to 200; `losses`: by name, a list of the same length; `fd`: Fréchet distances of `fd_samples`
        samples along the way, at `fd_seconds` CPU seconds.

    Raises:
        FileNotFoundError: if there are no curves of that name.
    """
    path = _path(name, folder).with_suffix(".json")
    if not path.is_file():
        raise FileNotFoundError(
            f"There are no curves of {name!r}: no file {path}. They are made by: python -m helpers.models.{name}"
        )
    return json.loads(path.read_text(encoding="utf-8"))


def _path(name: str, folder: Path | None) -> Path:
    return (folder or WEIGHTS) / f"{name}.safetensors"
