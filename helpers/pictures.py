"""How good generated digits are: Fréchet distance, the classifier's opinion, and the nearest training image.

Each number means little alone. Read it beside its floor, the same number for as many real images (`floors`), and compare only numbers
from equally many samples: the Fréchet distance of few samples is too large.

Images have shape (N, 1, 28, 28) and are uint8, or floats with black at -1 and white at 1. Floats outside are clipped, and all are rounded
down to 256 shades, as if stored in a file, which undoes dequantisation.
"""

from __future__ import annotations

import zlib
from dataclasses import dataclass
from functools import cache

import torch
from torch import nn

from helpers import models
from helpers.images import mnist, scaled


@dataclass(frozen=True, eq=False)
class PictureScore:
    """What can be said of n generated digits; `str()` says it in sentences."""

    n: int
    """Number of images."""
    n_reference: int
    """Number of reference images."""
    frechet: float
    """Fréchet distance to the reference images on the classifier's features (Heusel et al. 2017, eq. 6)."""
    confidence: float
    """Mean of the classifier's largest probability, in 0..1."""
    shares: torch.Tensor
    """Share of the images that the classifier takes for each digit, (10,)."""
    imbalance: float
    """Total variation distance of `shares` from the reference's: 0 is alike, 1 is nothing in common."""
    nearest: torch.Tensor
    """Index of the nearest training image of each image, (n,)."""
    distance: torch.Tensor
    """Euclidean distance to it, with pixels in [-1, 1], (n,)."""
    memorised: float
    """Share of the images that are nearer to a training image than 99 % of test images are; about 0.01 for new digits."""
    n_training: int
    """Number of training images among which the nearest was looked for."""

    def __str__(self) -> str:
        low, high = self.shares.argmin(), self.shares.argmax()
        return (
            f"Fréchet distance {self.frechet:.1f} ({self.n:,} samples against {self.n_reference:,} test images). "
            f"In these {self.n:,} the classifier is {self.confidence:.1%} sure on average; "
            f"the shares of the digits are {self.imbalance:.1%} away from the test images' "
            f"(fewest {low}s, {self.shares[low]:.1%}; most {high}s, {self.shares[high]:.1%}). "
            f"Of {self.n_training:,} training images the nearest is {self.distance.median():.1f} away (median); "
            f"{self.memorised:.1%} of the {self.n:,} samples are nearer to one than 99% of test images are."
        )


def score(images: torch.Tensor, reference: torch.Tensor | None = None, training: torch.Tensor | None = None) -> PictureScore:
    """Measure generated digits.

    Args:
        images: generated digits (n, 1, 28, 28), at least 2.
        reference: real images to compare with; by default the test images that `mnist` finds.
        training: images among which to look for the nearest; by default the training images that `mnist` finds.

    Raises:
        ValueError: if the images have another shape, are fewer than 2 or hold numbers that are not finite.
    """
    return _measure(_shades(images), reference, training)


def floors(
    n: int, seed: int = 0, reference: torch.Tensor | None = None, training: torch.Tensor | None = None
) -> PictureScore:
    """The same numbers for n real training images, drawn at random: what a perfect generator would get from as many samples.

    The nearest training image of each is looked for among the others.

    Raises:
        ValueError: if there are fewer than n training images.
    """
    training = _found("train") if training is None else training
    if not 2 <= n <= len(training):
        raise ValueError(
            f"There are {len(training):,} training images, so n must be from 2 to {len(training):,}, not {n:,}."
        )
    chosen = torch.randperm(len(training), generator=torch.Generator().manual_seed(seed))[:n]
    return _measure(_shades(training[chosen]), reference, training, chosen)


def frechet_distance(images: torch.Tensor, reference: torch.Tensor | None = None) -> float:
    """Fréchet distance of two sets of images on the features of the course's classifier, in float64.

    It is the squared distance of two normals with the means and covariances of the features (Heusel et al. 2017, eq. 6). With few
    samples it comes out too large: always say how many there were.

    Args:
        images, reference: two sets of images; the second is by default the test images that `mnist` finds.

    Raises:
        ValueError: as for `score`.
    """
    reference = _found("test") if reference is None else reference
    return _frechet(_seen(_shades(images))[0], _remembered(_shades(reference))[0])


