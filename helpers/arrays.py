"""Float arrays as plain bytes: the only thing that leaves the process in which a student's code runs.

A message is one line of JSON (names, shapes, and short texts) followed by the raw float64 numbers. Reading it can
neither run code nor expand beyond the bytes received, unlike pickle or a zip.
"""

from __future__ import annotations

import json
from typing import Any

import numpy as np

Observation = dict[str, Any]
"""Either {"value": float64 array} or {"failed": kind, "text": sentence}."""


def pack(observations: dict[str, Observation]) -> bytes:
    """Turn named observations into bytes; see `unpack` for the way back."""
    header, chunks = {}, []
    for name, observation in observations.items():
        if "value" in observation:
            array = np.ascontiguousarray(observation["value"], dtype="<f8")
            header[name] = {"shape": list(np.shape(observation["value"]))}
            chunks.append(array.tobytes())
        else:
            header[name] = {"failed": observation["failed"], "text": observation["text"]}
    return json.dumps(header).encode() + b"\n" + b"".join(chunks)


def _plain(text: object) -> str:
    """At most 400 characters that can be written to any file and shown on any page: no control characters, no halves of a pair."""
    return "".join(one if one.isprintable() else "\N{REPLACEMENT CHARACTER}" for one in str(text)[:400])


MAX_HEADER = 1_000_000
MAX_DIMENSIONS = 16


def unpack(message: bytes, names: list[str] | None = None) -> dict[str, Observation]:
    """Read what `pack` wrote. Raises ValueError, and nothing else, on a malformed message or one for other `names`."""
    try:
        head, _, body = message.partition(b"\n")
        if len(head) > MAX_HEADER:
            raise ValueError("a header of more than a million bytes")
        header = json.loads(head)
        if names is not None and sorted(header) != sorted(names):
            raise ValueError("other names than asked for")
        result: dict[str, Observation] = {}
        start = 0
        for name, entry in header.items():
            if "shape" not in entry:
                result[name] = {"failed": _plain(entry["failed"]), "text": _plain(entry["text"])}
                continue
            shape = tuple(int(size) for size in entry["shape"])
            if len(shape) > MAX_DIMENSIONS or any(size < 0 for size in shape):
                raise ValueError("a negative size, or too many")
            stop = start + 8 * int(np.prod(shape, dtype=object))
            if stop > len(body):
                raise ValueError("fewer numbers than announced")
            result[name] = {"value": np.frombuffer(body[start:stop], dtype="<f8").reshape(shape)}
            start = stop
        if start != len(body):
            raise ValueError("more numbers than announced")
        return result
    except (ValueError, KeyError, TypeError, AttributeError, RecursionError, OverflowError) as error:
        raise ValueError(f"malformed message: {error}") from None
