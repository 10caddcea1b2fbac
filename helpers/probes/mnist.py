"""Probes of notebook 05's data and process: networks with a coefficient of their own for each t, channel and pixel."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import torch
from torch import nn

from helpers.probes import WrongType, need, probe, turns
from helpers.probes.ddpm import bytes_each, changed
from helpers.probes.ddpm_samplers import tails
from helpers.probes.vpsde import Listener, heard, mean_squares, sums, tensor


def look_at(x: Any, t: Any) -> None:
    """Refuse x and t that a network made for x (B, C, H, W) and t (B,) could not take."""
    for name, value in (("x", x), ("t", t)):
        if not isinstance(value, torch.Tensor):
            raise TypeError(f"the network was given a {type(value).__name__} as {name}, it takes tensors")
    if x.ndim != 4:
        raise ValueError(f"the network was given x of shape {tuple(x.shape)}, it takes (B, channels, H, W)")
    if t.shape != x.shape[:1]:
        raise ValueError(f"the network was given t of shape {tuple(t.shape)}, with these x it takes ({len(x)},)")
    if t.is_floating_point() and not bool((t == t.round()).all()):
        raise ValueError("the network was given a t that is not a whole number")


def row_of(t: torch.Tensor, rows: int) -> torch.Tensor:
    """t as index of a table for t = -1 ... T; a sentence if it lies farther out."""
    index = t.detach().long() + 1
    if bool((index < 0).any()) or bool((index >= rows).any()):
        raise ValueError(f"the network was given a t far outside 0 ... {rows - 3}")
    return index


class Pixels(nn.Module):
    """An affine network, with a factor and an offset of its own for each t = -1 ... T, channel and pixel.

    theta is (T + 2, 2, C, H, W), the offsets last. No right answer asks for t = -1 or T.
    """

    def __init__(self, theta: torch.Tensor) -> None:
        super().__init__()
        self.theta = nn.Parameter(theta.clone())

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """The output at x (B, C, H, W), integer t (B,)."""
        look_at(x, t)
        if x.shape[1:] != self.theta.shape[2:]:
            raise ValueError(
                f"the network was given x of shape {tuple(x.shape)}, here it takes (B, *{tuple(self.theta.shape[2:])})"
            )
        index = row_of(t, len(self.theta))
        if len(t) and bool((t == t[0]).all()):  # one t for all images, as in a sampler
            index = index[:1]
        factor, offset = self.theta[index].to(x).unbind(1)
        return torch.addcmul(offset, factor, x)


class Constant(nn.Module):
    """The same image, theta (C, H, W), whatever x and t are."""

    def __init__(self, theta: torch.Tensor) -> None:
        super().__init__()
        self.theta = nn.Parameter(theta.clone())

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """The output at x (B, C, H, W), integer t (B,)."""
        look_at(x, t)
        return self.theta.to(x).expand_as(x)


class Bands(nn.Module):
    """Knows the noise in constant images and adds 1 to it where its size is in a band; scale and shift are (T + 2,)."""

    def __init__(self, scale: torch.Tensor, shift: torch.Tensor, low: float, high: float) -> None:
        super().__init__()
        self.theta = nn.Parameter(torch.zeros(1))
        self.scale, self.shift, self.low, self.high = scale, shift, low, high

    def forward(self, x: torch.Tensor, t: torch.Tensor) -> torch.Tensor:
        """The output at x (B, C, H, W), integer t (B,)."""
        look_at(x, t)
        index = row_of(t, len(self.scale))[:, None, None, None]
        known = torch.addcmul(self.shift[index].to(x), x, self.scale[index].to(x))
        return known + ((known.abs() >= self.low) & (known.abs() < self.high)) + 0 * self.theta


def process(case: SimpleNamespace, cls: Any, network: nn.Module, shape: Any) -> Any:
    """The student's process on images (C, H, W), with the schedule, the kind of prediction and the clipping of the case."""
    made = cls(int(shape[1]), int(shape[0]), network=network, betas=case.betas, predicts=getattr(case, "kind", "eps"),
               clip=bool(getattr(case, "clip", 0)))  # fmt: skip
    made.shape = tuple(int(side) for side in shape)  # the sides may differ here
    return made


