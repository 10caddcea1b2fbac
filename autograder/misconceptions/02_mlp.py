"""Known mistakes of notebook 02."""

# ------------------------------------------------------------------------------------------------------- mlp.forward

BLOCK = "h + self.act(self.hidden2(self.norm(h)))"


def wrong(task, name, swap, says, source="plausible"):
    """The reference with fragments replaced."""
    answer(task, name, swap=swap, says=says, source=source)


wrong(
    "mlp.forward",
    "norm-unused",
    [("self.norm(h)", "h")],
    """Your numbers are those of the network without `norm`: its scale and shift get no gradient. Where does the picture put it?""",
)
wrong(
    "mlp.forward",
    "hidden2-unused",
    [("self.act(self.hidden2(self.norm(h)))", "self.act(self.norm(h))")],
    """`hidden2` has no part in your result. Count the blue boxes of the picture and the linear layers in your code.""",
)
wrong(
    "mlp.forward",
    "hidden1-twice",
    [("self.hidden2", "self.hidden1")],
    """One hidden layer is used twice and the other never: their two sets of weights are different functions. Which stands inside the block?""",
)
wrong(
    "mlp.forward",
    "hidden-layers-swapped",
    [("self.act(self.hidden1(h))", "self.act(self.hidden2(h))"), ("self.hidden2(self.norm(h))", "self.hidden1(self.norm(h))")],
    """Both hidden layers are used, but each in the other's place. They have equal shapes, so torch cannot notice; the order in `__init__`
    says nothing, the picture does.""",
)
wrong(
    "mlp.forward",
    "activation-after-last",
    [("return self.out(h)", "return self.act(self.out(h))")],
    """Your numbers are the right ones sent through the activation once more, so that nothing below −0.28 can come out. What stands
    between the last blue box and y?""",
)
wrong(
    "mlp.forward",
    "no-activations",
    [
        ("self.act(self.inp(x))", "self.inp(x)"),
        ("self.act(self.hidden1(h))", "self.hidden1(h)"),
        ("self.act(self.hidden2(self.norm(h)))", "self.hidden2(self.norm(h))"),
    ],
    """Your network has no activation at all. Linear layers on top of each other are one linear layer; where does φ stand in the picture?""",
)
wrong(
    "mlp.forward",
    "no-activation-after-inp",
    [("self.act(self.inp(x))", "self.inp(x)")],
    """`inp` and `hidden1` follow each other with nothing between them, so together they are a single linear layer. What stands between
    them in the picture?""",
)
wrong(
    "mlp.forward",
    "no-activation-in-block",
    [("self.act(self.hidden2(self.norm(h)))", "self.hidden2(self.norm(h))")],
    """What your block adds to its input can have any size below zero. In the picture something stands between `hidden2` and the +.""",
)
wrong(
    "mlp.forward",
    "activation-first",
    [("self.act(self.inp(x))", "self.inp(self.act(x))")],
    """The activation is applied to x itself, before the first layer: the network can hardly tell negative coordinates apart. Look at the order of
    the first two symbols after x.""",
)
wrong(
    "mlp.forward",
    "activation-before-hidden2",
    [("self.act(self.hidden2(self.norm(h)))", "self.hidden2(self.act(self.norm(h)))")],
    """Inside the block your activation comes before the linear layer. Some published networks do that, this one does not: read the
    third formula from the inside out.""",
)
wrong(
    "mlp.forward",
    "no-residual",
    [(BLOCK, "self.act(self.hidden2(self.norm(h)))")],
    """Your numbers are those of the chain without the red arrow. What arrives at the + besides the result of the block?""",
)
wrong(
    "mlp.forward",
    "residual-after-norm",
    [("    h = " + BLOCK, "    n = self.norm(h)\n    h = n + self.act(self.hidden2(n))")],
    """What you carry past the block has already been normalised. Look where the red arrow leaves the chain: before or after `norm`?""",
)
wrong(
    "mlp.forward",
    "residual-inside-activation",
    [(BLOCK, "self.act(h + self.hidden2(self.norm(h)))")],
    """You add the copy before the activation, so that φ acts on the sum (as in the first ResNets). In the picture, does the red arrow
    arrive before or after φ?""",
)
wrong(
    "mlp.forward",
    "residual-from-inp",
    [
        ("    h = self.act(self.hidden1(h))", "    first = h\n    h = self.act(self.hidden1(h))"),
        (BLOCK, "first + self.act(self.hidden2(self.norm(h)))"),
    ],
    """What you add at the + is a signal from before `hidden1`. Follow the red arrow back to where it leaves the chain.""",
)
wrong(
    "mlp.forward",
    "norm-after-sum",
    [(BLOCK, "self.norm(h + self.act(self.hidden2(h)))")],
    """You normalise after the addition ("post-norm", as in the first Transformer). This network normalises somewhere else: see which box
    `norm` stands beside.""",
)
wrong(
    "mlp.forward",
    "norm-after-hidden2",
    [("self.hidden2(self.norm(h))", "self.norm(self.hidden2(h))")],
    """`norm` and `hidden2` are both used, in the other order. Which of the two sees the row first?""",
)
wrong(
    "mlp.forward",
    "batch-statistics",
    [("self.norm(h)", "((h - h.mean(0)) / (h.var(0, unbiased=False) + 1e-5).sqrt() * self.norm.weight + self.norm.bias)")],
    """The answer for a row changes with the other rows of its batch: a mean is taken over the batch. `norm` works along the other axis, on
    each row by itself.""",
)
wrong(
    "mlp.forward",
    "detached-residual",
    [("h = h + self.act", "h = h.detach() + self.act")],
    """The numbers are right but the gradient is not: along the red arrow it is cut off. Where do you detach?""",
)
wrong(
    "mlp.forward",
    "no-grad",
    [("    return self.out(h)", "    return self.out(h).detach()")],
    """The numbers are right, but no gradient reaches the parameters, so this network could never learn. Detaching is for figures, not for
    `forward`.""",
)
wrong(
    "mlp.forward",
    "squeezed",
    [("return self.out(h)", "return self.out(h).squeeze()")],
    """With a batch of 1 or with one coordinate your answer loses an axis. Shapes with a 1 in them are where `squeeze` does harm; is it
    needed?""",
)
wrong(
    "mlp.forward",
    "stops-before-out",
    [("return self.out(h)", "return h")],
    """What you return is still in the hidden size: the last module has not been applied.""",
)
wrong(
    "mlp.forward",
    "dropout",
    [("h = self.act(self.hidden1(h))", "h = nn.functional.dropout(self.act(self.hidden1(h)), 0.5, self.training)")],
    """In train mode your network answers differently each time it is asked. Nothing in the four formulas is random.""",
)

