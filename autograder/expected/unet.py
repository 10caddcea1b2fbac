"""What notebook 05's network should do. Of the time's embedding the numbers are known; of networks only what they depend on."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from autograder.expected import Property, exact, expects, prop

Rng = np.random.Generator


def embedding(t: np.ndarray, dim: int) -> np.ndarray:
    """(B, dim): the sines, then the cosines, of t at rates that fall geometrically from 1 towards 1e-4, which is not reached."""
    rates = np.geomspace(1.0, 1e-4, dim // 2 + 1)[:-1]
    angles = np.outer(t, rates)
    return np.hstack([np.sin(angles), np.cos(angles)])


@expects("unet.time_embedding")
def time_embedding(rng: Rng) -> Iterator[Property]:
    def case(name: str, title: str, t: np.ndarray, dim: int, look: str = "") -> Property:
        return prop(name, title, {"what": "out", "t": t, "dim": dim}, exact(embedding(t, dim), atol=2e-4), look)

    t = rng.permutation(1000)
    yield case(
        "rows",
        "five times in random order, 8 numbers each",
        t[:5],
        8,
        "Which rate belongs to which column, and which row to which t?",
    )
    yield case("square", "as many times as rates: four times, 8 numbers each", t[5:9], 8, "Which axis is the batch?")
    yield case(
        "wide", "a single time, 64 numbers", np.array([rng.integers(300, 1000)]), 64, "What is the last rate, and is it in?"
    )
    yield case(
        "two", "three times, 2 numbers each: there is one rate only", t[9:12], 2, "What does the formula give for dim = 2?"
    )
    yield case("zero", "t = 0 is a time like all others", np.array([0, 1, 999]), 16)
    late = rng.permutation(rng.integers([1001, 1500, 2500, 3500], [1500, 2500, 3500, 5000]))
    yield prop("late", "times of some thousands, in a process with more steps", {"what": "out", "t": late, "dim": 8},
               exact(embedding(late, 8), atol=2e-3), "Is a large t treated in another way than a small one?")  # fmt: skip
    t = t[12:15]
    yield prop("dtype", "the numbers are float32 (bytes of each)", {"what": "dtype", "t": t, "dim": 4},
               exact([*embedding(t, 4).ravel(), 4], atol=2e-4))  # fmt: skip


# ------------------------------------------------------------------------------------------------- the residual block


@expects("unet.block")
def block(rng: Rng) -> Iterator[Property]:
    for name, inputs, outputs, batch in (("equal", 32, 32, 3), ("more", 32, 64, 1), ("fewer", 96, 32, 3)):
        height, width = (int(size) for size in rng.choice(np.arange(4, 12), 2, replace=False))
        sizes = {"channels_in": inputs, "channels_out": outputs, "batch": batch, "height": height, "width": width}
        yield prop(name, f"{inputs} channels of {height} x {width} become {outputs} of the same size, in float32 (bytes last)",
                   {"what": "shape", **sizes}, exact([batch, outputs, height, width, 4]))  # fmt: skip
    yield prop("identity", "with all weights zero, x passes unchanged (smallest and largest ratio of output and input)", {"what": "identity"},
               exact([1.0, 1.0]), "What is left of the block when the convolutions give nothing?")  # fmt: skip
    yield prop("by_pass", "with different channels, x passes by a convolution of its own (1 if there is none; 1 if it mixes pixels)",
               {"what": "by_pass"}, exact([0.0, 0.0]), "Which way does x take that does not lead through the two convolutions?")  # fmt: skip
    yield prop("time", "another time changes every output channel (share that stays; 1 if time only adds something to the output)",
               {"what": "time"}, exact([0.0, 0.0]), "Where does emb come in, and what comes after that place?")  # fmt: skip
    yield prop("rows", "an image's features do not depend on the other images of the batch (1 if so: in train mode; in eval mode; alone)",
               {"what": "rows"}, exact([0.0, 0.0, 0.0]), "Which operation looks at more than one row?")  # fmt: skip
    yield prop("used", "every weight has a part in the output (1 if not: equal channels; different channels)", {"what": "used"},
               exact([0.0, 0.0]), "After a backward pass, which of named_parameters() has no grad?")  # fmt: skip
    yield prop("extent", "a pixel sees its diagonal neighbours, and those at distance 2 (1 if not)", {"what": "extent"}, exact([0.0, 0.0]),
               "How far does one 3 x 3 convolution look, and how far do two?")  # fmt: skip
    yield prop("nonlinear", "it is not linear, and neighbouring pixels work together (1 if it is; 1 if they do not)", {"what": "nonlinear"},
               exact([0.0, 0.0]), "What stands between the two convolutions?")  # fmt: skip
    yield prop("kept", "in eval mode the same question gets the same answer, also from a loaded copy; x and emb stay as they are; new weights give a new answer (1 if not)",
               {"what": "kept"}, exact([0.0, 0.0, 0.0, 0.0]), "Which operation is random, not part of state_dict(), or in-place, and is anything kept from an earlier call?")  # fmt: skip


# ------------------------------------------------------------------------------------------------- the whole network


@expects("unet.model", needs=("unet.time_embedding", "unet.block"))
def model(rng: Rng) -> Iterator[Property]:
    for batch, channels, size in ((1, 1, 28), (3, 3, 28), (3, 1, 32), (1, 3, 32)):
        images = "one image" if batch == 1 else f"{batch} images"
        yield prop(f"shape_{size}_{channels}", f"{images} of {channels} x {size} x {size} in, the same shape out, in float32 (bytes last)",
                   {"what": "shape", "batch": batch, "channels": channels, "size": size}, exact([batch, channels, size, size, 4]))  # fmt: skip
    channels = int(rng.choice([1, 3]))
    way = {"what": "path", "channels": channels, "seed": int(rng.integers(10**6))}
    yield prop("full", "features of the full image reach the output without passing a smaller size (1 if not; 1 if no detail of the image itself does)", {**way, "way": "full"},
               exact([0.0, 0.0]), "Which maps of the down path are joined to the up path, and which does the up path never see?")  # fmt: skip
    yield prop("half", "features of half the size, made on the way down, reach the output without passing a quarter (1 if not; 1 if nothing does)",
               {**way, "way": "half"}, exact([0.0, 0.0]), "Which maps of the down path are joined to the up path at half the size?")  # fmt: skip
    yield prop("quarter", "what happens at a quarter of the size matters (1 if not)", {**way, "way": "quarter"}, exact([0.0]),
               "Follow h upwards from the bottom: is it still there at the end?")  # fmt: skip
    yield prop("far", "a pixel of the output sees pixels that are 14 away (1 if not)", {**way, "way": "far"}, exact([0.0]),
               "What is the small size for? Which operation there looks beyond one pixel?")  # fmt: skip
    yield prop(
        "own", "a pixel of the output depends on the same pixel of the input (1 if not)", {**way, "way": "own"}, exact([0.0])
    )
    inputs = {"channels": channels}
    low, middle = 2 * int(rng.integers(2, 100)), 2 * int(rng.integers(150, 400)) + 1
    t = [0, 1, low, low + 1, low + 2, middle, middle + 1, 998, 999]
    yield prop("time", "every two times differ in their output, everywhere (of 36 pairs: equal; equal at more than a tenth of the pixels)",
               {**inputs, "what": "time", "t": [t[i] for i in rng.permutation(len(t))]}, exact([0.0, 0.0]),
               "Follow t from the argument to the features: what is left of the difference between t = 0 and t = 1?")  # fmt: skip
    yield prop("loud", "the time does not drown the image: from t = 0 to 999 the output changes less than 30 times what another image changes",
               {**inputs, "what": "loud"}, exact(0.0), "How large are the numbers that t brings into the network?")  # fmt: skip
    yield prop("joint", "it is not linear in the image, and what the time changes depends on the image (1 if not so)",
               {**inputs, "what": "joint"}, exact([0.0, 0.0]), "What comes after the place where the time is joined?")  # fmt: skip
    yield prop("rows", "an image's output does not depend on the other images of the batch (1 if so: in train mode; in eval mode; alone)",
               {**inputs, "what": "rows"}, exact([0.0, 0.0, 0.0]), "Which operation looks at more than one row?")  # fmt: skip
    yield prop("used", "every weight has a part in the output (1 if not)", {**inputs, "what": "used"}, exact(0.0),
               "After a backward pass, which of named_parameters() has no grad?")  # fmt: skip
    yield prop("range", "outputs may be as low and as high as noise is (1 if never low; 1 if never high)", {**inputs, "what": "range"},
               exact([0.0, 0.0]), "What is the last operation, and which numbers can come out of it?")  # fmt: skip
    yield prop("kept", "in eval mode the same question gets the same answer, also from a loaded copy; x and t stay as they are; new weights give a new answer (1 if not)",
               {**inputs, "what": "kept"}, exact([0.0, 0.0, 0.0, 0.0]), "Which operation is random, not part of state_dict(), or in-place, and is anything kept from an earlier call?")  # fmt: skip
