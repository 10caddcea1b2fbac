"""Probes of notebook 07: pieces of a training with known effects, and what any network for 32 x 32 colour images must do.

Nothing asks what a network is built of. What it depends on is read from differences and gradients, with weights drawn anew, since a
last layer that begins at zero is right; how it begins, from its own weights. Most numbers that come back count what is not as it
should be.
"""

from __future__ import annotations

import copy
import functools
from itertools import combinations
from types import SimpleNamespace
from typing import Any

import numpy as np
import torch
from torch import nn

from helpers.probes import WrongType, need, probe, to_array, turns
from helpers.probes.unet import affine, company, crossed, kept, shaken, tensor, unused

T = 1000
MOST_PARAMETERS, MOST_BYTES = 2_000_000, 16_000_000

# ------------------------------------------------------------------------------------------------------- measuring, augmenting


@probe("cifar.power_spectrum")
def power_spectrum(case: SimpleNamespace, function: Any) -> Any:
    """The spectrum of the images."""
    return function(case.x)


@probe("cifar.flip")
def flip(case: SimpleNamespace, function: Any) -> Any:
    """What the case asks for; see the comments."""
    n = int(case.n)
    x = torch.randint(256, (n, 3, 4, 6), dtype=torch.uint8)
    if case.what == "floats":
        x = x.float() / 255
    if (
        case.what == "generator"
    ):  # do equal seeds give something else? do ten others give the same? does a generator stand still?
        seeds = [4, 4, *range(5, 15)]
        one, two, *others = (flipped(x, function(x.clone(), torch.Generator().manual_seed(seed))) for seed in seeds)
        generator = torch.Generator().manual_seed(15)
        first, *later = (flipped(x, function(x.clone(), generator)) for _ in range(10))  # one coin for all will differ
        still = all(torch.equal(first, call) for call in later)
        faults = [not torch.equal(one, two), all(torch.equal(one, other) for other in others), still]
        return [float(fault) for fault in faults]
    if case.what == "kept":  # is the input changed in one of ten calls, or the type another one?
        outs, changed = [], False
        for _ in range(10):
            mine = x.clone()
            outs.append(tensor(function(mine), x.shape))
            changed |= not torch.equal(mine, x)
        return [float(changed), float(any(out.dtype != x.dtype for out in outs))]
    if case.what == "new":  # does a change of what comes back change what went in?
        ins = [x.clone() for _ in range(int(case.calls))]
        outs = [tensor(function(mine), x.shape) for mine in ins]
        return float(any(mine.data_ptr() == out.data_ptr() for mine, out in zip(ins, outs, strict=True)))
    calls = zip(range(int(case.calls)), turns(), strict=False)
    seen = torch.stack([flipped(x, function(x.clone(), **given)) for _, given in calls])
    if case.what != "shares":  # is there an image upside down, one turned, another one that is neither mirrored nor itself?
        return [float((seen == code).any()) for code in (2, 3, -1)]
    shares = [(seen == 1), (seen[:, 1:] == seen[:, :-1]), (seen[1:] == seen[:-1])]
    means = [(share.double().mean().item(), 6.3 * 0.5 / share.numel() ** 0.5) for share in shares]
    return [float((mean > 0.5 + margin) - (mean < 0.5 - margin)) for mean, margin in means]


def flipped(x: torch.Tensor, out: Any) -> torch.Tensor:
    """For each image: 1 if it is the mirrored one, 0 itself, 2 upside down, 3 turned by half a circle, -1 something else, (N,)."""
    out = tensor(out, x.shape)
    found = torch.full((len(x),), -1)
    for code, other in ((3, x.flip((2, 3))), (2, x.flip(2)), (1, x.flip(3)), (0, x)):
        found[(out == other).flatten(1).all(1)] = code
    return found


# ------------------------------------------------------------------------------------------------------- pieces of a training


@probe("cifar.rate")
def rate(case: SimpleNamespace, function: Any) -> list[float]:
    """The rates at some steps."""
    return [float(function(int(n), float(case.peak), int(case.warm_up), int(case.hold))) for n in case.steps.tolist()]