@torch.no_grad()
def nearest(
    images: torch.Tensor, training: torch.Tensor, without: torch.Tensor | None = None
) -> tuple[torch.Tensor, torch.Tensor]:
    """The nearest training image of each image: its index (n,), and the Euclidean distance (n,) with pixels in [-1, 1].

    Args:
        images: (n, 1, 28, 28).
        training: (m, 1, 28, 28).
        without: for each image the index of a training image that does not count, (n,).
    """
    points, others = (scaled(_shades(x)).flatten(1) for x in (images, training))
    lengths, found = others.square().sum(1), []
    for rows in torch.arange(len(points)).split(500):
        squares = torch.addmm(lengths, points[rows], others.T, alpha=-2)
        if without is not None:
            squares.scatter_(1, without[rows, None], torch.inf)
        found.append(squares.argmin(1))
    index = torch.cat(found)
    return index, (points - others[index]).norm(dim=1)


def _measure(
    images: torch.Tensor, reference: torch.Tensor | None, training: torch.Tensor | None, without: torch.Tensor | None = None
) -> PictureScore:
    reference = _shades(_found("test") if reference is None else reference)
    training = _shades(_found("train") if training is None else training)
    (features, probabilities), (real_features, real_probabilities) = _seen(images), _remembered(reference)
    shares, real_shares = (p.argmax(1).bincount(minlength=10) / len(p) for p in (probabilities, real_probabilities))
    index, distance = nearest(images, training, without)
    return PictureScore(
        n=len(images),
        n_reference=len(reference),
        frechet=_frechet(features, real_features),
        confidence=probabilities.amax(1).mean().item(),
        shares=shares,
        imbalance=(shares - real_shares).abs().sum().item() / 2,
        nearest=index,
        distance=distance,
        memorised=(distance < _near(reference, training)).float().mean().item(),
        n_training=len(training),
    )


def _frechet(features: torch.Tensor, real_features: torch.Tensor) -> float:
    x, y = features.double(), real_features.double()
    s, t = torch.cov(x.T), torch.cov(y.T)
    root = torch.linalg.eigvals(s @ t).sqrt().real.sum()  # the trace of the matrix root of s @ t
    return max(((x.mean(0) - y.mean(0)).square().sum() + s.trace() + t.trace() - 2 * root).item(), 0.0)


def _shades(images: torch.Tensor) -> torch.Tensor:
    """Images as uint8 on the CPU."""
    if images.ndim != 4 or images.shape[1:] != (1, 28, 28) or len(images) < 2:
        raise ValueError(f"Two or more images of shape (N, 1, 28, 28) are needed; these have shape {tuple(images.shape)}.")
    if images.dtype == torch.uint8:
        return images
    if not images.isfinite().all():
        raise ValueError("The images hold numbers that are not finite (nan or inf), so there is nothing to measure.")
    return images.detach().cpu().float().add(1).mul(128).floor().clamp(0, 255).byte()


@torch.no_grad()
def _seen(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """The classifier's features and probabilities."""
    network = _classifier()
    features = torch.cat([network.features(scaled(part)) for part in images.split(500)])
    return features, network.head(features).softmax(1)


_MEMORY: dict[tuple, object] = {}


def _remembered(images: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
    """`_seen`, worked out once for the same images."""
    key = _key(images)
    if key not in _MEMORY:
        _MEMORY[key] = _seen(images)
    return _MEMORY[key]


def _near(reference: torch.Tensor, training: torch.Tensor) -> float:
    """The distance to the nearest training image that 1 % of the reference images fall below; from at most 2,000 of these."""
    key = (*_key(reference), *_key(training))
    if key not in _MEMORY:
        _MEMORY[key] = nearest(reference[:: -(-len(reference) // 2000)], training)[1].quantile(0.01).item()
    return _MEMORY[key]


def _key(images: torch.Tensor) -> tuple[int, int]:
    return len(images), zlib.crc32(images.contiguous().numpy())


@cache
def _classifier() -> nn.Module:
    return models.load("classifier").to(memory_format=torch.channels_last)


@cache
def _found(split: str) -> torch.Tensor:
    return mnist(split).images