# ---------------------------------------------------------------------------------------------------------- mlp.init

NORMAL = "nn.init.normal_(module.weight, 0.0, math.sqrt(2 / module.in_features))"


def weights(name, new, says, source="plausible"):
    """Other first weights."""
    wrong("mlp.init", name, [(NORMAL, new)], says, source)


weights(
    "truncated-at-three",
    "nn.init.trunc_normal_(module.weight, 0.0, (s := math.sqrt(2 / module.in_features)), -3 * s, 3 * s)",
    """Variance and mean fit almost, but no weight is more than three standard deviations from 0: the ends of the distribution are cut off. Which
    distribution does the formula name?""",
)
weights(
    "variance-as-sd",
    "nn.init.normal_(module.weight, 0.0, 2 / module.in_features)",
    """The variance of your weights is the square of what it should be. The formula names a variance; what does the function that you call
    ask for?""",
)
weights(
    "fan-out",
    "nn.init.kaiming_normal_(module.weight, mode='fan_out', nonlinearity='relu')",
    """The spread of your weights follows the number of outputs of the layer. Which size belongs into the formula: that of a row of W or that of
    a column?""",
)
weights(
    "linear-gain",
    "nn.init.normal_(module.weight, 0.0, 1 / math.sqrt(module.in_features))",
    """The variance of your weights is half of what it should be, right for a network without activations. What makes up for the half that
    the activation removes?""",
)
weights(
    "xavier",
    "nn.init.xavier_normal_(module.weight)",
    """Your weights have the spread of Glorot (Xavier) initialisation, which counts inputs and outputs. The formula here counts one of the two.""",
)
weights(
    "kaiming-uniform",
    "nn.init.kaiming_uniform_(module.weight, nonlinearity='relu')",
    """The variance is right, but the weights are uniform on an interval. The formula names the distribution.""",
)
weights(
    "torch-default",
    "module.reset_parameters()",
    """Your weights are those of torch's own default, with a sixth of the variance. That is the curve that falls fastest in the figure.""",
)
weights(
    "positive-only",
    "nn.init.normal_(module.weight, 0.0, math.sqrt(2 / module.in_features)).data.abs_()",
    """All your weights are positive. Their distribution should have mean 0.""",
)
weights(
    "constant",
    "nn.init.constant_(module.weight, math.sqrt(2 / module.in_features))",
    """All weights of a layer are one and the same number, so all its units compute and learn the same thing. Each weight is drawn on its
    own.""",
)
weights(
    "fixed-seed",
    "torch.manual_seed(0); nn.init.normal_(module.weight, 0.0, math.sqrt(2 / module.in_features))",
    """Two networks get exactly the same weights: a seed is set inside. Leave the random number generator to whoever calls you.""",
)
wrong(
    "mlp.init",
    "children-only",
    [("network.modules()", "network.children()")],
    """Only layers at the top of the network are reached; a layer inside another module keeps its old weights. Which method of `nn.Module` goes
    all the way down?""",
)
wrong(
    "mlp.init",
    "two-levels-deep",
    [("network.modules()", "[one for child in [network, *network.children()] for one in child.children()]")],
    """Layers at the top of the network and one level below have new weights, but a layer deeper inside keeps its old ones. Which method of `nn.Module`
    goes all the way down, however deep that is?""",
)
wrong(
    "mlp.init",
    "biases-kept",
    [("nn.init.zeros_(module.bias)", "pass")],
    """The weights are right, and the biases are still what they were before.""",
)
wrong(
    "mlp.init",
    "bias-none",
    [("            if module.bias is not None:\n                nn.init.zeros_(module.bias)", "            nn.init.zeros_(module.bias)")],
    """Your code stops at a linear layer that has no bias. What is its `bias` then?""",
)
answer(
    "mlp.init",
    "every-parameter",
    cell="""
def initialise(network):
    for parameter in network.parameters():
        if parameter.ndim == 2:
            nn.init.normal_(parameter, 0.0, math.sqrt(2 / parameter.shape[1]))
        else:
            nn.init.zeros_(parameter)
""",
    says="""You change the parameters of modules that are not linear layers: a LayerNorm with scale 0, for one, lets nothing through. How
    can you ask a module what it is?""",
    source="plausible",
)
answer(
    "mlp.init",
    "frozen",
    cell="""
def initialise(network):
    for module in network.modules():
        if isinstance(module, nn.Linear):
            module.weight = nn.Parameter(torch.randn_like(module.weight) * (2 / module.in_features) ** 0.5, requires_grad=False)
            if module.bias is not None:
                module.bias = nn.Parameter(torch.zeros_like(module.bias))
""",
    says="""The new weights get no gradient: they would stay as they are for ever. Did you mean to switch gradients off for the drawing only?""",
    source="plausible",
)

