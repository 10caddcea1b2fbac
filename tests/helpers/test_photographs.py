"""CIFAR-10 comes from where it should, else a stand-in comes that says loudly what it is."""

from __future__ import annotations

import hashlib
import pickle
import sys

import numpy as np
import pytest
import torch

from helpers import images, photographs


@pytest.fixture(autouse=True)
def alone(tmp_path, monkeypatch):
    """An empty cache folder, no network, and no memory of an earlier attempt."""
    for name in ("DIFFUSION_LABS_DATA", "NBGRADER_EXECUTION"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.setattr(images, "_answers", lambda address: False)
    images._fetch_cifar10.cache_clear()
    yield
    images._fetch_cifar10.cache_clear()


@pytest.fixture
def full(tmp_path, monkeypatch):
    """Files as CIFAR-10's are, of ten images each, whose sums torchvision is told."""
    from torchvision.datasets import CIFAR10

    folder = tmp_path / "data" / "cifar-10-batches-py"
    folder.mkdir(parents=True)
    pixels = photographs.windows("test")[:10]
    names = [*(f"data_batch_{i}" for i in range(1, 6)), "test_batch", "batches.meta"]
    for name in names:
        content = (
            {"label_names": list("abc")} if name == "batches.meta" else {"data": pixels.reshape(10, -1), "labels": [0] * 10}
        )
        (folder / name).write_bytes(pickle.dumps(content))
    sums = {name: hashlib.md5((folder / name).read_bytes()).hexdigest() for name in names}
    monkeypatch.setattr(CIFAR10, "train_list", [[name, sums[name]] for name in names[:5]])
    monkeypatch.setattr(CIFAR10, "test_list", [["test_batch", sums["test_batch"]]])
    monkeypatch.setattr(CIFAR10, "meta", {"filename": "batches.meta", "key": "label_names", "md5": sums["batches.meta"]})
    return tmp_path / "data"


@pytest.mark.parametrize(("split", "count"), [("train", 10_000), ("test", 2_000)])
def test_without_cifar10_a_stand_in_comes_and_says_so_loudly(split, count):
    data = images.cifar10(split)
    assert data.images.shape == (count, 3, 32, 32) and data.images.dtype == torch.uint8 and len(data) == count
    assert (
        data.source.startswith("THIS IS NOT CIFAR-10.")
        and "seven real photographs" in data.source
        and "no network" in data.source
    )
    assert torch.equal(data.images, images.cifar10(split).images)


def test_the_windows_are_photographs_and_not_textures():
    x = images.scaled(images.cifar10("train").images[:1000])
    power = torch.fft.fft2(x, norm="ortho").abs().square().mean((0, 1))
    assert power[0, 1] > 50 * power[0, 8] > 50 * 5 * power[16, 16]  # falling over all scales
    red, green, _ = x.transpose(0, 1).flatten(1)
    assert 0.5 < torch.corrcoef(torch.stack([red, green]))[0, 1] < 0.95


def test_no_test_pixel_is_in_a_training_window(monkeypatch):
    marked = {name: np.zeros_like(photo) for name, photo in photographs.photographs().items()}
    for photo in marked.values():
        photo[:, -photographs.HELD_OUT :] = 255
    monkeypatch.setattr(photographs, "photographs", lambda: marked)
    assert photographs.windows("train").max() == 0
    assert photographs.windows("test").min() == 255


def test_the_file_is_small_and_every_photograph_has_its_licence_named():
    assert photographs.FILE.stat().st_size < 2.5e6
    text = (photographs.FILE.parent / "README.md").read_text(encoding="utf-8")
    for name, photo in photographs.photographs().items():
        assert photo.dtype == np.uint8 and photo.shape[0] == 256 and photo.shape[2] == 3
        row = next(line for line in text.splitlines() if line.startswith(f"| {name} |"))
        assert any(licence in row for licence in ("CC0", "CC BY 2.0", "public domain"))


def test_cifar10_is_used_where_it_is(full, monkeypatch):
    data = images.cifar10("train", folder=full)
    assert data.source == "This is CIFAR-10, all 50 training images."
    assert torch.equal(data.images[:10], torch.from_numpy(photographs.windows("test")[:10]))
    monkeypatch.setenv("DIFFUSION_LABS_DATA", str(full))
    assert "all 10 test images" in images.cifar10("test").source


def test_damaged_files_cost_one_sentence(full):
    (full / "cifar-10-batches-py" / "data_batch_2").write_bytes(b"<html>log in first</html>")
    source = images.cifar10("train", folder=full).source
    assert "NOT CIFAR-10" in source and "damaged or incomplete" in source and "\n" not in source


@pytest.mark.slow  # cuts all windows three times
def test_it_is_fetched_once_and_an_interrupted_download_leaves_nothing(tmp_path, monkeypatch):
    from torchvision.datasets import CIFAR10

    asked = []
    monkeypatch.setattr(images, "_answers", lambda address: asked.append(address) or True)

    def broken(self, root, download):
        (images.Path(root) / "half").write_text("half of it")
        raise OSError("connection reset")

    monkeypatch.setattr(CIFAR10, "__init__", broken)
    for split in ("train", "test"):
        assert "connection reset" in images.cifar10(split, folder=tmp_path / "place").source
    assert len(asked) == 1 and not list((tmp_path / "place").iterdir())
    monkeypatch.setenv("NBGRADER_EXECUTION", "autograde")
    images._fetch_cifar10.cache_clear()
    images.cifar10("train", folder=tmp_path / "other")
    assert len(asked) == 1


def test_other_failures(tmp_path, full, monkeypatch):
    with pytest.raises(ValueError, match="train"):
        images.cifar10("validation")
    monkeypatch.setitem(sys.modules, "torchvision.datasets", None)
    assert "torchvision is not installed" in images.cifar10("test", folder=full).source
    photographs.photographs.cache_clear()
    monkeypatch.setattr(photographs, "FILE", tmp_path / "none.npz")
    with pytest.raises(RuntimeError, match="missing or damaged"):
        images.cifar10("test")
    photographs.photographs.cache_clear()
