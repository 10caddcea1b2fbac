"""`python -m autograder ablation`: the table in notebook 03, "Take a piece away", measured with the notebook's own code.

Every variant trains on the ring and on the chequerboard with the recipe's numbers of steps, two seeds each, and is scored as the
notebook does, with 8 draws. About ten minutes.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from typing import Any

from autograder import course

STEPS = {"ring": 600, "chequerboard": 1700}
SEEDS = (0, 1)
DRAWS = 8


def notebook_code() -> dict[str, Any]:
    """The classes and functions of notebook 03, its recipe's included, without running its figures and trainings."""
    space: dict[str, Any] = {"__name__": "notebook"}
    for cell in course.load("03_vpsde").cells:
        recipe = cell.kind == "show" and cell.source.startswith(("class Waves", "class VelocityFlow"))
        if cell.type == "code" and (cell.kind in ("given", "answer") or recipe):
            exec(compile(cell.source, "<03_vpsde>", "exec"), space)
    return space


def variants(nb: dict[str, Any]) -> dict[str, Callable[[Any, int], Any]]:
    """What is changed, and how to train it: a function of the data and the number of steps that returns a flow."""
    import torch
    from torch import nn

    v_flow, waves, plain = nb["VelocityFlow"], nb["WaveNetwork"], nb["ScoreNetwork"]

    class ScoreFlow(nb["VPSDE"]):
        def as_score(self) -> Any:
            return self

    class NoiseFlow(nb["VPSDE"]):
        def loss(self, x0: Any, generator: Any = None) -> Any:
            t = 1 - torch.rand(len(x0))
            x_t, eps = self.perturb(x0, t)
            return (self.network(x_t, t) - eps).square().sum(1).mean()

        def as_score(self) -> Any:
            return nb["VPSDE"](lambda x, t: -self.network(x, t) / self.sigma(t)[:, None])

    def trained(
        flow: Any, rate: float = 0.012, warm_up: int = 100, batch: int = 1024, cosine: bool = True, ema: float = 0.0
    ) -> Any:
        def run(points: Any, steps: int) -> Any:
            model = flow()
            adam = torch.optim.Adam(model.parameters(), lr=rate)
            falling = torch.cos(torch.linspace(0, torch.pi, steps + 1)) / 2 + 0.5
            lower = [falling[i].item() if cosine else 1.0 for i in range(steps + 1)]
            schedule = torch.optim.lr_scheduler.LambdaLR(adam, lambda i: min(1, (i + 1) / warm_up) * lower[min(i, steps)])
            adam.register_step_post_hook(lambda *_: schedule.step())
            mean = [p.detach().clone() for p in model.parameters()]
            if ema:
                adam.register_step_post_hook(
                    lambda *_: torch._foreach_lerp_(mean, [p.detach() for p in model.parameters()], 1 - ema)
                )
            nb["fit"](model, points, adam, steps, batch)
            if ema:
                for parameter, average in zip(model.parameters(), mean, strict=True):
                    parameter.data.copy_(average)
            return model

        return run

    def with_weights(change: Callable[[nn.Linear], Any], last_only: bool = False) -> Callable[[], Any]:
        def make() -> Any:
            network = waves()
            for layer in [network.rest[-1]] if last_only else [m for m in network.modules() if isinstance(m, nn.Linear)]:
                change(layer.weight)
                if layer.bias is not None:
                    nn.init.zeros_(layer.bias)
            return v_flow(network)

        return make

    recipe = lambda: v_flow(waves())  # noqa: E731
    return {
        "the recipe": trained(recipe),
        "predict the score, with its loss of section 6": trained(lambda: ScoreFlow(waves())),
        "predict the noise": trained(lambda: NoiseFlow(waves())),
        "no waves": trained(lambda: v_flow(plain())),
        "constant rate of 0.012": trained(recipe, cosine=False),
        "constant rate of 0.012, samples from an EMA (0.99) of the weights": trained(recipe, cosine=False, ema=0.99),
        "the recipe, samples from an EMA (0.99) of the weights": trained(recipe, ema=0.99),
        "constant rate of 0.001": trained(recipe, rate=1e-3, cosine=False),
        "no warm-up": trained(recipe, warm_up=1),
        "batches of 128, as many steps": trained(recipe, batch=128),
        "score, no waves, constant rate of 0.001": trained(lambda: ScoreFlow(plain()), rate=1e-3, warm_up=1, cosine=False),
        "Kaiming's normal initialisation": trained(with_weights(lambda w: nn.init.kaiming_normal_(w, nonlinearity="relu"))),
        "last layer set to zero": trained(with_weights(nn.init.zeros_, last_only=True)),
        "all layers set to zero": trained(with_weights(nn.init.zeros_)),
    }


def main() -> int:
    """Print the table as markdown, a row as soon as it is measured."""
    import torch

    from helpers import data, metrics

    torch.set_num_threads(1)
    os.environ["NBGRADER_EXECUTION"] = "validate"  # no progress bars
    print(f"| change | {' | '.join(STEPS)} |\n| --- | {' | '.join('---' for _ in STEPS)} |", flush=True)
    for title, train in variants(notebook_code()).items():
        cells = []
        for name, steps in STEPS.items():
            draw, found = getattr(data, name), []
            for seed in SEEDS:
                torch.manual_seed(seed)
                flow = train(draw(300_000), steps).as_score()
                samples = lambda n, flow=flow: flow.sample_heun(n, 2, steps=25)[-1]  # noqa: E731
                found.append(metrics.w2_ratio(samples, draw, 10_000, range(DRAWS)))
            cells.append(f"{sum(found) / len(found):.1f}")
        print(f"| {title} | {' | '.join(cells)} |", flush=True)
    return 0
