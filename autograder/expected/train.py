"""What notebook 05's training should do: averages by their recursion, and runs whose every step is known beforehand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np

from autograder.expected import Property, exact, expects, prop

Rng = np.random.Generator
Array = np.ndarray


def averages(start: Array, values: Array, decay: float) -> Array:
    """The moving average after each row of `values`."""
    seen, mean = [], np.asarray(start, dtype=float)
    for row in values:
        mean = decay * mean + (1 - decay) * row
        seen.append(mean)
    return np.array(seen)


def signs(rng: Rng, *shape: int) -> Array:
    """Numbers of both signs, none near 0."""
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.5, 3.0, shape)


@expects("train.ema")
def ema(rng: Rng) -> Iterator[Property]:
    decay, values = rng.uniform(0.55, 0.9), signs(rng, 6, 8)
    inputs = {"decay": decay, "values": values}
    yield prop("start", "at first the average is the network as it is, and it stays so when the network moves on", {**inputs, "what": "start"},
               exact(values[[0, 0]]), "Does the average have numbers of its own?")  # fmt: skip
    yield prop("updates", "the average after each of five updates", {**inputs, "what": "updates"}, exact(averages(values[0], values[1:], decay)),
               "Which share stays, and which share is new?")  # fmt: skip
    far = 1000 * values
    yield prop("default", "without a decay, 0.999 of the average stays", {**inputs, "values": far, "what": "default"},
               exact(averages(far[0], far[1:], 0.999)))  # fmt: skip
    yield prop("network", "an update leaves the network's own parameters as they are", {**inputs, "what": "network"}, exact(values[-1]),
               "Which of the two is changed, which only read?")  # fmt: skip
    yield prop("grad", "no gradients for the average, and as before for the network (1 if not)", {**inputs, "what": "grad"}, exact([0.0, 0.0]),
               "requires_grad belongs to each parameter: whose is on, whose is off?")  # fmt: skip
    yield prop("buffers", "a network that also counts its batches (a whole number among its buffers) works as well", {**inputs, "what": "buffers"},
               exact(averages(values[0], values[1:], decay)), "What is averaged: parameters, or everything in the network?")  # fmt: skip
    yield prop("load", "numbers that are loaded into the average's network are what it goes on from", {**inputs, "what": "load"},
               exact(averages(values[-1], values[1:], decay)), "Are the numbers kept in two places?")  # fmt: skip
    x, last = signs(rng, 3, 2), averages(values[0], values[1:], decay)[-1]
    hidden = np.tanh(x @ last[:4].reshape(2, 2).T + last[4:6])
    yield prop("forward", "its network, called on three points, computes with the average", {**inputs, "what": "forward", "x": x},
               exact(hidden @ last[6:, None]))  # fmt: skip
    yield prop("two", "a second average with another decay does not disturb the first", {**inputs, "what": "two"},
               exact(averages(values[0], values[1:], decay)), "What belongs to the class, and what to each object of it?")  # fmt: skip


@expects("train.script", needs=("train.ema",))
def script(rng: Rng) -> Iterator[Property]:
    decay, length = rng.uniform(0.55, 0.9), 12
    start, rows, losses = signs(rng, 2), signs(rng, length, 2), rng.uniform(0.2, 3.0, length)
    numbers: dict[str, Any] = {"start": start, "script": rows, "losses": losses, "decay": decay}
    counted = np.hstack([rows, np.arange(1, length + 1)[:, None]])
    mean = averages(np.append(start, 0.0), counted, decay)

    yield prop("run", "seven steps: their losses, then the average of the weights", {**numbers, "what": "run", "steps": 7},
               exact([*losses[:7], *mean[6]]), "How often is train_step called, and is the average moved after each of the steps?")  # fmt: skip
    usual = averages(np.append(start, 0.0), 100 * counted, 0.999)
    counting = {**numbers, "script": np.array([[100.0, -300.0]] * 3), "what": "default", "steps": 3}
    usual = averages(np.append(start, 0.0), np.array([[100.0, -300.0, k] for k in (1, 2, 3)]), 0.999)[-1]
    yield prop("default", "three steps as they are by default: batches of 64, then the average with 0.999", counting,
               exact([64, 64, 64, *usual]))  # fmt: skip
    many = {**numbers, "script": np.zeros((60, 2)), "losses": np.ones(60)}
    # 240 draws of 12 rows: each about 20 times; 0 or more than 60 times has a probability below 1e-8; more than 30 of the
    # 495 possible batches are seen in 60 steps but for 1e-9
    yield prop("batches", "60 batches of 4 out of 12 images (wrong shapes; unknown images; images never drawn; drawn too often; 1 if mostly "
               "neighbours; how many different batches, up to 30)", {**many, "what": "batches", "rows": 12, "batch": 4, "most": 60, "different": 30},
               exact([0, 0, 0, 0, 0, 30]), "Which images can come into a batch, and when is that decided?")  # fmt: skip
    inputs = {**numbers, "what": "epochs", "rows": 11, "batch": 3, "steps_before": 0, "steps": 10}
    going, calls = inputs, [[epoch, 3 * epoch, *mean[3 * epoch - 1]] for epoch in (1, 2, 3)]
    yield prop("epochs", "on_epoch is called after 3, 6 and 9 steps with epoch 1, 2, 3 and the averaged network (epoch, steps, weights)",
               inputs, exact(calls), "How many steps make an epoch, and which network is handed over?")  # fmt: skip
    inputs = {**numbers, "what": "saves", "every": 3, "steps_before": 0, "steps": 8}
    yield prop("saves", "steps in the checkpoint as each of 8 steps begins, and at the end: one every 3 steps", inputs,
               exact([0, 0, 0, 3, 3, 3, 6, 6, 8]), "When is a checkpoint due?")  # fmt: skip
    yield prop("saves_on", "the same in a run of 4 steps and one that goes on to 8", {**inputs, "steps_before": 4},
               exact([0, 0, 0, 3, 4, 4, 4, 6, 6, 8]), "From which step are the steps between two checkpoints counted?")  # fmt: skip
    inputs = {**numbers, "what": "resumed", "steps_before": 4, "steps": 9}
    yield prop("resumed", "4 steps, then a new run to 9 in the same folder: its steps, all losses, the average, and that of the checkpoint",
               inputs, exact([5, *losses[:9], *mean[8], *mean[8]]), "What is put back, and when? What counts the steps? Is everything in a checkpoint of one moment?")  # fmt: skip
    yield prop("again", "a run that was finished before returns what was there, without a step", {**inputs, "steps": 4},
               exact([0, *losses[:4], *mean[3], *mean[3]]), "How many steps are left to do?")  # fmt: skip
    yield prop("epochs_on", "a run that goes on from step 4 goes on with the epochs too", {**going, "steps_before": 4}, exact(calls),
               "From which step are epochs counted?")  # fmt: skip
    yield prop("interrupted", "a run that was interrupted in its 8th step ends where one without a break ends (1 if not: number of losses; "
               "losses; weights; average)", {"what": "interrupted", "fails": 8, "every": 3, "steps": 11, "seed": int(rng.integers(10**6))},
               exact(np.zeros(4)), "Which random numbers does a checkpoint know of, and is everything in it from one moment?")  # fmt: skip
    for name, count, steps, title in (
        (
            "minutes",
            2000,
            None,
            "a run of 0.002 minutes (1 if it ends early; 1 if late; 1 if the checkpoint is not of its last step)",
        ),
        ("both", 2000, 3, "0.002 minutes or 3 steps, whichever comes first"),
        ("either", 8, 100_000, "0.002 minutes or 100,000 steps, whichever comes first"),
    ):
        yield prop(name, title, {**numbers, "what": "minutes", "rows": count, "minutes": 0.002, "steps": steps}, exact(np.zeros(3)),
                   "Which clock is looked at, when, and in which unit? And what is saved when the time is over?")  # fmt: skip
    yield prop("nothing", "without a folder nothing is written (1 if so)", {**numbers, "what": "nothing"}, exact(0.0))