# ---------------------------------------------------------------------------------------------------- mlp.fcnetwork

TIME = "t.reshape(-1, 1) / self.T"


def time(name, new, says, source="plausible"):
    """Another number in the time's column."""
    wrong("mlp.fcnetwork", name, [(TIME, new)], says, source)


time(
    "not-normalised",
    "t.reshape(-1, 1).to(x.dtype)",
    """Your network sees the time as it is, up to T. Which interval should it see?""",
)
time(
    "by-T-minus-1",
    "t.reshape(-1, 1) / (self.T - 1)",
    """Your last time becomes a little more than 1 (and with T = 1 nothing sensible). The times run from 0 to T: how many steps lie between
    the first and the last?""",
)
time(
    "by-T-plus-1",
    "t.reshape(-1, 1) / (self.T + 1)",
    """Your last time does not reach 1. There are T + 1 times from 0 to T, but what should t = T become?""",
)
time(
    "floor-division",
    "(t.reshape(-1, 1) // self.T).to(x.dtype)",
    """Nearly all times arrive at the first layer as 0. What does the division that you use do with the digits after the point?""",
)
time(
    "rounded",
    "t.reshape(-1, 1).long() / self.T",
    """Times that are not whole numbers lose what is after the point. `t` may be real.""",
)
time(
    "first-time-for-all",
    "t.reshape(-1)[:1].expand(len(x)).reshape(-1, 1) / self.T",
    """All rows get the time of the first row. Each row of the batch has its own.""",
)
time(
    "mean-time",
    "t.to(x.dtype).mean().expand(len(x), 1) / self.T",
    """All rows get one and the same time, a mean over the batch. Each row has its own.""",
)
time(
    "by-largest-time",
    "t.reshape(-1, 1) / t.max()",
    """You divide by the largest time of the batch, so one and the same t means different things in different batches. The constructor knows a
    number that does not change.""",
)
time(
    "minus-one-to-one",
    "2 * t.reshape(-1, 1) / self.T - 1",
    """Your times run from −1 to 1. That would serve as well, but the formula asks for another interval.""",
)
time(
    "reversed",
    "1 - t.reshape(-1, 1) / self.T",
    """Your time runs backwards: t = 0 arrives as 1. Look at the last entry of the formula's bracket.""",
)
time(
    "from-one",
    "(t.reshape(-1, 1) - 1) / self.T",
    """You count the steps from 1, so that t = 0 becomes negative. Here times run from 0 to T.""",
)
wrong(
    "mlp.fcnetwork",
    "time-first",
    [("[x, t]", "[t, x]")],
    """The time stands before x, so each weight of the first layer meets another column than the one meant for it. What is the order in the
    formula?""",
)
wrong(
    "mlp.fcnetwork",
    "everything-divided",
    [(TIME, "t.reshape(-1, 1)"), ("torch.cat([x, t], dim=1)", "torch.cat([x, t], dim=1) / self.T")],
    """x is divided by T together with the time. Which columns should be scaled?""",
)
wrong(
    "mlp.fcnetwork",
    "time-added-to-x",
    [("[x, t]", "[x + t, t]")],
    """The time is added to x besides being a column of its own. The first d columns are x as it came.""",
)
wrong(
    "mlp.fcnetwork",
    "column-only",
    [(TIME, "t / self.T")],
    """Times of shape (B, 1) work, times of shape (B,) do not. Which shape has to stand beside x, and how do you get it from either?""",
)
wrong(
    "mlp.fcnetwork",
    "flat-only",
    [(TIME, "t.unsqueeze(1) / self.T")],
    """Times of shape (B,) work, times of shape (B, 1) get one axis too many. How do you get one column from either?""",
)
wrong(
    "mlp.fcnetwork",
    "in-place",
    [(TIME, "t.reshape(-1, 1).to(x.dtype)\n    t /= self.T")],
    """The first call is right, but it changes the caller's t, so the second call with the same t is not. What is the difference between
    a = a / b and a /= b for tensors?""",
)
wrong(
    "mlp.fcnetwork",
    "detached",
    [("self.layers(torch.cat([x, t], dim=1))", "self.layers(torch.cat([x.detach(), t], dim=1))")],
    """The numbers are right, but no gradient goes back to x. Where is x cut off?""",
)
wrong(
    "mlp.fcnetwork",
    "float32-times",
    [("    return self.layers(torch.cat([x, t], dim=1))", "    return self.layers(torch.cat([x, t], dim=1).float())")],
    """A network of float64 weights meets float32 numbers. Is a dtype fixed in your code where it should follow that of x?""",
)