def blocks(images: torch.Tensor, pattern: Any) -> torch.Tensor:
    """Rows, one for each time that a pattern (C, h, w) fits side by side into the images (n, C, H, W)."""
    _, h, w = pattern
    parts = images.unfold(2, h, h).unfold(3, w, w)  # (n, C, H / h, W / w, h, w)
    return parts.permute(0, 2, 3, 1, 4, 5).flatten(3).flatten(0, 2)


def tiled(values: torch.Tensor, case: SimpleNamespace) -> torch.Tensor:
    """Images, or tables for images, beside and below each other as often as the case says."""
    if not hasattr(case, "tiles"):
        return values
    return values.repeat(*[1] * (values.ndim - 2), *case.tiles.int().tolist())


def like(result: Any, x: torch.Tensor, name: str = "a tensor") -> torch.Tensor:
    """The result, if it has the shape of x."""
    if tensor(result).shape != x.shape:
        raise WrongType(f"returned {name} of shape {list(result.shape)} for images of shape {list(x.shape)}")
    return result


# ------------------------------------------------------------------------------------------------------------ the data


@probe("mnist.dequantise")
def dequantise(case: SimpleNamespace, dequantise: Any) -> Any:
    """What comes between grey levels: of rows ("rows"), of all 256 levels ("levels"), how it repeats ("generator") and more."""
    if case.what == "levels":
        return tensor(dequantise(torch.arange(256, dtype=torch.uint8).reshape(16, 16)))
    pixels = torch.as_tensor(case.pixels).round().to(torch.uint8)
    before = pixels.clone()
    if case.what == "kept":
        return [bytes_each(dequantise(pixels)), changed([before], [pixels])]
    if case.what == "generator":
        torch.manual_seed(1)
        one = tensor(dequantise(pixels, generator=torch.Generator().manual_seed(5)))
        torch.manual_seed(2)
        generator = torch.Generator().manual_seed(5)
        two, three = tensor(dequantise(pixels, generator)), tensor(dequantise(pixels, generator))
        return [float(torch.equal(one, two)), float(torch.equal(two, three))]
    if case.what == "shape":
        return list(tensor(dequantise(pixels)).shape)
    if case.what == "calls":
        calls = [like(dequantise(pixels, **given), pixels) for _, given in zip(range(case.n), turns(), strict=False)]
        return (torch.stack(calls) * 256 - pixels).flatten(1)
    pixels = pixels.expand(case.n, *pixels.shape).clone()
    shares = (like(dequantise(pixels), pixels).double() * 256 - pixels).flatten(1)
    if case.what == "distinct":
        return [float(len(column.unique())) for column in shares.T]
    if case.what == "ends":
        return [float((shares < case.width).sum()), float((shares > 1 - case.width).sum())]
    if case.what == "bottom":
        return float((shares > 1).any())
    return shares


@probe("mnist.scale")
def scale(case: SimpleNamespace, to_model: Any, to_display: Any) -> Any:
    """Either map, or one after the other, and whether the inputs stay."""
    x = torch.as_tensor(case.x)
    before = x.clone()
    maps = {"to_model": [to_model], "to_display": [to_display], "both": [to_model, to_display], "kept": [to_model]}
    result = x
    for function in maps[case.what]:
        result = like(function(result), result)
    if case.what == "kept":
        to_display(x)
        return changed([before], [x])
    return result


@probe("mnist.betas")
def betas(case: SimpleNamespace, make_betas: Any) -> Any:
    """A schedule; of a long one the length, both ends and the sums of all pieces; or what an unknown name gives."""
    if case.what == "unknown":
        try:
            tensor(make_betas(case.schedule, case.T))
        except ValueError:
            return 1.0
        return 0.0
    result = tensor(make_betas(case.schedule, case.T))
    if case.what == "all":
        return result
    pieces = [piece.sum().item() for piece in result.double().split(25)]
    return [*result.shape, *result[:4].tolist(), *result[-4:].tolist(), *pieces]


# ---------------------------------------------------------------------------------------------------------- the process


