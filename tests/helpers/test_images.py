"""MNIST comes from where it should, and says so; nothing that is wrong with the full set stops a notebook."""

from __future__ import annotations

import sys
import threading
import time

import numpy as np
import pytest
import torch

from helpers import images


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """An empty cache folder, no network, and no memory of an earlier attempt."""
    for name in ("DIFFUSION_LABS_DATA", "NBGRADER_EXECUTION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(images, "_answers", lambda address: False)
    images._fetch.cache_clear()
    yield
    images._fetch.cache_clear()


def idx(path, array):
    """Write an array in the format of the MNIST files."""
    header = bytes([0, 0, 8, array.ndim]) + np.array(array.shape, dtype=">i4").tobytes()
    path.write_bytes(header + array.astype(np.uint8).tobytes())


@pytest.fixture
def full(tmp_path, monkeypatch):
    """A stand-in for the full set: right files, twelve images each."""
    raw = tmp_path / "data" / "MNIST" / "raw"
    raw.mkdir(parents=True)
    for prefix in ("train", "t10k"):
        part = images.embedded("train")
        idx(raw / f"{prefix}-images-idx3-ubyte", part.images[:12, 0].numpy())
        idx(raw / f"{prefix}-labels-idx1-ubyte", part.labels[:12].numpy())
    check = images._checksum(part.images[:12, 0], part.labels[:12])
    monkeypatch.setattr(images, "CHECKSUM", {"train": check, "test": check})
    return tmp_path / "data"


@pytest.mark.parametrize(("split", "count"), [("train", 10_000), ("test", 2_000)])
def test_the_embedded_images_are_mnist(split, count):
    data = images.embedded(split)
    assert data.images.shape == (count, 1, 28, 28) and data.images.dtype == torch.uint8
    assert data.labels.shape == (count,) and data.labels.dtype == torch.int64
    shares = data.labels.bincount() / count
    assert shares.min() > 0.08 and shares.max() < 0.125
    pixels = data.images.float() / 255
    assert pixels.mean() == pytest.approx(0.1317, abs=0.003) and pixels.std() == pytest.approx(0.309, abs=0.003)
    assert len(data.images.flatten(1).unique(dim=0)) == count
    assert images.EMBEDDED.stat().st_size < 3e6


def test_without_the_full_set_the_embedded_part_comes_and_says_so():
    data = images.mnist("train")
    assert "embedded subset of MNIST: 10,000 of the 60,000 training images" in data.source
    assert "no network" in data.source
    assert torch.equal(data.images, images.embedded("train").images)


def test_the_network_is_asked_once_and_never_while_grading(monkeypatch):
    asked = []
    monkeypatch.setattr(images, "_answers", lambda address: asked.append(address))
    images.mnist("test", download=False)
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    assert "embedded subset" in images.mnist("test").source
    assert not asked
    monkeypatch.delenv("NBGRADER_EXECUTION")
    images.mnist("test")
    images.mnist("train")
    assert len(asked) == 1


def test_a_server_that_never_answers_is_given_up(monkeypatch):
    monkeypatch.undo()
    monkeypatch.setattr(images, "PATIENCE", 0.2)
    late = threading.Event()

    def silent(*args, **options):
        late.wait(5)
        raise OSError

    monkeypatch.setattr("urllib.request.urlopen", silent)
    start = time.perf_counter()
    assert not images._answers("https://example.org")
    assert time.perf_counter() - start < 1
    late.set()


def test_the_full_set_is_used_where_it_is(full, monkeypatch):
    data = images.mnist("test", folder=full)
    assert "the full MNIST test set, 10,000 images" in data.source
    assert torch.equal(data.images, images.embedded("train").images[:12]) and data.labels.dtype == torch.int64
    monkeypatch.setenv("DIFFUSION_LABS_DATA", str(full))
    assert "full MNIST training set" in images.mnist("train").source


@pytest.mark.parametrize("harm", ["missing", "cut short", "empty", "a web page", "other pixels"])
def test_a_damaged_full_set_costs_one_sentence(full, harm):
    path = full / "MNIST" / "raw" / "t10k-images-idx3-ubyte"
    content = path.read_bytes()
    if harm == "missing":
        path.unlink()
    else:
        path.write_bytes({"cut short": content[:5000], "empty": b"", "a web page": b"<html>log in first</html>",
                          "other pixels": content[:-5] + b"\xff" * 5}[harm])  # fmt: skip
    data = images.mnist("test", folder=full)
    assert len(data) == 2_000
    assert "embedded subset" in data.source and "damaged or incomplete" in data.source and "\n" not in data.source


def test_without_torchvision_the_embedded_part_comes(full, monkeypatch):
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    assert "torchvision is not installed" in images.mnist("test", folder=full).source
    assert "torchvision is not installed" in images.mnist("test").source


def test_a_damaged_embedded_file_gives_one_sentence(tmp_path, monkeypatch):
    path = tmp_path / "mnist.npz"
    monkeypatch.setattr(images, "EMBEDDED", path)
    with pytest.raises(RuntimeError, match="missing or damaged"):
        images.mnist("train")
    path.write_bytes(b"PK\x03\x04 nonsense")
    with pytest.raises(RuntimeError, match="missing or damaged"):
        images.mnist("train")


def test_an_unknown_split_is_refused():
    with pytest.raises(ValueError, match="train"):
        images.mnist("validation")


def test_scaled_runs_from_black_to_white():
    assert images.scaled(torch.tensor([0, 255], dtype=torch.uint8)).tolist() == [-1, 1]