# ---------------------------------------------------------------------------------------------------- mlp.embedding

OMEGA = "self.max_period ** (-k / (half - 1))"


def freq(name, new, says, source="plausible"):
    """Other frequencies."""
    wrong("mlp.embedding", name, [(OMEGA, new)], says, source)


wrong(
    "mlp.embedding",
    "cosines-first",
    [("[angles.sin(), angles.cos()]", "[angles.cos(), angles.sin()]")],
    """All numbers are there, with the halves exchanged. What stands at t = 0 in the first half: zeros or ones?""",
)
wrong(
    "mlp.embedding",
    "interleaved",
    [("torch.cat([angles.sin(), angles.cos()], dim=1)", "torch.stack([angles.sin(), angles.cos()], dim=2).flatten(1)")],
    """All numbers are there, with sines and cosines taking turns (as in Vaswani et al.). Here the sines stand together.""",
)
freq(
    "ends-one-early",
    "self.max_period ** (-k / half)",
    """Your frequencies begin at 1 but do not reach 1/max_period: the exponent is divided by a number that is one too large for that. (Some
    codes do this; the formula here does not.)""",
)
freq(
    "starts-at-k-1",
    "self.max_period ** (-(k + 1) / half)",
    """Your first frequency is not 1. With which k does the list begin?""",
)
freq(
    "rising",
    "self.max_period ** (k / (half - 1))",
    """Your frequencies rise from 1 instead of falling. Look at the sign of the exponent.""",
)
freq(
    "slowest-first",
    "self.max_period ** (-k.flip(0) / (half - 1))",
    """The frequencies are right, in the opposite order: the fastest hand comes first.""",
)
freq(
    "linear-frequencies",
    "torch.linspace(1.0, 1 / self.max_period, half, device=t.device)",
    """Your frequencies fall in equal steps from 1 to 1/max_period. In the formula neighbours have equal ratios, not equal differences.""",
)
freq(
    "no-exponent",
    "1 / (self.max_period * (k + 1) / half)",
    """Your frequencies fall like 1/k. In the formula k stands in an exponent.""",
)
freq(
    "natural-exponent",
    "torch.exp(-k / (half - 1))",
    """Your frequencies do not depend on max_period: they end at 1/e. Which base does the power have?""",
)
freq(
    "two-pi",
    "2 * math.pi * self.max_period ** (-k / (half - 1))",
    """Every angle is 2π times too large: your frequencies count turns, those of the formula radians.""",
)
freq(
    "double-exponent",
    "self.max_period ** (-2 * k / (half - 1))",
    """Your frequencies fall twice as fast as they should. In formulas with 2k the denominator is the whole dim; compare with the one here.""",
)
wrong(
    "mlp.embedding",
    "time-over-period",
    [("t.reshape(-1, 1) * omega", "t.reshape(-1, 1) / self.max_period * omega")],
    """Your hands hardly turn: t is divided by max_period as well. It appears once in the formula.""",
)
wrong(
    "mlp.embedding",
    "first-time-for-all",
    [("t.reshape(-1, 1) * omega", "t.reshape(-1)[:1].expand(len(t)).reshape(-1, 1) * omega")],
    """All rows show the time of the first. Each row has its own.""",
)
wrong(
    "mlp.embedding",
    "sines-only",
    [("[angles.sin(), angles.cos()]", "[angles.sin(), angles.sin()]")],
    """Both halves are sines. What should the second half be at t = 0?""",
)
wrong(
    "mlp.embedding",
    "rounded-times",
    [("t.reshape(-1, 1) * omega", "t.long().reshape(-1, 1) * omega")],
    """Times that are not whole numbers lose what is after the point. `t` may be real.""",
)
wrong(
    "mlp.embedding",
    "flat-only",
    [("t.reshape(-1, 1) * omega", "t[:, None] * omega"), ("dim=1)", "dim=-1)")],
    """Times of shape (B,) work, times of shape (B, 1) get an axis too many. How do you get one column from either?""",
)
wrong(
    "mlp.embedding",
    "always-float32",
    [("torch.cat([angles.sin(), angles.cos()], dim=1)", "torch.cat([angles.sin(), angles.cos()], dim=1).float()")],
    """float64 times give float32 numbers, which a float64 network refuses. Is a dtype fixed somewhere?""",
)