class Line(nn.Module):
    """slope * x + tilt * t / 1000 + shift; 5 more where it is asked about more rows than `most`, and 1 more in train mode if `moody`.

    Args:
        start: first weights: one slope or one for each colour, then tilt and shift.
        most: see above.
        moody: see above.

    Attributes:
        count: a buffer that is a whole number; `scale` is one that is not.
        modes: for each call, whether it was in train mode.
    """

    def __init__(self, start: torch.Tensor, most: int = 10**6, moody: bool = False) -> None:
        super().__init__()
        self.slope = nn.Parameter(start[:-2].float().reshape(-1, 1, 1).clone())
        self.tilt, self.shift = (nn.Parameter(value.clone()) for value in start.float()[-2:])
        self.register_buffer("count", torch.tensor(0))
        self.register_buffer("scale", torch.tensor(1.0))
        self.most, self.moody = most, moody
        self.modes: list[bool] = []

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """The same shape as x."""
        t = torch.as_tensor(t)
        self.modes.append(self.training)
        out = self.slope * x + self.tilt * t.reshape(-1, 1, 1, 1) / T + self.shift
        return out + 5.0 * (len(x) > self.most) + 1.0 * (self.moody and self.training)


def numbers(network: nn.Module) -> torch.Tensor:
    """Its parameters in a row."""
    return torch.cat([parameter.detach().flatten() for parameter in network.parameters()]).double()


@probe("cifar.update_average")
def update_average(case: SimpleNamespace, function: Any) -> Any:
    """What the case asks for; `case.values` is (moments, 3), the first row the average's."""
    average, network = Line(case.values[0]).requires_grad_(False), Line(case.values[0])
    seen, step = [], int(case.step)
    for number, values in enumerate(case.values[1:]):
        with torch.no_grad():
            for parameter, value in zip(network.parameters(), values, strict=True):
                parameter.copy_(value)
            network.count.fill_(7 + number)
            network.scale.fill_(0.25 + number)
        arguments = (average, network, step + number)
        function(*arguments) if case.what == "default" else function(*arguments, float(case.decay))
        seen.append(numbers(average))
    if case.what == "buffers":
        return [average.count.item(), average.scale.item()]
    if case.what == "apart":
        network.count += 5
        network.scale += 5.0
        return [average.count.item(), average.scale.item()]
    if case.what == "network":  # and whether the average now has gradients, and the network none
        wrong = [any(p.requires_grad for p in average.parameters()), not all(p.requires_grad for p in network.parameters())]
        return [*numbers(network).tolist(), *map(float, wrong)]
    return torch.stack(seen)


@probe("cifar.large_step")
def large_step(case: SimpleNamespace, function: Any) -> Any:
    """Loss and norm of each step, and the parameters after it."""
    part = int(case.part)
    network = Line(case.start, most=part)
    if case.optimizer == "momentum":
        optimizer = torch.optim.SGD(network.parameters(), lr=float(case.lr), momentum=0.5)
    elif case.optimizer == "groups":
        optimizer = torch.optim.SGD([{"params": [one]} for one in network.parameters()], lr=float(case.lr))
    else:
        optimizer = torch.optim.SGD(network.parameters(), lr=float(case.lr))
    if case.what == "stale":
        for parameter in network.parameters():
            parameter.grad = torch.full_like(parameter, 3.0)
    seen = []
    for x, t, target in zip(case.x, case.t, case.target, strict=True):
        arguments = (network, optimizer, x.clone(), t.round().long(), target.clone())
        given = {} if case.what == "default" else {"part": part, "max_norm": float(case.max_norm)}
        loss, norm = need(function(*arguments, **given), 2, "loss, norm")
        seen += [float(loss), float(norm), *numbers(network).tolist()]
        if case.what == "floats":
            return [float(not isinstance(value, float)) for value in (loss, norm)]
        if case.what == "mode":
            return [float(not all(network.modes)), float(not network.training)]
    return seen


@probe("cifar.held_out_loss")
def held_out_loss(case: SimpleNamespace, function: Any) -> Any:
    """What the case asks for."""
    network = Line(case.start, most=int(case.part), moody=True)
    network.train(case.mode == "train")
    arguments = (network, case.x.clone(), case.noise.clone(), [int(t) for t in case.times.tolist()])
    out = function(*arguments) if case.what == "default" else function(*arguments, part=int(case.part))
    if case.what == "twice":
        again = function(*arguments, part=int(case.part))
        return float(not np.array_equal(to_array(out), to_array(again)))
    if case.what == "after":  # is the mode another one? do gradients flow, were any worked out, will none be?
        wrong = [network.training != (case.mode == "train"), isinstance(out, torch.Tensor) and out.requires_grad]
        wrong += [
            any(p.grad is not None for p in network.parameters()),
            not all(p.requires_grad for p in network.parameters()),
        ]
        return [float(fault) for fault in wrong]
    return out


# ------------------------------------------------------------------------------------------------------- the network


@probe("cifar.network")
def network(case: SimpleNamespace, module: Any) -> Any:
    """What the case asks for; see the functions below."""
    if not hasattr(module, "Network"):
        raise WrongType("the file defines no Network")
    if case.what not in ("shape", "budget") and any(over_budget(module.Network)):
        raise WrongType("needs more than its budget, so this was not tried")
    return NETWORK[case.what](case, module.Network)


