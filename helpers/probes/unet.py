"""Probes of notebook 05's network: what its output depends on, whatever it is built of.

All weights are drawn anew first, since a last layer that begins at zero is right. What a network depends on is then read from
differences and gradients alone, so any width, normalisation, attention or way to write it down may pass. The numbers that come back
are mostly counts of what is not as it should be.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from itertools import combinations
from types import SimpleNamespace
from typing import Any

import torch
from torch import nn
from torch.overrides import TorchFunctionMode

from helpers.probes import WrongType, probe

CHANNELS = 32  # of a block's features: normalisation in 32, 16, 8, ... groups is possible
TIME_DIM = 24


def shaken(network: Any, scale: float = 0.7) -> Any:
    """The network with new trainable weights that carry signals of about equal size through every layer; none is near zero in 1D."""
    if not isinstance(network, nn.Module):
        raise WrongType(f"made a {type(network).__name__}, which is no nn.Module")
    with torch.no_grad():
        for parameter in network.parameters():
            if not parameter.requires_grad:
                continue
            if parameter.ndim >= 2:
                fan_in = parameter[0].numel() if len(parameter) > 1 else 8
                parameter.normal_(0, scale * (2 / fan_in) ** 0.5)
            else:
                centre = bool((parameter == 1).all())  # the scale of a normalisation, at first
                sign = torch.randint(2, parameter.shape) * 2 - 1
                parameter.copy_(centre + scale * sign * (0.2 + 0.4 * torch.rand(parameter.shape)))
    return network


def tensor(value: Any, like: torch.Size | None = None) -> torch.Tensor:
    """The value itself if it is a tensor (of a shape, if given)."""
    if not isinstance(value, torch.Tensor):
        raise WrongType(
            "returned None (is there a `return`?)" if value is None else f"returned a {type(value).__name__}, not a tensor"
        )
    if like is not None and value.shape != like:
        raise WrongType(f"returned the shape {list(value.shape)}, expected {list(like)}")
    return value


def differ(one: torch.Tensor, two: torch.Tensor, tolerance: float = 1e-4) -> bool:
    """Whether two outputs differ by more than rounding."""
    return not bool(((one - two).abs().max() <= tolerance * (1e-6 + two.std())).item())


def unused(network: nn.Module, out: torch.Tensor) -> bool:
    """Whether the output depends on no weight at all, or there are trainable weights on which it does not depend."""
    trainable = [parameter for parameter in network.parameters() if parameter.requires_grad]
    if not trainable or not out.requires_grad:
        return True
    grads = torch.autograd.grad((out * torch.randn_like(out)).sum(), trainable, allow_unused=True)
    # a bias in front of a normalisation may have no effect, so that a vector only has to take part
    return any(
        grad is None or (parameter.ndim >= 2 and not grad.any()) for parameter, grad in zip(trainable, grads, strict=True)
    )


def company(
    network: nn.Module, x: torch.Tensor, by_row: torch.Tensor, x_other: torch.Tensor, other: torch.Tensor
) -> list[float]:
    """Does row 1 change with what stands in the other rows: in train mode, in eval mode, without other rows?

    Args:
        network: called with (x, by_row).
        x, x_other: two batches (B, ...), B > 1.
        by_row, other: the second inputs (B, ...).
    """
    x_other, other = x_other.clone(), other.clone()
    x_other[1], other[1] = x[1], by_row[1]

    def row(first: torch.Tensor, second: torch.Tensor, index: int = 1) -> torch.Tensor:
        torch.manual_seed(5)  # dropout is right
        return tensor(network(first.clone(), second.clone()))[index]

    with torch.no_grad():
        network.train()
        training = differ(row(x_other, other), row(x, by_row))
        network.eval()
        alone = differ(row(x[1:2], by_row[1:2], 0), row(x, by_row))
        return [float(training), float(differ(row(x_other, other), row(x, by_row))), float(alone)]


def kept(make: Callable[[], nn.Module], x: torch.Tensor, by_row: torch.Tensor) -> list[float]:
    """Is what should stay the same not the same: the answer asked for twice, the answer of a loaded copy, the inputs?

    And, last, is an answer of new weights not that of a fresh copy that was never asked before, as if something were kept?
    """
    network, copy = shaken(make()).eval(), make().eval()
    copy.load_state_dict(network.state_dict())
    with torch.no_grad():
        first, second = tensor(network(x.clone(), by_row.clone())), tensor(network(x.clone(), by_row.clone()))
        loaded = tensor(copy(x.clone(), by_row.clone()))
        mine, other = x.clone(), by_row.clone()
        network(mine, other)
        fresh = make().eval()
        fresh.load_state_dict(shaken(network).state_dict())
        stale = differ(tensor(network(x.clone(), by_row.clone())), tensor(fresh(x.clone(), by_row.clone())))
    changed = not (torch.equal(mine, x) and torch.equal(other, by_row))
    same, as_loaded = not differ(first, second), not differ(loaded, first)
    return [float(not same), float(same and not as_loaded), float(changed), float(same and as_loaded and stale)]


def crossed(f: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], x: torch.Tensor, two: torch.Tensor) -> bool:
    """Whether the second input only adds something to the output: the same whatever x is. x and two are (2, ...)."""
    out = f(x[[0, 0, 1, 1]], two[[0, 1, 0, 1]])
    return bool((out[0] - out[1] - out[2] + out[3]).abs().max() <= 1e-5 * out.std())


def affine(f: Callable[[torch.Tensor, torch.Tensor], torch.Tensor], x: torch.Tensor, two: torch.Tensor) -> bool:
    """Whether f is affine in x at a fixed second input. x and two are (2, ...)."""
    out = f(torch.stack([x[0], x[1], x[0] + x[1], 0 * x[0]]), two[[0, 0, 0, 0]])
    return not differ(out[0] - out[3], out[2] - out[1])


class WithoutNorms(TorchFunctionMode):
    """While it is active, torch's normalisations do nothing: they are not linear, and yet no activation."""

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the function, or hand back the input of a normalisation."""
        if getattr(func, "__name__", "") in ("group_norm", "layer_norm", "instance_norm", "batch_norm", "rms_norm"):
            return args[0] if args else kwargs["input"]
        return func(*args, **(kwargs or {}))


# ------------------------------------------------------------------------------------------------- the time's embedding


@probe("unet.time_embedding")
def time_embedding(case: SimpleNamespace, function: Any) -> Any:
    """The embedding of some t; for "dtype" the bytes of a number too."""
    out = function(case.t.round().long(), int(case.dim))
    if case.what == "dtype":
        return [*tensor(out).flatten().tolist(), out.element_size()]
    return out


# ------------------------------------------------------------------------------------------------- the residual block


def block_inputs(batch: int, channels: int = CHANNELS, height: int = 5, width: int = 7) -> tuple[torch.Tensor, torch.Tensor]:
    """Random features (batch, channels, height, width) and embedded times (batch, TIME_DIM)."""
    return torch.randn(batch, channels, height, width), torch.randn(batch, TIME_DIM)


@probe("unet.block")
def block(case: SimpleNamespace, cls: Any) -> Any:
    """What the case asks for; see the functions below."""
    return BLOCK[case.what](case, cls)


def block_shape(case: SimpleNamespace, cls: Any) -> list[float]:
    """The shape of the output and the bytes of a number."""
    x, emb = block_inputs(int(case.batch), int(case.channels_in), int(case.height), int(case.width))
    out = tensor(cls(int(case.channels_in), int(case.channels_out), TIME_DIM)(x, emb))
    return [*out.shape, out.element_size()]


def block_identity(case: SimpleNamespace, cls: Any) -> list[float]:
    """Smallest and largest ratio of output and input where all weights are zero and the input positive."""
    network = cls(CHANNELS, CHANNELS, TIME_DIM).eval()
    for parameter in network.parameters():
        parameter.data.zero_()
    x = torch.linspace(1, 3, 2 * CHANNELS * 35).reshape(2, CHANNELS, 5, 7)
    ratio = tensor(network(x.clone(), torch.linspace(-2, 2, 2 * TIME_DIM).reshape(2, -1)), x.shape) / x
    return [ratio.min().item(), ratio.max().item()]


def block_by_pass(case: SimpleNamespace, cls: Any) -> list[float]:
    """Matrices that carry x to the output when all others are zero: is there none, and do they mix pixels?"""
    network = cls(CHANNELS, 2 * CHANNELS, TIME_DIM).eval()
    matrices = [parameter for parameter in network.parameters() if parameter.ndim >= 2]
    for parameter in matrices:
        parameter.data.zero_()
    x, emb = block_inputs(1)
    moved = x.clone()
    moved[..., 2, 3] += 1
    carrying, mixing = 0, 0
    for parameter in matrices:
        parameter.data.normal_()
        with torch.no_grad():
            change = (tensor(network(moved.clone(), emb)) - tensor(network(x.clone(), emb))).abs().sum((0, 1))
        parameter.data.zero_()
        here = change[2, 3].item()
        carrying += here > 1e-3
        mixing += bool(here > 1e-3 and change.sum() - here > 1e-3 * here)
    return [float(carrying == 0), float(mixing > 0)]


def block_time(case: SimpleNamespace, cls: Any) -> list[float]:
    """Output channels (of both kinds of blocks) that another time leaves as they are, and whether it just adds something."""
    still, added = 0, 0
    for channels in (CHANNELS, 2 * CHANNELS):
        network = shaken(cls(CHANNELS, channels, TIME_DIM)).eval()
        x, emb = block_inputs(2)
        with torch.no_grad():
            out = tensor(network(x[[0, 0, 0]], torch.stack([emb[0], emb[1], -emb[0]])))
            change = torch.stack([out[1] - out[0], out[2] - out[0]]).abs().amax((2, 3))
            still += int((change <= 1e-5 * out.std()).sum())
            added += crossed(network, x, emb)
    return [still / (6 * CHANNELS), float(added > 0)]


def block_rows(case: SimpleNamespace, cls: Any) -> list[float]:
    """Rows in other company, in both kinds of blocks."""
    found = []
    for channels in (CHANNELS, 2 * CHANNELS):
        network = shaken(cls(CHANNELS, channels, TIME_DIM))
        found.append(company(network, *block_inputs(4), *block_inputs(4)))
    return torch.tensor(found).amax(0).tolist()


def block_used(case: SimpleNamespace, cls: Any) -> list[float]:
    """Whether weights are of no use, with equal and with different channels."""
    found = []
    for channels in (CHANNELS, 2 * CHANNELS):
        network = shaken(cls(CHANNELS, channels, TIME_DIM)).eval()
        found.append(float(unused(network, tensor(network(*block_inputs(2))))))
    return found


def block_extent(case: SimpleNamespace, cls: Any) -> list[float]:
    """Is a diagonal neighbour's influence on a pixel (at distance 1 and 2) hardly larger than that of far pixels?"""
    network = shaken(cls(CHANNELS, CHANNELS, TIME_DIM)).eval()
    x = torch.randn(1, CHANNELS, 17, 19).repeat(CHANNELS, 1, 1, 1).requires_grad_()
    out = tensor(network(x * 1.0, torch.randn(1, TIME_DIM).repeat(CHANNELS, 1)), x.shape)
    rows = torch.arange(CHANNELS)
    influence = torch.autograd.grad(out[rows, rows, 8, 9].sum(), x)[0].square().sum((0, 1))  # row b: on channel b
    outside = torch.ones(17, 19, dtype=torch.bool)
    outside[4:13, 5:14] = False
    far = influence[outside].median()  # not zero where a normalisation or attention looks at the whole map
    near = [influence[[8 - d, 8 - d, 8 + d, 8 + d], [9 - d, 9 + d, 9 - d, 9 + d]].mean() for d in (1, 2)]
    return [float(not bool(value > 3 * far)) for value in near]


