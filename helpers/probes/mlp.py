"""Probes of notebook 02: networks of the students' classes, with weights that the key item determines."""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

import numpy as np

from helpers.probes import WrongType, probe

Shapes = dict[str, tuple[int, ...]]


def _linear(name: str, fan_in: int, fan_out: int) -> Shapes:
    return {f"{name}.weight": (fan_out, fan_in), f"{name}.bias": (fan_out,)}


def mlp_shapes(dim_in: int, dim_hidden: int, dim_out: int) -> Shapes:
    """The parameters that the given `MLP.__init__` makes."""
    h = dim_hidden
    layers = _linear("inp", dim_in, h) | _linear("hidden1", h, h) | _linear("hidden2", h, h) | _linear("out", h, dim_out)
    return layers | {"norm.weight": (h,), "norm.bias": (h,)}


def fc_shapes(dim: int, hidden: int) -> Shapes:
    """The parameters that the given `FcNetwork.__init__` makes."""
    first, middle = _linear("layers.0", dim + 1, hidden), _linear("layers.2", hidden, hidden)
    return first | middle | _linear("layers.4", hidden, dim)


def timed_shapes(dim: int, dim_hidden: int, dim_time: int) -> Shapes:
    """The parameters that the given `TimedMLP.__init__` makes."""
    h = dim_hidden
    return _linear("inp", dim, h) | _linear("time", dim_time, h) | _linear("hidden", h, h) | _linear("out", h, dim)


def spread(shapes: Shapes, numbers: np.ndarray) -> dict[str, np.ndarray]:
    """A value for every parameter: `numbers` over and over through the names in order, matrices divided by sqrt(columns)."""
    values, start = {}, 0
    for name in sorted(shapes):
        shape = shapes[name]
        index = start + np.arange(int(np.prod(shape)))
        values[name] = np.resize(numbers, index[-1] + 1)[index].reshape(shape)
        if len(shape) == 2:
            values[name] = values[name] / np.sqrt(shape[1])
        start = int(index[-1] + 1) % len(numbers)
    return values


def _load(model: Any, shapes: Shapes, case: SimpleNamespace) -> Any:
    """Put the item's weights into `model`, in float64 if the case says so."""
    import torch

    parameters = dict(model.named_parameters())
    if {name: tuple(p.shape) for name, p in parameters.items()} != shapes:
        raise WrongType("has other parameters than the given __init__ makes; leave that cell as it is")
    if getattr(case, "dtype", "float32") == "float64":
        model.double()
    values = spread(shapes, case.numbers.double().numpy())
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            parameter.copy_(torch.tensor(values[name]))
    return model


def _output(result: Any) -> Any:
    import torch

    if not isinstance(result, torch.Tensor):
        raise WrongType("returned None (is there a `return`?)" if result is None else f"returned a {type(result).__name__}")
    return result


def _times(case: SimpleNamespace) -> Any:
    """The item's times as "int" (int64) or in the case's dtype, of the shape given in the item."""
    t = case.t.double() if getattr(case, "dtype", "float32") == "float64" else case.t
    return t.round().long() if case.times == "int" else t


def _answer(case: SimpleNamespace, shapes: Shapes, model: Any, *inputs: Any) -> Any:
    """What the case asks for: "out", "rows" (rows in other company), "grad", "dtype", "repeat", "twice" or "stale"."""
    import torch

    if case.what == "stale":  # is anything left of a call with other weights?
        fresh = copy.deepcopy(model)
        model(*inputs)
        answers = [_output(_load(network, shapes, case)(*inputs)) for network in (fresh, model)]
        return float(torch.allclose(*answers, atol=1e-5))
    _load(model, shapes, case)
    if case.what == "out":
        return _output(model(*inputs))
    if case.what == "dtype":  # the numbers, and how many bytes each has
        out = _output(model(*inputs))
        return torch.cat([out.flatten().double(), torch.tensor([float(out.element_size())])])
    if case.what == "twice":  # the second answer, and the inputs after both
        model(*inputs)
        out = _output(model(*inputs))
        return torch.cat([out.flatten(), *(value.flatten() for value in inputs)])
    if case.what == "repeat":  # does the same question get the same answer?
        return float(torch.equal(_output(model(*inputs)), _output(model(*inputs))))
    if case.what == "rows":  # in a batch; in another order; one by one; in eval mode
        order = torch.arange(len(inputs[0])).roll(1).flip(0)
        permuted = _output(model(*(value[order] for value in inputs)))
        back = torch.empty_like(permuted)
        back[order] = permuted
        single = [_output(model(*(value[i : i + 1] for value in inputs))) for i in range(len(order))]
        whole = _output(model(*inputs))
        return torch.stack([whole, back, torch.cat(single), _output(model.eval()(*inputs))])
    x = inputs[0].requires_grad_()
    out = _output(model(x, *inputs[1:]))
    if not out.requires_grad:
        raise WrongType("returned a tensor that is cut off from the network's parameters, so that no gradient can flow")
    parameters = dict(model.named_parameters())
    (out * case.weights).sum().backward()
    directions = spread(shapes, case.directions.double().numpy())
    slopes = [
        0.0 if parameters[name].grad is None else float((parameters[name].grad * torch.tensor(directions[name])).sum())
        for name in sorted(shapes)
    ]
    grad_x = torch.zeros_like(x) if x.grad is None else x.grad
    return torch.cat([torch.tensor(slopes, dtype=torch.float64), grad_x.flatten().double()])