# -------------------------------------------------------------------------------------------------------- mlp.timed

wrong(
    "mlp.timed",
    "time-once",
    [("self.act(self.hidden(h) + e)", "self.act(self.hidden(h))")],
    """The time enters the first level only. Follow the purple arrows of the picture: how many arrive?""",
)
wrong(
    "mlp.timed",
    "time-only-second",
    [("self.act(self.inp(x) + e)", "self.act(self.inp(x))")],
    """The time enters the second level only. Follow the purple arrows of the picture: how many arrive?""",
)
wrong(
    "mlp.timed",
    "after-activation",
    [("self.act(self.inp(x) + e)", "self.act(self.inp(x)) + e"), ("self.act(self.hidden(h) + e)", "self.act(self.hidden(h)) + e")],
    """You add e after the activation. Do the + in the picture stand before or after φ?""",
)
wrong(
    "mlp.timed",
    "multiplied",
    [("self.act(self.inp(x) + e)", "self.act(self.inp(x) * e)"), ("self.act(self.hidden(h) + e)", "self.act(self.hidden(h) * e)")],
    """The time multiplies the features. Some networks do that, but the circles of the picture hold another sign.""",
)
wrong(
    "mlp.timed",
    "activated-time",
    [("self.time(self.embed(t))", "self.act(self.time(self.embed(t)))")],
    """e has gone through an activation before it is added, so it can hardly lower anything. Look at the first formula.""",
)
wrong(
    "mlp.timed",
    "activation-after-last",
    [("return self.out(h)", "return self.act(self.out(h))")],
    """Your numbers are the right ones sent through the activation once more, so that nothing below −0.28 can come out.""",
)
wrong(
    "mlp.timed",
    "no-second-activation",
    [("self.act(self.hidden(h) + e)", "self.hidden(h) + e")],
    """`hidden` and `out` follow each other with no activation between them.""",
)
wrong(
    "mlp.timed",
    "residual-added",
    [("h = self.act(self.hidden(h) + e)", "h = h + self.act(self.hidden(h) + e)")],
    """A copy of h₁ is added to h₂. That was the other network: here no arrow jumps over a box.""",
)
wrong(
    "mlp.timed",
    "mean-time",
    [("self.time(self.embed(t))", "self.time(self.embed(t)).mean(0, keepdim=True)")],
    """All rows of a batch share one e, a mean over the batch. Each row has its own time.""",
)
wrong(
    "mlp.timed",
    "time-from-the-earliest",
    [("self.embed(t)", "self.embed(t - t.min())")],
    """Your times are counted from the earliest one in the batch, so what comes out for a row depends on which rows are beside it. The network needs
    each row's own time, just as it is.""",
)
wrong(
    "mlp.timed",
    "first-time-for-all",
    [("self.time(self.embed(t))", "self.time(self.embed(t))[:1]")],
    """All rows get the time of the first row: a (1, hidden) tensor is added to every row without complaint. Each row has its own.""",
)
wrong(
    "mlp.timed",
    "time-over-1000",
    [("self.embed(t)", "self.embed(t / 1000)")],
    """The time is divided before it is embedded, so even the fastest hand hardly turns. What did the docstring say about the unit of t?""",
)
wrong(
    "mlp.timed",
    "detached-time",
    [("self.time(self.embed(t))", "self.time(self.embed(t)).detach()")],
    """The numbers are right, but the layer `time` gets no gradient and would never learn. Where is it cut off?""",
)
wrong(
    "mlp.timed",
    "added-to-output",
    [("return self.out(h)", "return self.out(h + e)")],
    """The time enters a third time, before the last layer. Count the purple arrows.""",
)