@probe("mnist.add_noise")
def add_noise(case: SimpleNamespace, cls: Any) -> Any:
    """The noise, its sum with the noisy images, or what is left of these when images and noise are taken out."""
    x, t = tiled(case.x, case), case.t.round().long()
    if case.what in ("sum", "noise", "far", "size", "whole"):  # one image for every t, many times over
        x, t = x.expand(case.n, *x.shape[1:]).contiguous(), t.repeat(case.n // len(t))
    made = process(case, cls, Constant(torch.zeros(1)), x.shape[1:])
    held = [x, t, made.betas, made.alpha_bar]
    before = [value.clone() for value in held]
    if case.what == "calls":
        return sums(case.n, lambda rows: need(made.add_noise(x.repeat(rows, 1, 1, 1), t.repeat(rows)), 2, "noisy, noise")[1])
    noisy, noise = need(made.add_noise(x, t), 2, "noisy, noise")
    noisy, noise = like(noisy, x, "noisy"), like(noise, x, "noise")
    if case.what == "kept":
        return changed(before, held)
    if case.what in ("far", "size"):
        return tails(case, noise) if case.what == "far" else mean_squares(noise)
    if case.what == "whole":
        return noise.flatten(1).sum(1, keepdim=True) / noise[0].numel() ** 0.5
    if case.what == "rest":
        a, s = case.signal.reshape(-1, 1, 1, 1), case.spread.reshape(-1, 1, 1, 1)
        return (noisy - a * x - s * noise).abs().flatten(1).amax(1)
    return blocks(noise if case.what == "noise" else noisy + noise, case.x.shape[1:])


@probe("mnist.target")
def target(case: SimpleNamespace, cls: Any) -> Any:
    """The targets of images, each with its own t; or how many inputs and tables have changed afterwards."""
    t = case.t.round().long()
    made = process(case, cls, Constant(torch.zeros(1)), case.x0.shape[1:])
    held = [case.x0, case.noise, t, made.betas, made.alpha_bar]
    before = [value.clone() for value in held]
    result = like(made.target(case.x0, case.noise, t), case.x0)
    return changed(before, held) if case.what == "kept" else result


@probe("mnist.train_step")
def train_step(case: SimpleNamespace, cls: Any) -> Any:
    """Losses, parameters after some steps, or the steps themselves, on networks that are known at every t."""
    if case.what == "course":
        return course(case, cls)
    if case.what == "times":  # one network for each t, wrong at that t only
        x = case.x.repeat(case.B, 1, 1, 1)
        return torch.stack([repeated(case, cls, Pixels(theta), x) for theta in case.thetas], dim=1)
    if case.what in ("size", "alone", "shared"):
        network, x = Listener(), torch.zeros(case.B, *case.shape.int().tolist())
        made = process(case, cls, network, x.shape[1:])
        made.optimizer = torch.optim.SGD(network.parameters(), lr=0.0)
        return heard(case, network, lambda: made.train_step(x.clone()), lambda t: case.scale[row_of(t, len(case.scale))])
    if case.what in ("bands", "far"):
        x = torch.full((case.B, *case.shape.int().tolist()), float(case.value))
        table = torch.stack(
            [repeated(case, cls, Bands(case.scale, case.shift, float(low), float(high)), x) for low, high in case.bands],
            dim=1,
        )
        return 1.0 * ((table * x.numel() - case.middle).abs() <= case.width) if case.what == "far" else table
    x = case.x.repeat(case.B // len(case.x), 1, 1, 1)
    if case.what == "losses":
        return repeated(case, cls, Pixels(case.theta), x)
    network = Pixels(case.theta)
    made = process(case, cls, network, x.shape[1:])
    made.optimizer = torch.optim.SGD(network.parameters(), lr=1.0)
    found = []
    for _ in range(case.count):
        network.theta.data.copy_(case.theta)
        made.train_step(x)
        found.append(case.theta - network.theta.detach())
    return torch.stack(found)


def course(case: SimpleNamespace, cls: Any) -> list[float]:
    """Losses, the parameters after all steps, and whether the images changed, where neither t nor noise matter."""
    network = Constant(case.start)
    made = process(case, cls, network, case.start.shape)
    made.optimizer = torch.optim.SGD(network.parameters(), lr=case.lr, momentum=case.momentum)
    before = [images.clone() for images in case.batches]
    found = [plain(made.train_step(images)) for images in case.batches]
    return [*found, *network.theta.flatten().tolist(), changed(before, list(case.batches))]


def repeated(case: SimpleNamespace, cls: Any, network: nn.Module, x: torch.Tensor) -> torch.Tensor:
    """The losses of some calls with an optimizer that moves nothing."""
    made = process(case, cls, network, x.shape[1:])
    made.optimizer = torch.optim.SGD(network.parameters(), lr=0.0)
    return torch.tensor([plain(made.train_step(x)) for _ in range(case.count)], dtype=torch.float64)


def plain(loss: Any) -> float:
    """The loss, if it is a plain float."""
    if loss is None:
        raise WrongType("returned None (is there a `return`?)")
    if not isinstance(loss, float):
        graph = " that still holds the graph of its step" if isinstance(loss, torch.Tensor) and loss.requires_grad else ""
        raise WrongType(f"returned a {type(loss).__name__}{graph}, a plain float was expected")
    return float(loss)


@probe("mnist.predict_x0")
def predict_x0(case: SimpleNamespace, cls: Any) -> Any:
    """The predicted images, or how many inputs and tables have changed afterwards."""
    x_t, t = case.x_t, case.t.round().long()
    made = process(case, cls, Pixels(case.theta), x_t.shape[1:])
    held = [x_t, t, made.betas, made.alpha_bar]
    before = [value.clone() for value in held]
    result = like(made.predict_x0(x_t, t), x_t)
    return changed(before, held) if case.what == "kept" else result


def flag(case: SimpleNamespace) -> dict[str, bool]:
    """How `stochastic` is given: 0, 1, or not at all (2)."""
    return {} if case.stochastic == 2 else {"stochastic": bool(case.stochastic)}


@probe("mnist.denoise")
def denoise(case: SimpleNamespace, cls: Any) -> Any:
    """One step: its images, the rows of many copies of one image, how many numbers are far out, or what has changed."""
    x_t = case.x_t if case.what in ("images", "kept", "again") else tiled(case.x_t, case).repeat(case.n, 1, 1, 1)
    made = process(case, cls, Pixels(tiled(case.theta, case)), x_t.shape[1:])
    if case.what == "alone":  # many calls for one image each
        return sums(case.calls, lambda rows: made.denoise(x_t.repeat(rows, 1, 1, 1), int(case.t), **flag(case)))
    held = [x_t, made.betas, made.alpha_bar]
    before = [value.clone() for value in held]
    result = like(made.denoise(x_t, int(case.t), **flag(case)), x_t)
    if case.what == "kept":
        return changed(before, held)
    if case.what == "again":
        return float((made.denoise(x_t, int(case.t), **flag(case)) != result).flatten(1).any(1).sum())
    if case.what in ("far", "size"):
        return tails(case, result) if case.what == "far" else mean_squares(result)
    return result if case.what == "images" else blocks(result, case.x_t.shape[1:])


@probe("mnist.sample")
def sample(case: SimpleNamespace, cls: Any) -> Any:
    """New images from a given or an own start, as images or as rows, and the frames on the way."""
    theta = tiled(case.theta, case)
    shape, given = theta.shape[2:], {**flag(case)}
    if hasattr(case, "x_T"):
        given["x_T"] = tiled(case.x_T, case).repeat(case.n // len(case.x_T), 1, 1, 1)
    before = [given["x_T"].clone()] if "x_T" in given else []
    made = process(case, cls, Pixels(theta), shape)
    if case.what == "frames":
        frames = {"list": list, "set": set, "tuple": tuple}[case.collection](case.frames.int().tolist())
        images, kept = need(made.sample(case.n, **given, frames=frames), 2, "images, kept")
        return frames_in_a_row(images, kept)
    images = tensor(made.sample(case.n, **given))
    if images.shape != (case.n, *shape):
        raise WrongType(f"returned the shape {list(images.shape)}, expected {[case.n, *shape]}")
    if case.what in ("far", "size"):
        return tails(case, images) if case.what == "far" else mean_squares(images)
    if case.what == "kept":
        return changed(before, [given["x_T"]])
    return blocks(images, case.theta.shape[2:]) if case.what == "rows" else images


def frames_in_a_row(images: Any, kept: Any) -> torch.Tensor:
    """The images, then all kept ones in their order: (1 + kept, n, C, H, W)."""
    if not isinstance(kept, (list, tuple)):
        raise WrongType(f"returned the kept images as a {type(kept).__name__}, a list was expected")
    return torch.stack([like(one, images, "kept images") for one in (tensor(images), *kept)])