def _x(case: SimpleNamespace) -> Any:
    return case.x.double() if getattr(case, "dtype", "float32") == "float64" else case.x


@probe("mlp.forward")
def forward(case: SimpleNamespace, MLP: Any) -> Any:
    """The network's answer on a batch; `case.sizes` is "default" or "given"."""
    if case.sizes == "default":
        return _answer(case, mlp_shapes(2, 64, 2), MLP(), _x(case))
    sizes = case.dim_in, case.dim_hidden, case.dim_out
    model = MLP(dim_in=sizes[0], dim_hidden=sizes[1], dim_out=sizes[2])
    return _answer(case, mlp_shapes(*sizes), model, _x(case))


@probe("mlp.fcnetwork")
def fcnetwork(case: SimpleNamespace, FcNetwork: Any) -> Any:
    """The network's answer on a batch with a time for each row."""
    model = FcNetwork(case.dim, T=case.T, hidden=case.hidden)
    return _answer(case, fc_shapes(case.dim, case.hidden), model, _x(case), _times(case))


@probe("mlp.timed")
def timed(case: SimpleNamespace, TimedMLP: Any) -> Any:
    """The network's answer on a batch with a time for each row."""
    sizes = case.dim, case.dim_hidden, case.dim_time
    model = TimedMLP(dim=sizes[0], dim_hidden=sizes[1], dim_time=sizes[2])
    return _answer(case, timed_shapes(*sizes), model, _x(case), _times(case))


@probe("mlp.embedding")
def embedding(case: SimpleNamespace, SinusoidalEmbedding: Any) -> Any:
    """The embedding of a batch of times; with `what` "dtype" also bytes per number, with "twice" also t afterwards."""
    import torch

    period = {} if case.max_period == "default" else {"max_period": case.max_period}
    embed, t = SinusoidalEmbedding(case.dim, **period), _times(case)
    out = _output(embed(t))
    if case.what == "dtype":
        return torch.cat([out.flatten().double(), torch.tensor([float(out.element_size())])])
    if case.what == "twice":
        return torch.cat([_output(embed(t)).flatten(), t.flatten()])
    return out


class _Nested:
    """A network with layers four deep, one of them in a module of its own class, one without a bias, and parameters that belong to no linear layer."""

    def __new__(cls, case: SimpleNamespace) -> Any:
        from torch import nn

        class Own(nn.Module):
            """A module with a layer that is not in a list."""

            def __init__(self) -> None:
                super().__init__()
                self.layer = nn.Linear(case.narrow, case.wide)

        deepest = nn.Sequential(Own(), nn.SiLU())
        inner = nn.Sequential(nn.Linear(case.wide, case.narrow), nn.Sequential(nn.LayerNorm(case.narrow), deepest))
        plain = nn.Linear(case.narrow, 3, bias=not case.no_bias)
        return nn.Sequential(nn.Linear(case.narrow, case.wide), inner, nn.Embedding(4, 5), plain)


PLACES = {"first": lambda net: net[0], "inner": lambda net: net[1][0], "deep": lambda net: net[1][1][1][0].layer}
"""Layers of such a network with equally many weights."""


@probe("mlp.init")
def init(case: SimpleNamespace, initialise: Any) -> Any:
    """The weights of two networks side by side ("weights") or of the layers of one ("layers"), the rank of a weight matrix ("rank"), biases and the parameters of
    other modules ("others", "embedding"), gradients ("grad"), the mean squares of a large layer's weights ("large"), or the weights of a layer of few inputs."""
    import torch

    from helpers.probes.vpsde import mean_squares

    if case.what == "large":
        network = torch.nn.Sequential(torch.nn.Linear(case.wide, case.wide))
        initialise(network)
        return mean_squares(network[0].weight, case.wide, case.radius)
    if case.what == "few":
        network = torch.nn.Sequential(torch.nn.Linear(2, case.many))
        initialise(network)
        return network[0].weight
    networks = [_Nested(case), _Nested(case)]
    for network in networks:
        for parameter in network.parameters():  # numbers that nobody would draw, to see which are left as they were
            torch.nn.init.constant_(parameter, 0.625)
        initialise(network)
    if case.what == "weights":
        first, second = map(PLACES[case.layer], networks)
        return torch.stack([first.weight.flatten(), second.weight.flatten()], dim=1)
    if case.what == "layers":
        return torch.stack([place(networks[0]).weight.flatten() for place in PLACES.values()], dim=1)
    first = networks[0]
    if case.what == "rank":
        return float(torch.linalg.matrix_rank(first[0].weight.detach()))
    if case.what == "embedding":
        return first[2].weight
    if case.what == "others":
        norm = first[1][1][0]
        biases = [first[0].bias, first[1][0].bias, first[1][1][1][0].layer.bias] + ([] if case.no_bias else [first[3].bias])
        return torch.cat([part.flatten() for part in (*biases, norm.weight, norm.bias)])
    for parameter in first.parameters():
        parameter.grad = None
    (first[3](case.x) * case.weights).sum().backward()
    own = first[3].weight.grad
    return torch.zeros_like(first[3].weight) if own is None else own
