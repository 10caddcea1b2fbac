"""The shipped networks load, do what their cards say, and give a clear sentence when their file is harmed."""

from __future__ import annotations

import copy

import pytest
import torch

from helpers import models, pictures
from helpers.images import embedded, scaled
from helpers.models import classifier, digits


@pytest.fixture(scope="module")
def network():
    return models.load("digits")


@pytest.fixture(scope="module")
def drawn(network):
    """500 samples. Takes some seconds."""
    return digits.sample(network, 500, seed=1)


def test_what_is_saved_comes_back(tmp_path):
    torch.manual_seed(0)
    made = classifier.build()
    made(torch.randn(4, 1, 28, 28))  # moves the running means
    path = models.save("classifier", made, folder=tmp_path, seed=3, accuracy="99 %")
    loaded = models.load("classifier", folder=tmp_path)
    assert path == tmp_path / "classifier.safetensors" and path.stat().st_mode & 0o044 == 0o044
    assert loaded.card == {"seed": "3", "accuracy": "99 %"}
    assert not loaded.training and not any(p.requires_grad for p in loaded.parameters())
    for name, value in made.state_dict().items():
        assert torch.equal(loaded.state_dict()[name], value), name


def test_half_precision_halves_the_file_and_comes_back_as_float32(tmp_path):
    made = digits.build()
    whole = models.save("digits", made, folder=tmp_path).stat().st_size
    half = models.save("digits", made, half=True, folder=tmp_path).stat().st_size
    loaded = models.load("digits", folder=tmp_path)
    assert half < 0.55 * whole
    for name, value in loaded.state_dict().items():
        assert value.dtype == torch.float32 and torch.allclose(value, made.state_dict()[name], rtol=1e-3, atol=1e-6)


def test_an_unknown_network_is_refused_by_name():
    with pytest.raises(ValueError, match=r"no network 'resnet'.*classifier.*digits"):
        models.load("resnet")


def test_missing_and_damaged_weights_give_one_sentence(tmp_path):
    with pytest.raises(FileNotFoundError, match="weights of 'digits' are missing"):
        models.load("digits", folder=tmp_path)
    path = models.save("digits", digits.build(), folder=tmp_path)
    content = path.read_bytes()
    for harm in (b"", content[:1000], b"\xff" * 500, content[:-7]):
        path.write_bytes(harm)
        with pytest.raises(RuntimeError, match="damaged"):
            models.load("digits", folder=tmp_path)
    models.save("classifier", classifier.build(), folder=tmp_path).rename(path)
    with pytest.raises(RuntimeError, match="does not hold the network 'digits'"):
        models.load("digits", folder=tmp_path)


def test_weights_are_small():
    sizes = {name: (models.WEIGHTS / f"{name}.safetensors").stat().st_size for name in ("classifier", "digits")}
    assert sizes["classifier"] < 1e6 and sizes["digits"] < 1.5e6


def test_the_classifier_knows_digits():
    test, eye = embedded("test"), models.load("classifier")
    assert classifier.accuracy(eye, test) >= 0.993
    assert float(eye.card["accuracy"].split("%")[0]) >= 99.3


def test_features_have_their_units_and_lead_to_the_logits():
    eye, x = models.load("classifier"), scaled(embedded("test").images[:1000])
    features = eye.features(x)
    assert features.shape == (1000, 96) and features.min() >= 0
    assert features.var(0).sum() == pytest.approx(classifier.VARIANCE, rel=0.15)
    assert torch.equal(eye.head(features), eye(x))
    with pytest.raises(ValueError, match="28, 28"):
        eye.features(torch.zeros(2, 3, 32, 32))


def test_the_interface_of_the_diffusion_model(network):
    x, t = torch.randn(5, 1, 28, 28), torch.tensor([0.0, 0.2, 0.5, 0.8, 1.0])
    v, angle = network(x, t), (t * torch.pi / 2)[:, None, None, None]
    assert v.shape == x.shape and v.dtype == torch.float32
    alpha_bar = angle.flatten().cos().square()
    noise, image = network.noise(x, alpha_bar), network.image(x, alpha_bar)
    assert torch.allclose(angle.cos() * image + angle.sin() * noise, x, atol=1e-4)
    assert torch.allclose(angle.cos() * noise - angle.sin() * image, v, atol=2e-2)  # acos near 1 loses digits
    assert torch.allclose(network.noise(x, 0.3)[2:3], network.noise(x[2:3], 0.3), atol=1e-4)
    with pytest.raises(ValueError, match="28, 28"):
        network(torch.zeros(2, 1, 32, 32), torch.zeros(2))


def test_it_finds_the_noise_that_was_added(network):
    """On test images, at every level of Ho et al.'s linear schedule that is looked at."""
    x, g = scaled(embedded("test").images[:64]), torch.Generator().manual_seed(0)
    noise = torch.randn(x.shape, generator=g)
    for alpha_bar, bound in ((0.999, 0.9), (0.9, 0.2), (0.5, 0.1), (0.1, 0.05), (0.001, 0.01)):
        noisy = alpha_bar**0.5 * x + (1 - alpha_bar) ** 0.5 * noise
        assert (network.noise(noisy, alpha_bar) - noise).square().mean() < bound, alpha_bar


def test_sampling_repeats_itself(network):
    one, two, other = (digits.sample(network, 4, steps=5, seed=seed) for seed in (0, 0, 1))
    assert torch.equal(one, two) and not torch.equal(one, other)
    assert one.shape == (4, 1, 28, 28) and one.abs().max() <= 1


@pytest.mark.slow  # draws 500 samples
def test_the_samples_are_digits_as_good_as_the_card_says(network, drawn):
    training, test = embedded("train").images, embedded("test").images
    found, floor = pictures.score(drawn, test, training), pictures.floors(500, 0, test, training)
    # few samples add about the floor to the distance; it scatters by 3 or so from seed to seed
    assert found.frechet - floor.frechet == pytest.approx(float(network.card["fd"].split()[0]), abs=10)
    assert found.confidence > 0.93 and found.imbalance < 0.15 and found.memorised < 0.1


@pytest.mark.slow  # trains for a few CPU seconds
def test_training_lowers_the_loss():
    lines = []
    trained, losses = digits.train(embedded("train").images, 10, 0, report=lines.append)
    assert sum(losses[-10:]) < 0.7 * sum(losses[:10])
    assert "float32" in lines[0] and not trained.training


@pytest.mark.full  # trains for three CPU minutes
def test_three_minutes_on_the_embedded_images_give_readable_digits():
    trained, _ = digits.train(embedded("train").images, 180, 0)
    found = pictures.score(digits.sample(trained, 500), embedded("test").images, embedded("train").images)
    assert found.frechet < 100 and found.confidence > 0.85


@pytest.mark.full  # trains for a CPU minute
def test_the_classifier_learns_in_a_minute():
    trained = classifier.train(embedded("train"), 60, 0)
    before = copy.deepcopy(trained)
    classifier.set_units(trained, embedded("test"))
    x = scaled(embedded("test").images[:100])
    assert torch.allclose(before(x), trained(x), atol=1e-3)
    assert classifier.accuracy(trained, embedded("test")) > 0.98
