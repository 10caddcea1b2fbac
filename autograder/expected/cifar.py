"""What notebook 07's pieces give, in closed form; of the network only what any design must do."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from autograder.expected import Property, exact, expects, prop

Rng = np.random.Generator

# ------------------------------------------------------------------------------------------------------- measuring, augmenting


def ring_means(x: np.ndarray) -> np.ndarray:
    """(N // 2 + 1,): the mean power at each whole frequency of images (B, C, N, N), by the definition of the transform."""
    size = x.shape[-1]
    f = np.arange(size) - size // 2
    waves = np.exp(-2j * np.pi * np.outer(f, np.arange(size)) / size)
    power = np.abs(np.einsum("ay,bcyx,dx->bcad", waves, x, waves)) ** 2 / size**2
    length = np.rint(np.hypot(f[:, None], f[None, :]))
    return np.array([power[:, :, length == k].mean() for k in range(size // 2 + 1)])


@expects("cifar.power_spectrum")
def power_spectrum(rng: Rng) -> Iterator[Property]:
    for name, shape, title in (
        ("even", (3, 3, 8, 8), "three colour images of 8 x 8"),
        ("odd", (2, 3, 7, 7), "two colour images of 7 x 7"),
        ("single", (1, 1, 12, 12), "a single grey image of 12 x 12"),
        ("full", (2, 3, 32, 32), "two colour images of 32 x 32"),
    ):
        scale = rng.uniform(0.3, 2.0, shape[:2])[:, :, None, None]
        x = scale * (rng.standard_normal(shape) + rng.uniform(-1, 1, shape[:2])[:, :, None, None])
        yield prop(
            name, title, {"x": x}, exact(ring_means(x), rtol=1e-3), "Of what is the mean taken, and over which frequencies?"
        )
    x = np.full((1, 2, 8, 8), rng.uniform(0.5, 1.5))
    yield prop("flat", "an image of one colour has power at frequency 0 alone", {"x": x}, exact(ring_means(x), rtol=1e-3))
    size = 8
    y = np.arange(size)
    x = np.cos(2 * np.pi * (3 * y[:, None] - 2 * y[None, :]) / size)[None, None] * rng.uniform(1, 2)
    yield prop("wave", "a slanting wave has all of its power at one frequency", {"x": x}, exact(ring_means(x), rtol=1e-3, atol=1e-4),
               "What is the length of a frequency that has two parts, one of them negative?")  # fmt: skip


@expects("cifar.flip")
def flip(rng: Rng) -> Iterator[Property]:
    yield prop("rows", "every image is mirrored left to right or is itself (1 if one is upside down; 1 if turned; 1 if something else)",
               {"what": "rows", "n": int(rng.integers(48, 80)), "calls": 1}, exact([0.0, 0.0, 0.0]), "Which axis of (B, channels, height, width) runs from left to right?")  # fmt: skip
    yield prop(
        "floats",
        "the same with floats",
        {"what": "floats", "n": int(rng.integers(48, 80)), "calls": 1},
        exact([0.0, 0.0, 0.0]),
    )
    yield prop("small", "and with a single image", {"what": "small", "n": 1, "calls": 30}, exact([0.0, 0.0, 0.0]))
    yield prop("generator", "a generator decides (1 if equal seeds give different images; 1 if different seeds give equal ones; 1 if ten calls with "
               "one generator all mirror the same images)", {"what": "generator", "n": int(rng.integers(48, 80))}, exact([0.0, 0.0, 0.0]),
               "Where do your random numbers come from, and does the caller's generator move on?")  # fmt: skip
    # each share is a mean of 3,000 to 4,000 tosses of a fair coin: beyond the probe's margin with a probability of 3e-10
    yield prop("shares", "in 1,000 calls with four images one half is mirrored, neighbours agree in one half of the cases, and so do calls that "
               "follow each other (1 if more; -1 if fewer)", {"what": "shares", "n": 4, "calls": 1000}, exact([0.0, 0.0, 0.0]),
               "For whom is the coin tossed, and how often?")  # fmt: skip
    yield prop("kept", "the images handed in stay as they are, and the type of the numbers is theirs (1 if not)", {"what": "kept", "n": int(rng.integers(48, 80))},
               exact([0.0, 0.0]), "Does an assignment with an index make a new tensor?")  # fmt: skip
    yield prop("new", "what comes back is a new tensor, in each of 40 calls with one image (1 if not)", {"what": "new", "n": 1, "calls": 40}, exact(0.0),
               "What do you return when nothing is mirrored?")  # fmt: skip


# ------------------------------------------------------------------------------------------------------- pieces of a training


def rates(steps: list[int], peak: float, warm_up: int, hold: int) -> list[float]:
    """The rate at each step: a ramp, then level, then falling like one over the root."""
    return [peak * min((n + 1) / warm_up, 1.0) * min(1.0, (hold / (n + 1)) ** 0.5) for n in steps]


@expects("cifar.rate")
def rate(rng: Rng) -> Iterator[Property]:
    def case(name: str, title: str, steps: list[int], warm_up: int, hold: int, look: str = "") -> Property:
        peak = float(rng.uniform(0.01, 2.0))
        values = {"steps": steps, "peak": peak, "warm_up": warm_up, "hold": hold}
        return prop(name, title, values, exact(rates(steps, peak, warm_up, hold), atol=1e-9, rtol=1e-5), look)

    w, h = int(rng.integers(5, 20)), int(rng.integers(40, 80))
    yield case(
        "ramp", f"the first steps of a warm-up of {w}", [0, 1, w // 2, w - 2], w, h, "How large is the very first rate?"
    )
    yield case("level", "the end of the warm-up, and the level part", [w - 1, w, w + 3, h - 2, h - 1], w, h,
               "Which step, counted from 0, is the first with the full rate, and which the last?")  # fmt: skip
    yield case(
        "fall",
        "after the level part",
        [h, h + 1, 2 * h, 4 * h - 1, 100 * h],
        w,
        h,
        "What is the rate at four times `hold` steps?",
    )
    yield case("none", "without a warm-up (warm_up = 1)", [0, 1, h, 3 * h], 1, h)
    yield case(
        "short", "where it falls before the warm-up is over", [0, 2, 4, 7, 20], 10, 4, "Both factors count at every step."
    )


def averaged(values: np.ndarray, step: int, decay: float) -> np.ndarray:
    """The average (moments - 1, 3) after each update; row 0 is where it begins."""
    mean, found = values[0], []
    for number, value in enumerate(values[1:]):
        d = min(decay, (1 + step + number) / (10 + step + number))
        mean = d * mean + (1 - d) * value
        found.append(mean)
    return np.array(found)


@expects("cifar.update_average")
def update_average(rng: Rng) -> Iterator[Property]:
    values = rng.uniform(0.5, 3.0, (5, 3)) * rng.choice([-1, 1], (5, 3))
    inputs: dict[str, Any] = {"values": values, "decay": float(rng.uniform(0.6, 0.9))}
    late = int(rng.integers(200, 900))
    yield prop("first", "the first four updates, in which the average is young", {**inputs, "what": "out", "step": 0, "decay": 0.9999},
               exact(averaged(values, 0, 0.9999)), "How much of the old average stays at step 0, at step 1, ...?")  # fmt: skip
    yield prop("late", f"four updates from step {late} on", {**inputs, "what": "out", "step": late},
               exact(averaged(values, late, inputs["decay"])), "Which of the two limits is the smaller one by now?")  # fmt: skip
    yield prop("change", "the updates in which the one limit hands over to the other", {**inputs, "what": "out", "step": 5, "decay": 0.48},
               exact(averaged(values, 5, 0.48)))  # fmt: skip
    far = np.vstack([values[0], 1000 * values[1:]])
    yield prop("default", "updates at step 100,000 and on with the decay that is the default",
               {**inputs, "values": far, "what": "default", "step": 100_000}, exact(averaged(far, 100_000, 0.999)))  # fmt: skip
    yield prop("network", "the network's own weights stay, and gradients are on for it and off for the average (1 if not)",
               {**inputs, "what": "network", "step": 3}, exact([*values[-1], 0.0, 0.0]), "Which of the two is changed?")  # fmt: skip
    yield prop("buffers", "buffers are copied, whole numbers and others", {**inputs, "what": "buffers", "step": 3}, exact([10.0, 3.25]),
               "What does a network hold besides its parameters?")  # fmt: skip
    yield prop("apart", "the average's buffers stay when the network's move on", {**inputs, "what": "apart", "step": 3}, exact([10.0, 3.25]),
               "Are they copied, or are they the same tensors?")  # fmt: skip


def descend(
    start: np.ndarray, x: np.ndarray, t: np.ndarray, target: np.ndarray, lr: float, max_norm: float, momentum: float
) -> list[float]:
    """Loss, norm and the five parameters after each step of gradient descent on slope * x + tilt * t / 1000 + shift; slope is by colour."""
    weights, velocity, seen = start.astype(float), np.zeros(5), []
    for a, b, c in zip(x, t, target, strict=True):
        colours = [a * (np.arange(3) == k)[:, None, None] for k in range(3)]
        features = np.stack([*colours, np.broadcast_to(b[:, None, None, None] / 1000, a.shape), np.ones_like(a)])
        error = np.tensordot(weights, features, 1) - c
        grad = 2 * (features * error).reshape(5, -1).mean(1)
        norm = float(np.linalg.norm(grad))
        velocity = momentum * velocity + grad * min(1.0, max_norm / norm)
        weights = weights - lr * velocity
        seen += [float((error**2).mean()), norm, *weights]
    return seen


@expects("cifar.large_step")
def large_step(rng: Rng) -> Iterator[Property]:
    def case(
        name: str,
        title: str,
        batch: int,
        part: int,
        max_norm: float,
        look: str = "",
        what: str = "out",
        steps: int = 1,
        optimizer: str = "plain",
    ) -> Property:
        start, lr = rng.uniform(0.5, 2, 5) * rng.choice([-1, 1], 5), float(rng.uniform(0.1, 0.3))
        x = rng.standard_normal((steps, batch, 3, 2, 2)) * rng.uniform(0.5, 2.5, (steps, batch, 1, 1, 1))
        t = np.stack([rng.permutation(1000)[:batch] for _ in range(steps)])
        target = rng.standard_normal(x.shape) + rng.uniform(-3, 3, (steps, batch, 1, 1, 1))
        values = {"start": start, "x": x, "t": t, "target": target, "lr": lr, "part": part, "max_norm": max_norm}
        right = descend(start, x, t, target, lr, max_norm, 0.5 if optimizer == "momentum" else 0.0)
        expect = exact([0.0, 0.0]) if what in ("floats", "mode") else exact(right, rtol=5e-4, atol=5e-5)
        return prop(name, title, {**values, "what": what, "optimizer": optimizer}, expect, look)

    free, tight = 1e4, float(rng.uniform(0.2, 0.5))
    yield case("one", "six images in one part (loss, norm, and the weights after the step)", 6, 6, free)
    yield case("equal", "six images in parts of two", 6, 2, free, "By what is each part's error divided?")
    yield case(
        "unequal",
        "seven images in parts of three, three and one",
        7,
        3,
        free,
        "How much does each part weigh in the mean over all?",
    )
    yield case("large", "three images where a part may have five", 3, 5, free)
    yield case("cut", "a gradient that is longer than max_norm, in parts of three, three and one", 7, 3, tight,
               "Of which gradient is the norm taken, when, and which norm is returned?")  # fmt: skip
    yield case("default", "40 images with the default part and max_norm", 40, 32, 1.0, "", "default")
    yield case(
        "stale",
        "gradients that were there before do not count",
        5,
        2,
        free,
        "What does backward() do to a gradient that is there?",
        "stale",
    )
    yield case(
        "three",
        "three steps of an optimizer with momentum",
        5,
        2,
        tight * 4,
        "How often does the optimizer step for one batch?",
        "out",
        3,
        "momentum",
    )
    yield case("floats", "loss and norm are plain floats (1 if not)", 4, 2, free, "", "floats")
    yield case("mode", "a network in train mode is asked in train mode, and is in it afterwards (1 if not)", 4, 2, free,
               "Does your code switch modes?", "mode")  # fmt: skip
    yield case("groups", "an optimizer whose parameters are in several groups, and a gradient that is longer than max_norm", 5, 2, tight,
               "Of which parameters is the norm taken?", optimizer="groups")  # fmt: skip


@expects("cifar.held_out_loss")
def held_out_loss(rng: Rng) -> Iterator[Property]:
    def case(
        name: str,
        title: str,
        batch: int,
        part: int,
        times: list[int],
        look: str = "",
        what: str = "out",
        mode: str = "train",
    ) -> Property:
        start = rng.uniform(0.5, 2, 3) * rng.choice([-1, 1], 3)
        shape = (batch, 3, 2, 2)
        x = rng.standard_normal(shape) * rng.uniform(0.5, 2.5, (batch, 1, 1, 1)) + rng.uniform(-1, 1, (batch, 1, 1, 1))
        noise = rng.standard_normal(shape) * rng.uniform(0.5, 2.5, (batch, 1, 1, 1))
        right = []
        for t in times:
            phi = (t + 0.5) / 1000 * np.pi / 2
            out = start[0] * (np.cos(phi) * x + np.sin(phi) * noise) + start[1] * t / 1000 + start[2]
            right.append(((out - (np.cos(phi) * noise - np.sin(phi) * x)) ** 2).mean())
        values = {"start": start, "x": x, "noise": noise, "times": times, "part": part, "what": what, "mode": mode}
        right = {"after": [0.0, 0.0, 0.0, 0.0], "twice": 0.0}.get(what, right)
        return prop(name, title, values, exact(right, rtol=5e-4, atol=5e-5), look)

    a, b, c = sorted((int(t) for t in rng.choice(np.arange(50, 950), 3, replace=False)), reverse=True)
    yield case("one", "four images at one time", 4, 4, [a], "In which mode is the network asked, and about what?")
    yield case("times", "four images at three times, in this order", 4, 4, [b, a, c],
               "One number for each time. And about how many images is the network asked in one call?")  # fmt: skip
    yield case("ends", "at the first and the last time", 3, 3, [0, 999])
    yield case(
        "parts",
        "seven images in parts of three, three and one",
        7,
        3,
        [a, c],
        "How much does each part weigh in the mean over all?",
    )
    yield case("default", "260 images with the default part", 260, 250, [b], "", "default")
    yield case("twice", "asked twice it says the same (1 if not)", 4, 4, [a], "Where does the noise come from?", "twice")
    yield case("after", "a network in train mode is in train mode afterwards, no gradients were worked out, and they can be (1 if not)", 4, 4, [a],
               "What has to be put back?", "after")  # fmt: skip
    yield case(
        "after_eval", "and one in evaluation mode stays there", 4, 4, [a], "Which mode was it in before?", "after", "eval"
    )
    yield case("same_time", "a time that is asked for twice has two entries", 4, 4, [b, a, b])


# ------------------------------------------------------------------------------------------------------- the network


@expects("cifar.network")
def network(rng: Rng) -> Iterator[Property]:
    seed = {"seed": int(rng.integers(10**6))}
    for batch in (1, 3):
        images = "one image" if batch == 1 else f"{batch} images"
        yield prop(f"shape_{batch}", f"{images} in, the same shape out, in float32 (bytes last)", {"what": "shape", "batch": batch},
                   exact([batch, 3, 32, 32, 4]))  # fmt: skip
    yield prop("budget", "between 1 and 2,000,000 trainable parameters, and at most 16 MB kept for the backward pass of an image (1 if there are none; "
               "1 if more; 1 if more memory)", {"what": "budget"}, exact([0.0, 0.0, 0.0]),
               "Which layer has most parameters? Which maps are largest, and how many are there? One of 64 x 32 x 32 floats takes 0.26 MB.")  # fmt: skip
    low, middle = 2 * int(rng.integers(2, 100)), 2 * int(rng.integers(150, 400)) + 1
    t = [0, 1, low, low + 1, middle, middle + 1, 998, 999]
    yield prop("time", "every two times differ in their output, everywhere (of 28 pairs: equal; equal at more than a tenth of the numbers)",
               {**seed, "what": "time", "t": [t[i] for i in rng.permutation(len(t))]}, exact([0.0, 0.0]),
               "Follow t from the argument to the output: what is left of the difference between t = 0 and t = 1?")  # fmt: skip
    yield prop("loud", "the time is neither drowned nor drowns the image (1 if from t = 0 to 999 the output changes 30 times what another image changes; "
               "1 if a thousandth)", {**seed, "what": "loud"}, exact([0.0, 0.0]), "How large are the numbers that t brings into the network?")  # fmt: skip
    yield prop("joint", "it is not linear in the image, and what the time changes depends on the image (1 if not so)", {**seed, "what": "joint"},
               exact([0.0, 0.0]), "What comes after the place where the time is joined?")  # fmt: skip
    yield prop("sees", "of three pixels: how many do not see themselves, how many do not see six pixels to each side; pairs of colours that do not meet",
               {**seed, "what": "sees"}, exact([0.0, 0.0, 0.0]), "How far does each layer look, and do the colours ever meet?")  # fmt: skip
    yield prop("whole", "every input pixel matters, and every output pixel depends on the image (1 if not)", {**seed, "what": "whole"},
               exact([0.0, 0.0]), "Which pixels does no layer look at or write to? Think of borders and of what is cut off.")  # fmt: skip
    yield prop("rows", "an image's output does not depend on the other images of the batch (1 if so: in train mode; in eval mode; alone)",
               {"what": "rows"}, exact([0.0, 0.0, 0.0]), "Which operation looks at more than one row?")  # fmt: skip
    yield prop("used", "every weight has a part in the output (1 if not)", {"what": "used"}, exact(0.0),
               "After a backward pass, which of named_parameters() has no grad?")  # fmt: skip
    yield prop("bounds", "outputs may be as low and as high as noise is (1 if never low; 1 if never high)", {"what": "bounds"}, exact([0.0, 0.0]),
               "What is the last operation, and which numbers can come out of it?")  # fmt: skip
    yield prop("same", "in eval mode the same question gets the same answer, also from a loaded copy; x and t stay as they are; new weights give a new answer (1 if not)",
               {"what": "same"}, exact([0.0, 0.0, 0.0, 0.0]), "Which operation is random, not part of state_dict(), or in-place, and is anything kept from an earlier call?")  # fmt: skip
    yield prop("moves", "all of it moves to another device, and it works in 16-bit autocast (1 if not)", {"what": "moves"}, exact([0.0, 0.0]),
               "Which tensors are neither parameters nor buffers, and on which device are new ones made?")  # fmt: skip
    yield prop("learns", "from its own first weights: the loss begins below 10, and 30 steps on four images lower it (1 if not)",
               {**seed, "what": "learns", "most": 10.0}, exact([0.0, 0.0]), "Print the loss of the first steps. What do the layers begin with?")  # fmt: skip
