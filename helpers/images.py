"""MNIST and CIFAR-10: the full sets where they can be had, else what comes with the course.

The images of handwritten digits are by Yann LeCun, Corinna Cortes and Christopher J.C. Burges, a remix of data of the US National
Institute of Standards and Technology, under CC BY-SA 3.0. The full set (60,000 training and 10,000 test images) is read, and if need
be fetched, through `torchvision.datasets.MNIST`. `assets/mnist.npz` holds 10,000 of the training and 2,000 of the test images, drawn
at random once; `assets/README.md` says how it was made.

CIFAR-10 (Alex Krizhevsky 2009: 50,000 training and 10,000 test photographs, 32 x 32) is read or fetched through
`torchvision.datasets.CIFAR10`; no part of it comes with the course. Windows cut out of seven other photographs stand in for it
(`helpers.photographs`).
"""

from __future__ import annotations

import os
import socket
import tempfile
import threading
import zlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING, Literal

import numpy as np

from helpers.notebook import grading

if TYPE_CHECKING:
    import torch

EMBEDDED = Path(__file__).parent / "assets" / "mnist.npz"
FULL = {"train": 60_000, "test": 10_000}
PART = {"train": 10_000, "test": 2_000}
CHECKSUM = {"train": 3748519521, "test": 420383099}
"""CRC-32 of the pixels and then the labels of the full set."""
NAMES = {"train": "training", "test": "test"}
PATIENCE = 4.0
"""Seconds to wait for an answer from the server before the embedded images are used."""


@dataclass(frozen=True)
class Digits:
    """Images (N, 1, 28, 28) as uint8, labels (N,) as int64, and a sentence on where they come from."""

    images: torch.Tensor
    labels: torch.Tensor
    source: str

    def __len__(self) -> int:
        return len(self.images)


def mnist(split: Literal["train", "test"], *, folder: str | Path | None = None, download: bool = True) -> Digits:
    """Handwritten digits: the full MNIST set where it can be had, else the embedded part; `.source` says which.

    Args:
        split: "train" or "test".
        folder: a folder that holds MNIST/raw, or into which it may be fetched. By default the one that the environment variable
            DIFFUSION_LABS_DATA names, else a cache folder in your home.
        download: whether the full set may be fetched (11 MB) if it is not in the folder. It is tried once, is given up after a few
            seconds without an answer, and is never tried while a notebook is graded.

    Raises:
        ValueError: if `split` is neither "train" nor "test".
    """
    if split not in FULL:
        raise ValueError(f'split is "train" or "test", not {split!r}.')
    place = Path(folder or os.environ.get("DIFFUSION_LABS_DATA") or _cache_folder()).expanduser()
    reason = ""
    if not (place / "MNIST" / "raw").is_dir():
        reason = _fetch(place) if download and not grading() else f"there is no folder {place / 'MNIST' / 'raw'}"
    if not reason:
        try:
            return _read(place, split)
        except ImportError:
            reason = "torchvision is not installed"
        except Exception as error:  # whatever is wrong with the files, the notebook goes on
            reason = f"the files in {place / 'MNIST' / 'raw'} are damaged or incomplete: {_brief(error)}; delete them to fetch them anew"
    return embedded(split, f" The full set is not used: {reason}.")


def embedded(split: Literal["train", "test"], remark: str = "") -> Digits:
    """The part of MNIST that comes with the course: 10,000 training or 2,000 test images.

    Args:
        split: "train" or "test".
        remark: a sentence to append to `.source`.

    Raises:
        RuntimeError: if the file with the images is missing or damaged.
    """
    import torch

    try:
        with np.load(EMBEDDED) as file:
            pixels, labels = file[f"{split}_images"], file[f"{split}_labels"]
    except Exception as error:
        raise RuntimeError(
            f"The course's own images, {EMBEDDED}, are missing or damaged ({_brief(error)}). Get the helpers folder again."
        ) from error
    source = f"This is the embedded subset of MNIST: {PART[split]:,} of the {FULL[split]:,} {NAMES[split]} images.{remark}"
    return Digits(torch.from_numpy(pixels)[:, None], torch.from_numpy(labels.astype(np.int64)), source)


@dataclass(frozen=True)
class Photographs:
    """Colour images (N, 3, 32, 32) as uint8, and a sentence on where they come from."""

    images: torch.Tensor
    source: str

    def __len__(self) -> int:
        return len(self.images)


def cifar10(split: Literal["train", "test"], *, folder: str | Path | None = None, download: bool = True) -> Photographs:
    """Small photographs: CIFAR-10 where it can be had, else windows cut out of seven other photographs; `.source` says which.

    Args:
        split: "train" or "test".
        folder: a folder that holds cifar-10-batches-py, or into which it may be fetched. By default as for `mnist`.
        download: whether the set may be fetched (170 MB) if it is not in the folder. It is tried once, is given up after a few
            seconds without an answer, and is never tried while a notebook is graded.

    Raises:
        ValueError: if `split` is neither "train" nor "test".
        RuntimeError: if CIFAR-10 cannot be had and the course's own photographs are missing or damaged.
    """
    import torch

    if split not in FULL:
        raise ValueError(f'split is "train" or "test", not {split!r}.')
    place = Path(folder or os.environ.get("DIFFUSION_LABS_DATA") or _cache_folder()).expanduser()
    found = place / "cifar-10-batches-py"
    reason = ""
    if not found.is_dir():
        reason = _fetch_cifar10(place) if download and not grading() else f"there is no folder {found}"
    if not reason:
        try:
            return _read_cifar10(place, split)
        except ImportError:
            reason = "torchvision is not installed"
        except Exception as error:
            reason = f"the files in {found} are damaged or incomplete: {_brief(error)}; delete them to fetch them anew"
    from helpers import photographs

    pixels = torch.from_numpy(photographs.windows(split))
    source = (
        f"THIS IS NOT CIFAR-10. It is a stand-in: {len(pixels):,} windows of 32 x 32 pixels, cut out of seven real photographs"
        f"{' (parts that no training window shows)' if split == 'test' else ''}. CIFAR-10 is not used: {reason}."
    )
    return Photographs(pixels, source)


