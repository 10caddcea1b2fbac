"""What the training recipe of notebook 04 reaches, beside the circulated one; part of `make bench`.

`python -m autograder.bench_ddpm` prints it alone (about a minute); with `--pieces` the table of the notebook's section 9, which
changes one piece of the recipe at a time (five training sets and seeds for each, about five minutes); with `--exercise` what the
circulated recipe ends at (three seeds, some ten minutes). Everything is the notebook's own code.
"""

from __future__ import annotations

import argparse
import os
import time
from typing import Any

from autograder import course
from autograder.bench_rows import Rows

SEEDS = range(5)
SHOWN = ("class TimeNetwork", "def as_noise", "class Recipe", "changes = ")
SAMPLES = 100_000


def notebook_code() -> dict[str, Any]:
    """The classes and functions of notebook 04, its recipe's included, without running its figures and trainings."""
    import torch

    from helpers import data, metrics

    os.environ["NBGRADER_EXECUTION"] = "validate"  # no progress bars
    torch.set_num_threads(1)
    truth = data.normal_mixture([1, 2], [[-4.0], [4.0]], 1.0)
    space: dict[str, Any] = {"__name__": "notebook", "data": data, "metrics": metrics, "truth": truth}
    for cell in course.load("04_ddpm").cells:
        shown = cell.kind == "show" and cell.source.startswith(SHOWN)
        if cell.type == "code" and (cell.kind in ("given", "answer") or shown):
            exec(compile(cell.source, "<04_ddpm>", "exec"), space)
    return space


def one_seed(nb: dict[str, Any], seed: int) -> dict[str, float]:
    """W1 and CPU seconds of both recipes, each with `SAMPLES` samples, on training data of this seed."""
    train, mean, std, z, z_valid = training_data(nb, seed)
    start = time.process_time()
    ours = nb["Recipe"](z).train(z_valid)
    seconds = time.process_time() - start

    run, start, epochs = circulated(nb, z), time.process_time(), 0
    while time.process_time() - start < seconds:
        run.train(z_valid, 1)
        epochs += 1
    spent = time.process_time() - start

    return {
        "ours": nb["distance"](ours, mean, std, SAMPLES), "seconds": seconds, "train": nb["metrics"].w1(train, nb["truth"]),
        "circulated": nb["distance"](run.ddpm, mean, std, SAMPLES), "circulated seconds": spent, "epochs": epochs,
    }  # fmt: skip


def training_data(nb: dict[str, Any], seed: int) -> tuple[Any, ...]:
    """10,000 points, their mean and standard deviation, the points normalised, and 1,000 normalised validation points."""
    import torch

    torch.manual_seed(seed)
    train, valid = nb["sample_mixture"](10_000), nb["sample_mixture"](1_000)
    mean, std = nb["statistics"](train)
    return train, mean, std, nb["normalize"](train, mean, std), nb["normalize"](valid, mean, std)


def circulated(nb: dict[str, Any], z: Any) -> Any:
    """The circulated recipe, untrained."""
    return nb["Recipe"](z, network=nb["NoisePredictor"](), betas=nb["constant_betas"](250), **nb["CIRCULATED"])


def exact(nb: dict[str, Any], schedule: str, seed: int = 0) -> float:
    """W1 of the exact predictor at T = 250 in place of a network."""
    import torch

    torch.manual_seed(seed)
    mean, std = torch.tensor([4 / 3]), torch.tensor([(1 + 128 / 9) ** 0.5])
    betas = nb[schedule](250)
    law = nb["data"].normal_mixture([1, 2], (torch.tensor([[-4.0], [4.0]]) - mean) / std, 1 / std)
    ddpm = nb["DDPM"](None, betas)
    ddpm.network = nb["data"].ExactNoise(law, ddpm.alpha_bar)
    return nb["distance"](ddpm, mean, std, SAMPLES)


def recipe(show: Rows) -> None:
    """The rows for `make bench`."""
    nb = notebook_code()
    rows = [one_seed(nb, seed) for seed in SEEDS]
    mean = {name: sum(row[name] for row in rows) / len(rows) for name in rows[0]}

    def each(name: str) -> str:
        return ", ".join(f"{row[name]:.3f}" for row in rows)

    show(f"recipe of 04_ddpm: W1 {mean['ours']:.3f} with {SAMPLES:,} samples after {mean['seconds']:.1f} CPU s of training "
         f"(mean of {len(rows)} seeds: {each('ours')})", ddpm1d_w1=mean["ours"], ddpm1d_cpu_s=mean["seconds"])  # fmt: skip
    show(f"  circulated recipe, {mean['circulated seconds']:.1f} CPU s ({mean['epochs']:.0f} epochs): W1 {mean['circulated']:.3f} "
         f"({each('circulated')})", ddpm1d_circulated_w1=mean["circulated"],
         ddpm1d_circulated_cpu_s=mean["circulated seconds"])  # fmt: skip
    cosine, constant = exact(nb, "cosine_betas"), exact(nb, "constant_betas")
    floor = nb["metrics"].w1_floor(nb["truth"], SAMPLES, 10)
    show(f"  exact predictor: W1 {cosine:.3f} (cosine), {constant:.3f} (constant 0.02); "
         f"true samples {floor:.3f}; the 10,000 training points {mean['train']:.3f}",
         ddpm1d_exact_cosine_w1=cosine, ddpm1d_exact_constant_w1=constant, ddpm1d_floor_w1=floor,
         ddpm1d_training_points_w1=mean["train"])  # fmt: skip


def pieces() -> None:
    """Print the table of section 9 as markdown, a row as soon as it is measured."""
    import torch

    nb = notebook_code()
    print("| change | $W_1$, mean of five | smallest and largest |\n| --- | --- | --- |", flush=True)
    for name, change in nb["changes"].items():
        found = []
        for seed in SEEDS:
            torch.manual_seed(seed)
            train, valid = nb["sample_mixture"](10_000), nb["sample_mixture"](1_000)
            found.append(nb["changed"](train, valid, **change))
        print(f"| {name} | {sum(found) / len(found):.3f} | {min(found):.3f}, {max(found):.3f} |", flush=True)


def exercise(seeds: int = 3, epochs: int = 1000) -> None:
    """Print the W1 that the circulated recipe ends at after all its epochs, a seed as soon as it is measured."""
    nb = notebook_code()
    for seed in range(seeds):
        _, mean, std, z, z_valid = training_data(nb, seed)
        run, start = circulated(nb, z), time.process_time()
        ddpm = run.train(z_valid, epochs)
        spent = time.process_time() - start
        found = nb["distance"](ddpm, mean, std, SAMPLES)
        print(f"circulated recipe, {epochs:,} epochs, seed {seed}: W1 {found:.3f} after {spent:.0f} CPU s", flush=True)


def main() -> None:
    """Print the rows, or with `--pieces` the table, or with `--exercise` the circulated recipe's end."""
    parser = argparse.ArgumentParser(description=main.__doc__)
    parser.add_argument("--pieces", action="store_true", help="the table that changes one piece at a time (five minutes)")
    parser.add_argument("--exercise", action="store_true", help="the circulated recipe with all its epochs (ten minutes)")
    options = parser.parse_args()
    if options.pieces:
        pieces()
    elif options.exercise:
        exercise()
    else:
        recipe(Rows())


if __name__ == "__main__":
    main()