def block_nonlinear(case: SimpleNamespace, cls: Any) -> list[float]:
    """Is it affine in x? Do two neighbouring pixels act on the output without knowing of each other?"""
    network = shaken(cls(CHANNELS, CHANNELS, TIME_DIM)).eval()
    x, emb = block_inputs(2)
    with torch.no_grad(), WithoutNorms():
        left, right = torch.zeros_like(x[0]), torch.zeros_like(x[0])
        left[:, 2, 3], right[:, 2, 4] = 2 * torch.randn(CHANNELS), 2 * torch.randn(CHANNELS)
        out = tensor(network(torch.stack([x[0], x[0] + left, x[0] + right, x[0] + left + right]), emb[[0, 0, 0, 0]]))
        separate = not differ(out[1] - out[0], out[3] - out[2])
        return [float(affine(network, x, emb)), float(separate)]


def block_kept(case: SimpleNamespace, cls: Any) -> list[float]:
    """What should stay the same and does not."""
    return kept(lambda: cls(CHANNELS, CHANNELS, TIME_DIM), *block_inputs(2))


BLOCK = {
    "shape": block_shape,
    "identity": block_identity,
    "by_pass": block_by_pass,
    "time": block_time,
    "rows": block_rows,
    "used": block_used,
    "extent": block_extent,
    "nonlinear": block_nonlinear,
    "kept": block_kept,
}