def _read_cifar10(place: Path, split: str) -> Photographs:
    """The full set from files that are there; torchvision compares their MD5 sums."""
    import torch
    from torchvision.datasets import CIFAR10

    data = CIFAR10(str(place), train=split == "train")
    pixels = torch.from_numpy(data.data).permute(0, 3, 1, 2).contiguous()
    return Photographs(pixels, f"This is CIFAR-10, all {len(pixels):,} {NAMES[split]} images.")


@cache
def _fetch_cifar10(place: Path) -> str:
    """Fetch CIFAR-10 into a folder, once per process; gives the reason if it fails, else nothing."""
    try:
        from torchvision.datasets import CIFAR10
    except ImportError:
        return "torchvision is not installed"
    if not _answers(CIFAR10.url):
        return "it could not be fetched, since there is no network or its server does not answer"

    def fetch(scratch: Path) -> Path:
        CIFAR10(str(scratch), download=True)
        return scratch / CIFAR10.base_folder

    return _into(place, fetch)


def scaled(images: torch.Tensor) -> torch.Tensor:
    """uint8 images as float32 with black at -1 and white at 1, of the same shape."""
    return images.float().div_(127.5).sub_(1)


def _read(place: Path, split: str) -> Digits:
    """The full set from files that are there."""
    from torchvision.datasets import MNIST

    data = MNIST(str(place), train=split == "train")
    if _checksum(data.data, data.targets) != CHECKSUM[split]:
        raise ValueError("they do not hold the images of MNIST")
    return Digits(
        data.data[:, None], data.targets.long(), f"This is the full MNIST {NAMES[split]} set, {FULL[split]:,} images."
    )


def _checksum(pixels: torch.Tensor, labels: torch.Tensor) -> int:
    return zlib.crc32(labels.to(pixels.dtype).numpy().tobytes(), zlib.crc32(pixels.contiguous().numpy()))


@cache
def _fetch(place: Path) -> str:
    """Fetch the full set into a folder, once per process; gives the reason if it fails, else nothing."""
    try:
        from torchvision.datasets import MNIST
    except ImportError:
        return "torchvision is not installed"
    if not _answers(MNIST.mirrors[0]):
        return "it could not be fetched, since there is no network or its server does not answer"

    def fetch(scratch: Path) -> Path:
        MNIST(str(scratch), download=True)
        return scratch / "MNIST"

    return _into(place, fetch)


def _into(place: Path, fetch: Callable[[Path], Path]) -> str:
    """Run `fetch` in a scratch folder and move what it made into `place`; gives the reason if it fails, else nothing."""
    before = socket.getdefaulttimeout()
    try:
        place.mkdir(parents=True, exist_ok=True)
        socket.setdefaulttimeout(2 * PATIENCE)  # of each read: torchvision sets none
        with tempfile.TemporaryDirectory(dir=place) as scratch:  # an interrupted download leaves nothing behind
            made = fetch(Path(scratch))
            made.rename(place / made.name)
    except Exception as error:
        return f"it could not be fetched: {_brief(error)}"
    finally:
        socket.setdefaulttimeout(before)
    return ""


def _answers(address: str) -> bool:
    """Whether a server answers in time. Asked in a thread, since looking up its name has no time-out of its own."""
    from urllib.error import HTTPError
    from urllib.request import urlopen

    answered = threading.Event()

    def ask() -> None:
        try:
            urlopen(address, timeout=PATIENCE).close()
        except HTTPError:  # a server that forbids listing the folder is there all the same
            answered.set()
        except OSError:
            return
        answered.set()

    thread = threading.Thread(target=ask, daemon=True)
    thread.start()
    thread.join(PATIENCE)
    return answered.is_set()


def _cache_folder() -> Path:
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "diffusion-labs"


def _brief(error: Exception) -> str:
    """The first line of an error, without its full stop, so that it fits into a sentence."""
    return (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".: ")


def main() -> None:
    """Make the embedded part from the full set: python -m helpers.images --from FOLDER."""
    import argparse

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--from", dest="folder", required=True, help="a folder that holds MNIST/raw")
    rng, arrays = np.random.default_rng(0), {}
    folder = Path(parser.parse_args().folder)
    for split, count in PART.items():
        digits = _read(folder, split)
        chosen = np.sort(rng.choice(len(digits), count, replace=False))
        arrays[f"{split}_images"] = digits.images[chosen, 0].numpy()
        arrays[f"{split}_labels"] = digits.labels[chosen].numpy().astype(np.uint8)
    EMBEDDED.parent.mkdir(exist_ok=True)
    np.savez_compressed(EMBEDDED, **arrays)
    print(f"{EMBEDDED}: {EMBEDDED.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
