"""The measures of pictures say what they should of real, noisy, copied and lopsided images."""

from __future__ import annotations

import time

import pytest
import torch

from helpers import pictures
from helpers.images import embedded, scaled


@pytest.fixture(scope="module")
def real():
    """Some of the (training, test) images that come with the course."""
    return embedded("train").images[:4000], embedded("test").images[:1000]


def test_real_images_are_near_and_noise_is_far(real):
    training, test = real
    noise = torch.rand(300, 1, 28, 28, generator=torch.Generator().manual_seed(0)) * 2 - 1
    assert pictures.frechet_distance(training[:500], test) < 15
    assert pictures.frechet_distance(noise, test) > 1000
    assert pictures.frechet_distance(test, test) < 1e-6


def test_blur_and_noise_cost_more_the_stronger_they_are(real):
    x, g = scaled(real[0][:300]), torch.Generator().manual_seed(0)
    found = [pictures.frechet_distance(x + s * torch.randn(x.shape, generator=g), real[1]) for s in (0, 0.1, 0.2, 0.4)]
    assert found == sorted(found) and found[-1] > 20 * found[0]


def test_few_samples_make_the_distance_too_large(real):
    training, test = real
    few, some, many = (pictures.frechet_distance(training[:n], test) for n in (100, 400, 1600))
    assert few > 1.5 * some > 2 * many > 0


def test_the_distance_is_that_of_the_formula(real):
    linalg = pytest.importorskip("scipy.linalg")
    sets = [pictures._seen(images)[0].double() for images in (real[0][:600], real[1][:700])]
    (one, two), (s, t) = [x.mean(0) for x in sets], [torch.cov(x.T) for x in sets]
    s, t = (c + 1e-9 * torch.eye(len(c)) for c in (s, t))  # features that are always 0 make them singular
    root = linalg.sqrtm((s @ t).numpy()).real
    wanted = (one - two).square().sum() + s.trace() + t.trace() - 2 * root.trace()
    assert pictures.frechet_distance(real[0][:600], real[1][:700]) == pytest.approx(wanted.item(), abs=0.05)


def test_dequantised_images_are_measured_as_the_images_they_come_from(real):
    pixels = real[0][:50]
    noise = torch.rand(pixels.shape, generator=torch.Generator().manual_seed(0)) * 0.999
    assert torch.equal(pictures._shades((pixels + noise) / 128 - 1), pixels)
    assert torch.equal(pictures._shades(scaled(pixels)), pixels)
    assert torch.equal(pictures._shades(scaled(pixels) * 3), pictures._shades(scaled(pixels).mul(3).clamp(-1, 1)))


def test_copies_of_training_images_are_found(real):
    training, test = real
    half = torch.cat([training[100:200], test[:100]])
    found = pictures.score(half, test, training)
    assert found.nearest[:100].tolist() == list(range(100, 200))
    assert found.distance[:100].max() == 0 and found.distance[100:].min() > 1
    assert 0.5 <= found.memorised < 0.56
    slightly = pictures.score(scaled(training[:100]) * 0.95, test, training)
    assert slightly.memorised > 0.5


def test_real_images_reach_the_floors(real):
    training, test = real
    found = pictures.floors(500, 0, test, training)
    assert found.memorised < 0.05 and found.distance.min() > 0
    assert found.confidence > 0.98 and found.imbalance < 0.2
    assert found.shares.sum() == pytest.approx(1)
    assert torch.equal(found.distance, pictures.floors(500, 0, test, training).distance)


def test_one_digit_alone_is_out_of_balance(real):
    data = embedded("test")
    found = pictures.score(data.images[data.labels == 7], real[1], real[0])
    assert found.shares[7] > 0.95 and found.imbalance > 0.85


def test_every_sentence_says_how_many(real):
    text = str(pictures.score(real[1][:300], real[1], real[0]))
    assert text.count("300") == 3
    assert "1,000 test images" in text and "4,000 training images" in text


@pytest.mark.parametrize(
    ("images", "words"),
    [
        (torch.zeros(5, 1, 32, 32), "28, 28"),
        (torch.zeros(5, 28, 28), "28, 28"),
        (torch.zeros(1, 1, 28, 28), "Two or more"),
        (torch.full((5, 1, 28, 28), torch.nan), "not finite"),
    ],
)
def test_what_cannot_be_measured_is_refused_with_a_sentence(images, words, real):
    with pytest.raises(ValueError, match=words):
        pictures.score(images, real[1], real[0])
    with pytest.raises(ValueError, match=words):
        pictures.frechet_distance(images, real[1])


def test_floors_needs_as_many_training_images(real):
    with pytest.raises(ValueError, match="4,000 training images"):
        pictures.floors(4_001, 0, *reversed(real))


@pytest.mark.slow  # 2,000 images take seconds
def test_two_thousand_images_take_less_than_ten_seconds():
    training, test = embedded("train").images, embedded("test").images
    start = time.process_time()
    pictures.score(test, test, training)
    assert time.process_time() - start < 10