# ------------------------------------------------------------------------------------------------- the whole network


class Cut(TorchFunctionMode):
    """While it is active, no gradient flows through any map of the given sizes that is computed from x.

    Attributes:
        early: for the full and the half size, the maps of x that were computed before the first map of half that size.
    """

    def __init__(self, x: torch.Tensor, sizes: tuple[int, ...]) -> None:
        super().__init__()
        self.cut, full = sizes, x.shape[-1]
        self.smaller = {full: full // 2, full // 2: full // 4}
        self.early: dict[int, list[torch.Tensor]] = {size: [] for size in self.smaller}
        self.reached: set[int] = set()
        self.of_x = {id(x): x}  # the tensors are kept, so that no other gets the same id

    def __torch_function__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Call the function; its results come from x if one of its arguments does."""
        kwargs = kwargs or {}
        result = func(*args, **kwargs)
        given = [
            part for value in (*args, *kwargs.values()) for part in (value if isinstance(value, (list, tuple)) else [value])
        ]
        if not any(id(value) in self.of_x for value in given):
            return result
        if type(result) in (tuple, list):
            return type(result)(self._look(value) for value in result)
        if result is None and isinstance(args[0], torch.Tensor):  # h[...] = something
            self.of_x[id(args[0])] = args[0]
        return self._look(result)

    def _look(self, value: Any) -> Any:
        if not isinstance(value, torch.Tensor) or not value.is_floating_point():
            return value
        size = value.shape[-1] if value.ndim == 4 and value.shape[-1] == value.shape[-2] else 0
        if size in self.cut:
            value = value.detach()
        self.of_x[id(value)] = value
        if size:
            self.reached.add(size)
        if size in self.early and self.smaller[size] not in self.reached and value.requires_grad:
            value.retain_grad()
            self.early[size].append(value)
        return value


TARGETS = ((0, 0), (15, 14), (29, 7))  # upper left corners of 3 x 3 pixels


@functools.lru_cache(maxsize=1)
def paths(cls: Any, channels: int, seed: int) -> dict[str, list[float]]:
    """By which ways a network for 32 x 32 images gets from x to its output: what is missing.

    The gradient with respect to x is a sum over all ways through the network. With all maps of 8 x 8 cut, what is left are the ways
    that stay at 16 x 16 or above; with those of 16 x 16 cut too, the ways that stay on the full image.
    """
    torch.manual_seed(seed)
    network = shaken(cls(32, channels)).eval()
    image, t = torch.randn(len(TARGETS), channels, 32, 32), torch.randint(1000, (len(TARGETS),))
    weights = torch.randn(len(TARGETS), channels, 3, 3)

    def run(*sizes: int) -> tuple[torch.Tensor, Cut]:
        leaf = image.clone().requires_grad_()
        x = leaf * 1.0
        with Cut(x, sizes) as cut:
            out = network(x, t)
        out = tensor(out, image.shape)
        seen = sum((out[k, :, i : i + 3, j : j + 3] * weights[k]).sum() for k, (i, j) in enumerate(TARGETS))
        if seen.requires_grad:
            seen.backward()
        return torch.zeros_like(leaf) if leaf.grad is None else leaf.grad, cut

    def joined(cut: Cut, size: int) -> bool:
        return any(map_.grad is not None and bool(map_.grad.any()) for map_ in cut.early[size])

    whole, _ = run()
    upper, no_quarter = run(8)
    top, no_half = run(8, 16)
    full = joined(no_half, 32) if no_half.early[32] else bool(top.any())
    energy = top.square().sum(1)
    local = sum(energy[k, i : i + 3, j : j + 3].mean() - 10 * energy[k].median() for k, (i, j) in enumerate(TARGETS))
    own = [bool(whole[k, :, i : i + 3, j : j + 3].any()) for k, (i, j) in enumerate(TARGETS)]
    far = whole[1].abs().sum(0)
    i, j = (place + 1 for place in TARGETS[1])
    ring = torch.cat([far[i - 14, j - 14 : j + 15], far[i + 14, j - 14 : j + 15], far[i - 14 : i + 15, j - 14]])
    return {
        "full": [float(not full), float(not bool(local > 0))],
        "half": [float(not joined(no_quarter, 16)), float(not differ(upper, top))],
        "quarter": [float(not differ(whole, upper))],
        "far": [float(bool((ring > 0).float().mean() < 0.5))],
        "own": [float(not all(own))],
    }


@probe("unet.model")
def model(case: SimpleNamespace, cls: Any) -> Any:
    """What the case asks for; see the functions below."""
    return MODEL[case.what](case, cls)


def model_inputs(batch: int, channels: int, size: int = 28) -> tuple[torch.Tensor, torch.Tensor]:
    """Random images (batch, channels, size, size) and times (batch,), all different."""
    return torch.randn(batch, channels, size, size), torch.randperm(1000)[:batch]


def model_shape(case: SimpleNamespace, cls: Any) -> list[float]:
    """The shape of the output and the bytes of a number."""
    batch, channels, size = int(case.batch), int(case.channels), int(case.size)
    out = tensor(cls(size, channels)(*model_inputs(batch, channels, size)))
    return [*out.shape, out.element_size()]


def model_path(case: SimpleNamespace, cls: Any) -> list[float]:
    """Whether one way from x to the output is missing."""
    return paths(cls, int(case.channels), int(case.seed))[case.way]


def model_time(case: SimpleNamespace, cls: Any) -> list[float]:
    """Pairs of times with the same output, or with the same output at more than a tenth of the pixels."""
    network, t = cls(28, int(case.channels)).eval(), case.t.round().long()
    x = torch.randn(1, int(case.channels), 28, 28).repeat(len(t), 1, 1, 1)
    found = []
    for scale in (0.5, 0.7):  # with small weights a tanh at the end is not flat, with large ones the time is well seen
        with torch.no_grad():
            out = tensor(shaken(network, scale)(x, t), x.shape)
        pairs = combinations(range(len(t)), 2)
        found.append([((out[i] - out[j]).abs() > 3e-6 * out.std()).float().mean().item() for i, j in pairs])
    shares = [max(both) for both in zip(*found, strict=True)]
    return [float(sum(share < 0.02 for share in shares)), float(sum(0.02 <= share < 0.9 for share in shares))]


def model_joint(case: SimpleNamespace, cls: Any) -> list[float]:
    """Is the output affine in the image? Does the time just add something to it?"""
    network = shaken(cls(28, int(case.channels))).eval()
    x, t = model_inputs(2, int(case.channels))
    with torch.no_grad():
        added = crossed(network, x, t)
        with WithoutNorms():
            return [float(affine(network, x, t)), float(added)]


def model_loud(case: SimpleNamespace, cls: Any) -> float:
    """Whether going from t = 0 to t = 999 changes the output far more than taking another image does."""
    network = shaken(cls(28, int(case.channels))).eval()
    x, _ = model_inputs(2, int(case.channels))
    with torch.no_grad():
        out = tensor(network(x[[0, 1, 0]], torch.tensor([0, 0, 999])))
    return float((out[2] - out[0]).square().mean() > 30**2 * (out[1] - out[0]).square().mean())


def model_rows(case: SimpleNamespace, cls: Any) -> list[float]:
    """Rows in other company."""
    channels = int(case.channels)
    return company(shaken(cls(28, channels)), *model_inputs(4, channels), *model_inputs(4, channels))


def model_used(case: SimpleNamespace, cls: Any) -> float:
    """Whether weights are of no use."""
    network = shaken(cls(28, int(case.channels))).eval()
    return float(unused(network, tensor(network(*model_inputs(2, int(case.channels))))))


def model_range(case: SimpleNamespace, cls: Any) -> list[float]:
    """Whether the output never gets low, and never gets high, with large weights."""
    network = cls(28, int(case.channels)).eval()
    x, t = model_inputs(2, int(case.channels))
    with torch.no_grad():  # with one draw of the last weights, all outputs may have one sign
        out = torch.stack([tensor(shaken(network, scale=2.0)(3 * x, t)) for _ in range(8)])
    return [float(not bool(out.min() < -1.5)), float(not bool(out.max() > 1.5))]


def model_kept(case: SimpleNamespace, cls: Any) -> list[float]:
    """What should stay the same and does not."""
    return kept(lambda: cls(28, int(case.channels)), *model_inputs(2, int(case.channels)))


MODEL = {
    "shape": model_shape,
    "path": model_path,
    "time": model_time,
    "joint": model_joint,
    "loud": model_loud,
    "rows": model_rows,
    "used": model_used,
    "range": model_range,
    "kept": model_kept,
}