# ---------------------------------------------------------------------- generators, modes, extremes

answer(
    "mlp.embedding",
    "time-wrapped",
    swap=[("    angles = t.reshape(-1, 1) * omega", "    angles = (t % self.max_period).reshape(-1, 1) * omega")],
    says="""Times beyond max_period come out as if they began again at 0. max_period only sets the slowest frequency: the faster waves go round at
    any t, and none of them needs help with that.""",
    source="plausible: the name max_period taken at its word",
)
answer(
    "mlp.init",
    "one-draw-for-all-layers",
    cell="""
def initialise(network):
    linears = [module for module in network.modules() if isinstance(module, nn.Linear)]
    z = torch.randn(max((module.weight.numel() for module in linears), default=0))
    for module in linears:
        z_own = z[: module.weight.numel()].reshape(module.weight.shape)
        module.weight.data.copy_(z_own * math.sqrt(2 / module.in_features))
        if module.bias is not None:
            module.bias.data.zero_()
""",
    says="""Different layers of your network have the same random numbers, only scaled and shaped differently. How often does your code draw?""",
    source="plausible: one large draw shared by all layers",
)
answer(
    "mlp.timed",
    "embedding-remembered",
    swap=[("    e = self.time(self.embed(t))\n", """\
    if getattr(self, "known", None) is None or not torch.equal(self.known, t):
        self.known, self.e = t.clone(), self.time(self.embed(t))
    e = self.e
""")],
    says="""Your network is right with its first weights, and wrong once they have changed: something that depends on the weights seems to be kept
    from an earlier call. In training the weights change in every step.""",
    source="plausible: a cache",
)
answer(
    "mlp.embedding",
    "table-of-whole-times",
    cell="""
@attach(SinusoidalEmbedding)
def forward(self, t):
    half = self.dim // 2
    dtype = t.dtype if t.is_floating_point() else torch.float32
    omega = self.max_period ** (-torch.arange(half, dtype=dtype) / (half - 1))
    angles = torch.arange(int(t.max()) + 1, dtype=dtype)[:, None] * omega
    return torch.cat([angles.sin(), angles.cos()], dim=1)[t.reshape(-1).long()]
""",
    like="rounded-times",
)
answer(
    "mlp.forward",
    "norm-without-its-weights",
    swap=[("self.norm(h)", "nn.functional.layer_norm(h, h.shape[-1:])")],
    says="""Once the norm has learned a scale and a shift, your output is wrong: the features are normalised, but not by the layer that was built for it,
    whose parameters would never be trained.""",
    source="plausible: the function in the place of the layer",
)
answer(
    "mlp.init",
    "every-bias",
    swap=[("            if module.bias is not None:\n                nn.init.zeros_(module.bias)",
           "        if getattr(module, 'bias', None) is not None and torch.is_tensor(module.bias):\n            nn.init.zeros_(module.bias)")],
    says="""Biases of layers of other kinds are set to 0 as well. Which modules does the task speak of, and what happens to the others?""",
    source="plausible",
)
answer(
    "mlp.timed",
    "activated-embedding",
    swap=[("self.time(self.embed(t))", "self.time(self.act(self.embed(t)))")],
    says="""An activation stands between the embedding and the layer behind it. What does the formula for e apply to the embedding, and in which order?""",
    source="Ho et al. 2020's code: nonlinearity(temb) in the residual blocks",
)
answer(
    "mlp.init",
    "truncated-at-two",
    swap=[("nn.init.normal_(module.weight, 0.0, math.sqrt(2 / module.in_features))", "nn.init.trunc_normal_(module.weight, std=math.sqrt(2 / module.in_features))")],
    says="""Layers with many inputs look right; in one with two inputs no weight is beyond ±2, and the variance is too small. The function you use cuts off at
    fixed numbers, however wide the distribution is.""",
    source="PyTorch documentation: trunc_normal_, a = -2, b = 2",
)
