"""Where every row of `make bench` goes: to the screen, and with its figures into bench.json."""

from __future__ import annotations

import json
from pathlib import Path

FILE = Path(__file__).resolve().parent.parent / "bench.json"


class Rows:
    """The rows of one run. bench.json is written after each, so that an interrupted run leaves what it measured."""

    def __init__(self, file: Path | None = None, keep: bool = False) -> None:
        """Args:
        file: where the figures go, as one flat object; nowhere if None.
        keep: leave what the file says of other things as it is.
        """
        self.figures: dict[str, float] = {}
        self._file = file
        if file is not None and keep and file.exists():
            self.figures = json.loads(file.read_text(encoding="utf-8"))

    def __call__(self, text: str, **figures: float) -> None:
        """Print a row, and record its figures under names that end in their units, such as `grade_03_stock_s`."""
        print(text, flush=True)
        self.figures |= {name: float(f"{value:.6g}") for name, value in figures.items()}
        if self._file is not None and figures:
            self._file.write_text(json.dumps(self.figures, indent=1, sort_keys=True) + "\n", encoding="utf-8")

    def seconds(self, title: str, value: float, key: str) -> None:
        """A row with one number of seconds."""
        self(f"{title:62}{value:9.2f} s", **{key: value})