def inputs(batch: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Random images (batch, 3, 32, 32) and times (batch,), all different."""
    return torch.randn(batch, 3, 32, 32), torch.randperm(T)[:batch]


@functools.lru_cache(maxsize=1)
def made(cls: Any, seed: int) -> nn.Module:
    """A network with new weights, in evaluation mode; the same for all cases of an item."""
    torch.manual_seed(seed)
    return shaken(cls()).eval()


def shape(case: SimpleNamespace, cls: Any) -> list[float]:
    """The shape of the output and the bytes of a number."""
    network = cls()
    if not isinstance(network, nn.Module):
        raise WrongType(f"made a {type(network).__name__}, which is no nn.Module")
    out = tensor(network(*inputs(int(case.batch))))
    return [*out.shape, out.element_size()]


def parameters(case: SimpleNamespace, cls: Any) -> list[float]:
    """Are there none that can be trained? Are there too many? Is too much memory kept for the backward pass?"""
    return [float(not any(parameter.requires_grad for parameter in cls().parameters())), *map(float, over_budget(cls))]


@functools.lru_cache(maxsize=1)
def over_budget(cls: Any) -> tuple[bool, bool]:
    """Are there too many trainable parameters? Is too much kept for the backward pass, for each of two images?"""
    network, kept_bytes = cls().train(), {}
    own = {parameter.untyped_storage().data_ptr() for parameter in network.parameters()}
    count = sum(parameter.numel() for parameter in network.parameters() if parameter.requires_grad)

    def keep(value: torch.Tensor) -> torch.Tensor:
        storage = value.untyped_storage()
        if storage.data_ptr() not in own:
            kept_bytes[storage.data_ptr()] = storage.nbytes()
        return value

    with torch.autograd.graph.saved_tensors_hooks(keep, lambda value: value):
        out = tensor(network(*inputs(2)))  # alive while the bytes are counted, so that no address is used twice
    return count > MOST_PARAMETERS, sum(kept_bytes.values()) > MOST_BYTES * len(out)


def time(case: SimpleNamespace, cls: Any) -> list[float]:
    """Pairs of times with the same output, or with the same output at more than a tenth of the numbers."""
    network, t = made(cls, int(case.seed)), case.t.round().long()
    x = torch.randn(1, 3, 32, 32).expand(len(t), -1, -1, -1).clone()
    with torch.no_grad():
        out = tensor(network(x, t), x.shape)
    shares = [((out[i] - out[j]).abs() > 3e-6 * out.std()).float().mean().item() for i, j in combinations(range(len(t)), 2)]
    return [float(sum(share < 0.02 for share in shares)), float(sum(0.02 <= share < 0.9 for share in shares))]


def loud(case: SimpleNamespace, cls: Any) -> list[float]:
    """Does going from t = 0 to t = 999 change the output far more than another image does, or hardly at all?"""
    network, (x, _) = made(cls, int(case.seed)), inputs(2)
    with torch.no_grad():
        out = tensor(network(x[[0, 1, 0]], torch.tensor([0, 0, T - 1])), torch.Size((3, 3, 32, 32)))
    by_time, by_image = (out[2] - out[0]).square().mean(), (out[1] - out[0]).square().mean()
    return [float(by_time > 30**2 * by_image), float(by_time < 1e-3**2 * by_image)]


def joint(case: SimpleNamespace, cls: Any) -> list[float]:
    """Is the output affine in the image? Does the time just add something to it?"""
    network, (x, t) = made(cls, int(case.seed)), inputs(2)
    with torch.no_grad():
        return [float(affine(network, x, t)), float(crossed(network, x, t))]


PLACES = ((9, 10), (16, 15), (22, 23))


@functools.lru_cache(maxsize=1)
def influence(cls: Any, seed: int) -> torch.Tensor:
    """How much each number of the input matters to each colour of the output at three pixels: (3 places, 3 out, 3 in, 32, 32)."""
    network, (x, t) = made(cls, seed), inputs(3)
    found = []
    for i, j in PLACES:
        leaf = x.clone().requires_grad_()
        out = tensor(network(leaf * 1.0, t), x.shape)
        if not out.requires_grad:
            return torch.zeros(3, 3, 3, 32, 32)
        grads = [torch.autograd.grad(out[:, c, i, j].sum(), leaf, retain_graph=True, allow_unused=True)[0] for c in range(3)]
        found.append(torch.stack([torch.zeros(3, 32, 32) if g is None else g.abs().sum(0) for g in grads]))
    return torch.stack(found)


def sees(case: SimpleNamespace, cls: Any) -> list[float]:
    """Of three pixels: how many do not see themselves; how many do not see six pixels to each side; pairs of colours that never meet."""
    seen = influence(cls, int(case.seed)).sum((1, 2)) > 0
    own, far = 0, 0
    for k, (i, j) in enumerate(PLACES):
        own += not seen[k, i, j]
        far += not all(seen[k, i + d, j + e] for d, e in ((-6, 0), (6, 0), (0, -6), (0, 6)))
    colours = (influence(cls, int(case.seed)).sum((0, 3, 4)) > 0).logical_not().sum()
    return [float(own), float(far), float(colours)]


def whole(case: SimpleNamespace, cls: Any) -> list[float]:
    """Does a share of the input's pixels not matter? Is a share of the output's the same for other images?"""
    network, (x, t) = made(cls, int(case.seed)), inputs(3)
    leaf = x.clone().requires_grad_()
    out = tensor(network(leaf * 1.0, t[:1].expand(3)), x.shape)
    if not out.requires_grad:
        return [1.0, 1.0]
    grad = torch.autograd.grad((out * torch.randn_like(out)).sum(), leaf, allow_unused=True)[0]
    ignored = 1.0 if grad is None else (grad.abs().sum((0, 1)) == 0).float().mean().item()
    still = ((out - out[:1]).abs().sum((0, 1)) <= 1e-6 * out.std()).float().mean().item()
    return [float(ignored > 0.01), float(still > 0.01)]


def rows(case: SimpleNamespace, cls: Any) -> list[float]:
    """Rows in other company."""
    return company(shaken(cls()), *inputs(4), *inputs(4))


def used(case: SimpleNamespace, cls: Any) -> float:
    """Whether weights are of no use."""
    network = shaken(cls()).eval()
    return float(unused(network, tensor(network(*inputs(2)))))


def bounds(case: SimpleNamespace, cls: Any) -> list[float]:
    """Whether the output never gets low, and never gets high, with large weights."""
    network, (x, t) = cls().eval(), inputs(2)
    with torch.no_grad():
        out = torch.stack([tensor(shaken(network, scale=4.0)(3 * x, t)) for _ in range(6)])
    return [float(not bool(out.min() < -4.5)), float(not bool(out.max() > 4.5))]


def same(case: SimpleNamespace, cls: Any) -> list[float]:
    """What should stay the same and does not."""
    return kept(cls, *inputs(2))


def moves(case: SimpleNamespace, cls: Any) -> list[float]:
    """Does something stay behind when the network goes to another device? Does it fail in 16-bit arithmetic?"""
    network, (x, t) = cls().eval(), inputs(2)
    with torch.no_grad(), torch.autocast("cpu", torch.bfloat16, cache_enabled=False):
        try:
            failed = not bool(tensor(network(x, t), x.shape).float().isfinite().all())
        except RuntimeError:
            failed = True
    try:  # a device without numbers, which every machine has
        behind = copy.deepcopy(network).to("meta")(x.to("meta"), t.to("meta")).device.type != "meta"
    except (RuntimeError, NotImplementedError) as error:
        # anything else, such as a look at the numbers, only slows a GPU down
        behind = "expected device" in str(error) or "same device" in str(error)
    return [float(behind), float(failed)]


def learns(case: SimpleNamespace, cls: Any) -> list[float]:
    """From its own first weights: are its first answers far too large? Do 30 steps of Adam on four images not lower the loss?"""
    torch.manual_seed(int(case.seed))
    coarse = torch.randn(4, 3, 4, 4)
    x, noise = nn.functional.interpolate(coarse, size=32, mode="bicubic"), torch.randn(4, 3, 32, 32)
    t, phi = torch.tensor([150, 400, 600, 850]), torch.tensor([0.24, 0.63, 0.94, 1.34]).view(-1, 1, 1, 1)
    noisy, target = phi.cos() * x + phi.sin() * noise, phi.cos() * noise - phi.sin() * x
    target = target - target.mean((0, 2, 3), keepdim=True)  # so that an answer of one colour is of no use
    network = cls().train()
    optimizer, first = torch.optim.Adam(network.parameters(), lr=1e-3), None
    for _ in range(30):
        loss = (tensor(network(noisy.clone(), t), x.shape) - target).square().mean()
        first = loss.item() if first is None else first
        if loss.item() < 0.97 * first or not loss.requires_grad:
            break
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    return [float(not first < case.most), float(not loss.item() < 0.97 * first)]


NETWORK = {
    "shape": shape,
    "budget": parameters,
    "time": time,
    "loud": loud,
    "joint": joint,
    "sees": sees,
    "whole": whole,
    "rows": rows,
    "used": used,
    "bounds": bounds,
    "same": same,
    "moves": moves,
    "learns": learns,
}
