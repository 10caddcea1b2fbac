"""Seven real photographs, cut to 32 x 32: what stands in for CIFAR-10 where that cannot be had.

`assets/photographs.npz` holds the photographs, 256 pixels high; `assets/README.md` names their authors and licences. The windows
are cut when they are asked for, always the same ones: squares of 32, 64 or 96 pixels at random places, averaged down to 32 x 32. The
last 128 columns of each photograph are kept for the test windows, so no test pixel is ever in a training window.
"""

from __future__ import annotations

from functools import cache
from pathlib import Path
from typing import Literal

import numpy as np

FILE = Path(__file__).parent / "assets" / "photographs.npz"
COUNT = {"train": 10_000, "test": 2_000}
NAMES = ("astronaut", "chelsea", "china", "coffee", "face", "flower", "rocket")
HEIGHT, HELD_OUT, SIDE, FACTORS = 256, 128, 32, (1, 2, 3)


@cache
def photographs() -> dict[str, np.ndarray]:
    """The photographs, by name: uint8 arrays (256, width, 3).

    Raises:
        RuntimeError: if the file is missing or damaged.
    """
    try:
        with np.load(FILE) as file:
            return {name: file[name] for name in NAMES}
    except Exception as error:
        reason = (str(error).strip().splitlines() or [type(error).__name__])[0].rstrip(".")
        raise RuntimeError(
            f"The course's own photographs, {FILE}, are missing or damaged ({reason}). Get the helpers folder again."
        ) from error


def windows(split: Literal["train", "test"]) -> np.ndarray:
    """Windows cut out of the photographs, uint8 (N, 3, 32, 32): 10,000 for "train", 2,000 for "test"; always the same.

    Raises:
        RuntimeError: if the file with the photographs is missing or damaged.
    """
    rng, found = np.random.default_rng([7, split == "test"]), []
    parts = [photo[:, -HELD_OUT:] if split == "test" else photo[:, :-HELD_OUT] for _, photo in sorted(photographs().items())]
    for number in range(COUNT[split]):
        part, factor = parts[number % len(parts)], int(rng.choice(FACTORS))
        side = SIDE * factor
        top, left = (int(rng.integers(length - side + 1)) for length in part.shape[:2])
        square = part[top : top + side, left : left + side].astype(np.float32)
        small = square.reshape(SIDE, factor, SIDE, factor, 3).mean((1, 3))
        found.append(np.rint(small).astype(np.uint8).transpose(2, 0, 1))
    return np.stack(found)[rng.permutation(len(found))]


def main() -> None:
    """Make the file from the pictures that scikit-image, scikit-learn and SciPy ship: python -m helpers.photographs --from FOLDER."""
    import argparse
    import bz2

    from PIL import Image

    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--from", dest="folder", required=True, help="a folder that holds the pictures, at any depth")
    folder, arrays = Path(parser.parse_args().folder), {}
    for name in NAMES:
        path = next(path for suffix in ("png", "jpg", "dat") for path in sorted(folder.rglob(f"{name}.{suffix}")))
        if path.suffix == ".dat":  # SciPy's raccoon: bare bytes of 768 x 1024 pixels, compressed
            picture = Image.fromarray(np.frombuffer(bz2.decompress(path.read_bytes()), np.uint8).reshape(768, 1024, 3))
        else:
            picture = Image.open(path).convert("RGB")
        size = (round(picture.width * HEIGHT / picture.height), HEIGHT)
        arrays[name] = np.asarray(picture.resize(size, Image.Resampling.BOX))
    np.savez_compressed(FILE, **arrays)
    print(f"{FILE}: {FILE.stat().st_size:,} bytes")


if __name__ == "__main__":
    main()
