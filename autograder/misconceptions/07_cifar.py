"""Known mistakes of notebook 07."""

from autograder.misconceptions.shared import COPIED_SAYS, GENERATOR_COPIED

# ---- spectrum

for name, swap, says, source in (
    (
        "not-normalised",
        [('norm="ortho"', 'norm="backward"')],
        """Your powers are larger the larger the image is; noise with variance 1 should give 1 whatever its size. Which factor stands in front of the sum?""",
        "numpy and torch documentation: fft's default leaves the forward transform without a factor",
    ),
    (
        "amplitude",
        [(".abs().square()", ".abs()")],
        """Your numbers are mean amplitudes, not powers: an image that is twice as bright should have four times the power.""",
        "plausible",
    ),
    (
        "ring-sums",
        [("power[length == k].mean()", "power[length == k].sum()")],
        """Rings with more frequencies get more: your numbers are sums over a ring. Noise should be level, not rise with k.""",
        "plausible: the radial sum of many tutorials",
    ),
    (
        "squares-not-rings",
        [("torch.hypot(periods[:, None], periods[None, :])", "torch.maximum(periods[:, None].abs(), periods[None, :].abs())")],
        """A slanting wave is counted at the larger of its two frequencies. How long is the arrow that has these two as its parts?""",
        "plausible",
    ),
    (
        "rounded-down",
        [(".round().long()", ".long()")],
        """Frequencies between two whole numbers are always counted with the lower one.""",
        "plausible",
    ),
    (
        "no-negative-frequencies",
        [("torch.fft.fftfreq(size, 1 / size)", "torch.arange(size).float()")],
        """You count a wave of N − 1 periods as a fast one. On N points it looks like one period, the other way round: in which order does the transform give its frequencies?""",
        "plausible",
    ),
    (
        "one-short",
        [("range(size // 2 + 1)", "range(size // 2)")],
        """The last frequency is missing, N // 2.""",
        "plausible",
    ),
    (
        "centred",
        [("fft2(x, ", "fft2(x - x.mean((2, 3), keepdim=True), ")],
        """Your power at k = 0 is zero: the mean of each image was taken away before. It is one of the frequencies.""",
        "plausible",
    ),
    (
        "mean-then-power",
        [(".abs().square().mean((0, 1))", ".mean((0, 1)).abs().square()")],
        """You average the images (or their waves) first and take the power afterwards: waves of different images cancel each other. A single grey image comes out right.""",
        "plausible",
    ),
    (
        "of-the-first-image",
        [(".square().mean((0, 1))", ".square()[0].mean(0)")],
        """Your numbers are those of the first image alone.""",
        "plausible",
    ),
    (
        "grey",
        [("fft2(x, ", "fft2(x.mean(1, keepdim=True), ")],
        """You look at the mean of the colours: where they differ, power is lost. Each colour has a spectrum, and these are averaged.""",
        "plausible",
    ),
):
    answer("cifar.power_spectrum", name, swap=swap, says=says, source=source)

# ---- flip

for name, swap, says, source in (
    (
        "upside-down",
        [("x.flip(3)", "x.flip(2)")],
        """Some images stand on their heads. Which axis of (B, channels, height, width) runs from left to right?""",
        "plausible",
    ),
    (
        "turned",
        [("x.flip(3)", "x.flip((2, 3))")],
        """Some images are turned by half a circle: both axes were reversed.""",
        "plausible",
    ),
    (
        "one-coin",
        [("torch.rand(len(x), generator=generator, device=x.device) < 0.5", "(torch.rand(1, generator=generator, device=x.device) < 0.5).expand(len(x))")],
        """All images of a call are mirrored, or none: there is one coin for all of them.""",
        "torchvision: RandomHorizontalFlip on a batch tosses one coin for all of it",
    ),
    (
        "always",
        [("< 0.5", "< 2.0")],
        """Every image is mirrored. Half of them should stay as they are.""",
        "plausible",
    ),
    (
        "never",
        [("x.flip(3), x)", "x, x)")],
        """No image is ever mirrored.""",
        "plausible",
    ),
    (
        "every-second",
        [("torch.rand(len(x), generator=generator, device=x.device) < 0.5", "torch.arange(len(x), device=x.device) % 2 == 0")],
        """Every second image is mirrored, always the same ones: neighbours never agree, and two calls always do. Where is the chance?""",
        "plausible",
    ),
    (
        "in-place",
        [("return torch.where(heads[:, None, None, None], x.flip(3), x)", "x[heads] = x[heads].flip(3)\n    return x")],
        """The result is right, but the images that were handed in have changed too: an assignment with an index writes into the caller's tensor, here your training data.""",
        "plausible",
    ),
    (
        "deaf-to-the-generator",
        [("generator=generator, ", "")],
        """Equal generators give different results: the one that was handed in is not used.""",
        "plausible",
    ),
    (
        "rarely",
        [("< 0.5", "< 0.25")],
        """Fewer images are mirrored than should be.""",
        "plausible",
    ),
    (
        "floats",
        [("x.flip(3), x)", "x.flip(3).float(), x.float())")],
        """The type of the numbers has changed on the way: images of whole numbers come back as floats.""",
        "plausible",
    ),
    (
        "one-pattern",
        [("torch.rand(len(x), generator=generator, device=x.device)", "torch.rand(len(x), generator=generator or torch.Generator().manual_seed(0))")],
        """Two calls mirror the same rows: a seed is fixed inside.""",
        "plausible",
    ),
):
    answer("cifar.flip", name, swap=swap, says=says, source=source)

# ---- network

FULL_ATTENTION = '''
%%writefile network.py
import torch
from torch import nn


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.times = nn.Embedding(1000, 32)
        self.start, self.ask = nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(32, 96, 1)
        self.reply, self.end = nn.Conv2d(32, 32, 1), nn.Conv2d(32, 3, 3, padding=1)

    def forward(self, x, t):
        h = torch.tanh(self.start(x) + self.times(t)[:, :, None, None])
        q, k, v = self.ask(h).flatten(2).unflatten(1, (3, 4, 8)).unbind(1)
        weights = (q.transpose(2, 3) @ k / 8**0.5).softmax(-1)
        seen = (v @ weights.transpose(2, 3)).reshape(h.shape)
        return self.end(torch.tanh(h + self.reply(seen)))
'''

answer(
    "cifar.network",
    "attention-at-full-size",
    cell=FULL_ATTENTION,
    says="""Each image needs far too much memory: attention between all pixels of the full image keeps tables of 1024 x 1024 for every head. At which size would they be small?""",
    source="plausible",
)
answer(
    "cifar.network",
    "near-sighted",
    cell='''
%%writefile network.py
import torch
from torch import nn


class Network(nn.Module):
    def __init__(self):
        super().__init__()
        self.times = nn.Embedding(1000, 32)
        self.start, self.middle, self.end = nn.Conv2d(3, 32, 3, padding=1), nn.Conv2d(32, 32, 3, padding=1), nn.Conv2d(32, 3, 3, padding=1)

    def forward(self, x, t):
        h = torch.relu(self.start(x) + self.times(t)[:, :, None, None])
        return self.end(torch.relu(self.middle(h) + self.times(t)[:, :, None, None]))
''',
    says="""An output pixel knows nothing of pixels six away: each layer of 3 x 3 adds one pixel of sight to each side, and there are few of them. What could let it see farther without many more layers?""",
    source="plausible",
)
answer(
    "cifar.network",
    "called-otherwise",
    cell=FULL_ATTENTION.replace("class Network", "class MyUNet"),
    says="""The file was imported, but there is no class Network in it. The training script will look for that name.""",
    source="plausible",
)
for name, swap, says, source in (
    (
        "batch-norm",
        [("nn.GroupNorm(8, coarse)", "nn.BatchNorm2d(coarse)")],
        """In train mode what your network says about an image depends on the other images of the batch, in eval mode it does not. That is batch normalisation: rows with different noise levels share their statistics.""",
        "seen in many tutorials",
    ),
    (
        "batch-statistics",
        [("F.pixel_unshuffle(x, 2)", "F.pixel_unshuffle((x - x.mean()) / x.std(), 2)")],
        """What your network says about an image depends on the other images of the batch, in both modes. Look for a mean, a norm or a softmax that is taken over all rows.""",
        "plausible",
    ),
    (
        "first-time-for-all",
        [("(t[:, None] + 0.5)", "(t[:1, None] + 0.5)")],
        """All images of a batch are treated as if they had the t of the first one. In training every row has its own.""",
        "plausible: t is one number in most samplers",
    ),
    (
        "time-ignored",
        [('step["film"](time)', 'step["film"](torch.zeros_like(time))')],
        """Your output is the same for all t, so the network cannot know how much noise to expect. Follow t from the argument: where does it end?""",
        "plausible",
    ),
    (
        "time-only-added",
        [
            ('step["film"](time)', 'step["film"](torch.zeros_like(time))'),
            ("return F.pixel_shuffle(self.last(F.silu(h)), 2)", "return F.pixel_shuffle(self.last(F.silu(h)), 2) + time.mean(1)[:, None, None, None]"),
        ],
        """Another t adds the same to the output whatever the image is. How much noise to take away depends on both together: the time has to come in before something that is not linear.""",
        "plausible",
    ),
    (
        "time-in-tens",
        [("(t[:, None] + 0.5) / 1000", "(t[:, None] // 10 + 0.5) / 100")],
        """Neighbouring times are the same to your network: somewhere t is rounded.""",
        "plausible",
    ),
    (
        "raw-time",
        [("time = self.clock(torch.cat([angles.sin(), angles.cos()], dim=1))", "time = self.clock(t[:, None].float().expand(-1, 64)) + 0 * angles.sum()")],
        """The time drowns the image: numbers up to 999 enter the network as they are, where features are around 1.""",
        "plausible",
    ),
    (
        "table-too-short",
        [
            ("self.clock = nn.Sequential(nn.Linear(64, 64), nn.SiLU(), nn.Linear(64, 64), nn.SiLU())", "self.clock = nn.Embedding(999, 64)"),
            ("time = self.clock(torch.cat([angles.sin(), angles.cos()], dim=1))", "time = self.clock(t)"),
        ],
        """Your table of times has no row for t = 999. Times run from 0 to 999: how many are these?""",
        "plausible",
    ),
    (
        "bounded-by-tanh",
        [("return F.pixel_shuffle(self.last(F.silu(h)), 2)", "return F.pixel_shuffle(self.last(F.silu(h)), 2).tanh()")],
        """Your outputs are held inside a fixed interval, as the values of images are. At small t the velocity is nearly pure noise, and normal noise knows no bounds.""",
        "plausible: taken over from GANs and autoencoders",
    ),
    (
        "relu-at-the-end",
        [("return F.pixel_shuffle(self.last(F.silu(h)), 2)", "return F.pixel_shuffle(self.last(F.silu(h)), 2).relu()")],
        """Your outputs are never negative. What is the last operation?""",
        "plausible",
    ),
    (
        "spare-layer",
        [("nn.init.constant_(self.last.weight, 0.0)", "nn.init.constant_(self.last.weight, 0.0)\n        self.spare = nn.Linear(64, 64)")],
        """Some weights have no part in the output: they are made in __init__, and forward does not use them. Adam carries them along for nothing, and so do your checkpoints.""",
        "plausible",
    ),
    (
        "always-dropout",
        [("fine = move(self.before, ", "fine = F.dropout(move(self.before, "), ("self.stem(F.pixel_unshuffle(x, 2)))", "self.stem(F.pixel_unshuffle(x, 2))), 0.1)")],
        """In eval mode the same question gets two different answers: something random is still at work. Does it know of the mode?""",
        "torch documentation: F.dropout drops in eval mode too unless told otherwise",
    ),
    (
        "table-left-behind",
        [('self.register_buffer("waves", math.pi * torch.logspace(-1, 2, 32))', "self.waves = math.pi * torch.logspace(-1, 2, 32)")],
        """When the network moves to another device, a tensor stays behind: it is neither a parameter nor a buffer. On a GPU this is an error; here nobody would have noticed.""",
        "plausible",
    ),
    (
        "random-table-not-saved",
        [("math.pi * torch.logspace(-1, 2, 32))", "10 * torch.randn(32), persistent=False)")],
        """A copy with the same state_dict() answers differently: something that was drawn at random is not part of it. After loading a checkpoint your network would be another one.""",
        "plausible",
    ),
    (
        "layers-in-a-plain-list",
        [("nn.ModuleList([step(coarse), step(coarse)])", "[step(coarse), step(coarse)]"), ("self.norm, self.ask", "self.inside[0].requires_grad_(True)\n        self.norm, self.ask")],
        """A copy with the same state_dict() answers differently, and not all of it moves to another device: some layers are hidden in something that torch does not look into, such as a plain list. They would not be trained either.""",
        "torch documentation: ModuleList",
    ),
    (
        "layer-made-in-forward",
        [("self.stem(F.pixel_unshuffle(x, 2))", "nn.Conv2d(12, 32, 3, padding=1)(F.pixel_unshuffle(x, 2)) + 0 * self.stem(F.pixel_unshuffle(x, 2))")],
        """In every call a layer is made anew, with new random weights that nothing trains.""",
        "plausible",
    ),
    (
        "too-many-parameters",
        [("fine, coarse = 32, 96", "fine, coarse = 64, 288"), ("(12, 24)", "(12, 72)")],
        """There are more than two million parameters. Doubling the channels of a convolution multiplies its weights by four: where would fewer hurt least?""",
        "plausible",
    ),
    (
        "all-zero",
        [("nn.init.constant_(self.last.weight, 0.0)", "for parameter in self.parameters():\n            nn.init.zeros_(parameter)")],
        """The loss does not go down in 30 steps: all weights begin at zero, so every gradient but the last bias's is zero too. One layer at zero is enough to begin with the answer 0.""",
        "plausible",
    ),
    (
        "all-standard-normal",
        [("nn.init.constant_(self.last.weight, 0.0)", "for parameter in self.parameters():\n            nn.init.normal_(parameter)")],
        """The first answers are far too large: the loss begins above 10, where an answer of 0 would have a loss below 1. Look at how your layers' first weights are drawn.""",
        "plausible",
    ),
    (
        "input-changed",
        [("F.pixel_unshuffle(x, 2)", "F.pixel_unshuffle(x.mul_(0.5), 2)")],
        """After a call the images that were handed in have changed: an operation with an underscore writes into them.""",
        "plausible",
    ),
    (
        "cut-off",
        [("self.down(fine)", "self.down(fine.detach())"), ("torch.cat([fine, back], dim=1)", "torch.cat([fine.detach(), back], dim=1)")],
        """No gradient arrives at your first layers, although their weights matter to the output: something cuts the graph on the way.""",
        "plausible",
    ),
    (
        "empty-border",
        [("self.last = nn.Conv2d(fine, 12, 3, padding=1)", "self.last = nn.Conv2d(fine, 12, 3)"), ("F.pixel_shuffle(self.last(F.silu(h)), 2)", "F.pixel_shuffle(F.pad(self.last(F.silu(h)), (1, 1, 1, 1)), 2)")],
        """At the border your output is the same for all images: what a convolution without padding cut off was filled up with a constant afterwards.""",
        "plausible",
    ),
    (
        "half-size",
        [("return F.pixel_shuffle(self.last(F.silu(h)), 2)", "return self.last(F.silu(h))")],
        """Your output has another shape than the image: twelve channels of 16 x 16. What was done to the pixels at the beginning has to be undone.""",
        "plausible",
    ),
    (
        "double",
        [("return F.pixel_shuffle(self.last(F.silu(h)), 2)", "return F.pixel_shuffle(self.last(F.silu(h)), 2).double()")],
        """Your output has 8 bytes for each number. In training everything after it would work at half the speed; on some devices not at all.""",
        "plausible",
    ),
    (
        "colours-apart",
        [
            ("nn.Conv2d(12, fine, 3, padding=1)", "nn.Conv2d(4, fine, 3, padding=1)"),
            ("nn.Conv2d(fine, 12, 3, padding=1)", "nn.Conv2d(fine, 4, 3, padding=1)"),
            ("angles = (t[:, None] + 0.5)", "angles = (t.repeat_interleave(3)[:, None] + 0.5)"),
            ("F.pixel_unshuffle(x, 2)", "F.pixel_unshuffle(x.flatten(0, 1)[:, None], 2)"),
            ("return F.pixel_shuffle(self.last(F.silu(h)), 2)", "return F.pixel_shuffle(self.last(F.silu(h)), 2).view_as(x)"),
        ],
        """Red never learns of green and blue: each colour is treated as an image of its own. In photographs the three are nearly the same picture.""",
        "plausible: a network for grey images, used three times",
    ),
    (
        "needs-the-notebook",
        [("angles = (t[:, None] + 0.5) / 1000 * self.waves", "angles = angle(t).reshape(-1, 1) * self.waves")],
        """The file uses a name of the notebook that it does not define or import. It has to work for somebody who has nothing but the file.""",
        "plausible",
    ),
    (
        "left-half-only",
        [("self.stem(F.pixel_unshuffle(x, 2))", "self.stem(F.pixel_unshuffle(torch.cat([x[..., :16], x[..., :16]], dim=3), 2))")],
        """A part of the input has no influence on anything: some pixels are never looked at.""",
        "plausible: a slice that was left over from debugging",
    ),
):
    rarely = {"relu-at-the-end": ("whole",)}  # now and then a pixel is 0 whatever the image
    answer("cifar.network", name, swap=swap, says=says, source=source, varies=rarely.get(name, ()))

# ---- rate

for name, swap, says, source in (
    (
        "begins-at-zero",
        [("min(1.0, (step + 1) / warm_up)", "min(1.0, step / warm_up)")],
        """Your first rate is zero, so the first batch is wasted, and the ramp is one step late. Steps are counted from 0.""",
        "plausible",
    ),
    (
        "counted-from-zero-everywhere",
        [("min(1.0, (step + 1) / warm_up)", "min(1.0, step / warm_up)"), ("math.sqrt(hold / (step + 1))", "math.sqrt(hold / max(1, step))")],
        """Your whole curve comes one step late, and the first rate is zero, so that the first batch is wasted. Which number has the first step in the formula?""",
        "plausible",
    ),
    (
        "either-or-from-zero",
        [
            (
                "return peak * min(1.0, (step + 1) / warm_up) * min(1.0, math.sqrt(hold / (step + 1)))",
                "return peak * (step / warm_up if step < warm_up else min(1.0, math.sqrt(hold / (step + 1))))",
            )
        ],
        """Your ramp begins at zero and comes one step late, and while it lasts the rate does not fall, although `hold` may be over before the warm-up.""",
        "plausible",
    ),
    (
        "no-root",
        [("math.sqrt(hold / (step + 1))", "hold / (step + 1)")],
        """The rate falls too fast: four times as many steps should halve it.""",
        "plausible",
    ),
    (
        "root-not-limited",
        [("min(1.0, math.sqrt(hold / (step + 1)))", "math.sqrt(hold / (step + 1))")],
        """Before `hold` steps are over your rate is above its peak: the second factor has an upper limit, too.""",
        "plausible",
    ),
    (
        "ramp-not-limited",
        [("min(1.0, (step + 1) / warm_up)", "(step + 1) / warm_up")],
        """After the warm-up your rate goes on growing.""",
        "plausible",
    ),
    (
        "either-or",
        [("return peak * min(1.0, (step + 1) / warm_up) * min(1.0, math.sqrt(hold / (step + 1)))", "return peak * ((step + 1) / warm_up if step < warm_up else min(1.0, math.sqrt(hold / (step + 1))))")],
        """While it warms up your rate does not fall. If `hold` is less than the warm-up, both factors are at work at once.""",
        "plausible",
    ),
    (
        "counted-from-hold",
        [("math.sqrt(hold / (step + 1))", "math.sqrt(1 / max(1, step + 2 - hold))")],
        """As soon as the level part is over your rate drops to a fraction within a few steps. It falls with all the steps so far, not with those since then.""",
        "plausible",
    ),
    (
        "no-warm-up",
        [("min(1.0, (step + 1) / warm_up) * ", "")],
        """Your rate is at its peak from the first step on.""",
        "plausible",
    ),
    (
        "cosine",
        [("min(1.0, math.sqrt(hold / (step + 1)))", "(1.0 if step < hold else 0.5 * (1 + math.cos(math.pi * min(1.0, (step - hold) / hold))))")],
        """After the level part your rate goes to zero and stays there, as a cosine does. Here it has no end: what is it at four times `hold` steps?""",
        "plausible: the other popular schedule",
    ),
):
    answer("cifar.rate", name, swap=swap, says=says, source=source)

# ---- large_step

SUM = 'F.mse_loss(network(some, when), wanted, reduction="sum") / target.numel()'
for name, swap, says, source in (
    (
        "means-added",
        [(SUM, "F.mse_loss(network(some, when), wanted)")],
        """With several parts your loss and gradient are too large: the mean of each part is added in full. In one part all is well.""",
        "the commonest mistake of gradient accumulation",
    ),
    (
        "mean-of-means",
        [(SUM, "F.mse_loss(network(some, when), wanted) / len(x.split(part))")],
        """Equal parts are right, unequal ones are not: every part counts the same, also the last one that has fewer rows.""",
        "a bug of several training libraries, found in 2024",
    ),
    (
        "divided-by-part",
        [(SUM, 'F.mse_loss(network(some, when), wanted, reduction="sum") / wanted[0].numel() / part')],
        """The sum is divided by the size that a part may have, not by what there is: too small if the last part is not full, too large if there are several.""",
        "plausible",
    ),
    (
        "sum-over-pixels",
        [(SUM, 'F.mse_loss(network(some, when), wanted, reduction="sum") / len(x)')],
        """Your loss is a mean over rows, and a sum over colours and pixels.""",
        "plausible",
    ),
    (
        "cut-in-parts",
        [("total += loss.item()", "total += loss.item()\n        norm = nn.utils.clip_grad_norm_(network.parameters(), max_norm)"), ("    norm = nn.utils.clip_grad_norm_(network.parameters(), max_norm)\n    optimizer", "    optimizer")],
        """The gradient is cut after each part, while it is still incomplete. Only that of the whole batch has a norm that means something.""",
        "plausible",
    ),
    (
        "step-for-each-part",
        [("optimizer.zero_grad()\n    total", "total"), ("loss = F.mse", "optimizer.zero_grad()\n        loss = F.mse"),
         ("total += loss.item()\n    norm = nn.utils.clip_grad_norm_(network.parameters(), max_norm)\n    optimizer.step()", "total += loss.item()\n        norm = nn.utils.clip_grad_norm_(network.parameters(), max_norm)\n        optimizer.step()")],
        """The optimizer takes a step for each part, from weights that the part before has already moved. That is several small steps instead of a large one.""",
        "plausible",
    ),
    (
        "only-the-last-part",
        [("optimizer.zero_grad()\n    total", "total"), ("loss = F.mse", "optimizer.zero_grad()\n        loss = F.mse")],
        """The loss is right, but the step uses the gradient of the last part alone: those of the others are thrown away before they are used.""",
        "plausible",
    ),
    (
        "never-cleared",
        [("optimizer.zero_grad()\n    total", "total")],
        """Gradients that were there before still count. The first step of a new network is right, the later ones are not.""",
        "plausible",
    ),
    (
        "not-cut",
        [("nn.utils.clip_grad_norm_(network.parameters(), max_norm)", 'nn.utils.clip_grad_norm_(network.parameters(), float("inf"))')],
        """A gradient longer than max_norm is used in full length.""",
        "plausible",
    ),
    (
        "each-number-cut",
        [("norm = nn.utils.clip_grad_norm_(network.parameters(), max_norm)", 'norm = nn.utils.clip_grad_norm_(network.parameters(), float("inf"))\n    nn.utils.clip_grad_value_(network.parameters(), max_norm)')],
        """Each number of the gradient is cut by itself, which changes its direction. The whole of it should get shorter.""",
        "torch: clip_grad_value_ instead of clip_grad_norm_",
    ),
    (
        "each-parameter-cut",
        [("norm = nn.utils.clip_grad_norm_(network.parameters(), max_norm)", 'norm = nn.utils.clip_grad_norm_(network.parameters(), float("inf"))\n    for parameter in network.parameters():\n        nn.utils.clip_grad_norm_(parameter, max_norm)')],
        """Each parameter's gradient is cut to max_norm on its own. The norm is that of all of them together.""",
        "plausible",
    ),
    (
        "always-scaled",
        [("    optimizer.step()", "    for parameter in network.parameters():\n        parameter.grad *= max_norm / min(norm, max_norm)\n    optimizer.step()")],
        """Short gradients are stretched to max_norm as well. Only those that are longer are to be changed.""",
        "plausible",
    ),
    (
        "norm-after",
        [("return total, norm.item()", "return total, min(norm.item(), max_norm)")],
        """The norm that you return is never above max_norm: it is that of the gradient after it was cut. The one before tells you whether the training is in trouble.""",
        "plausible",
    ),
    (
        "norm-squared",
        [("return total, norm.item()", "return total, norm.item() ** 2")],
        """You return the square of the norm.""",
        "plausible",
    ),
    (
        "last-loss",
        [("total += loss.item()", "total = loss.item()")],
        """The step is right; the loss that you return is the last part's only.""",
        "plausible",
    ),
    (
        "all-at-once",
        [("zip(x.split(part), t.split(part), target.split(part), strict=True)", "[(x, t, target)]")],
        """The network gets all rows at once, also where it may see fewer. On a GPU this is where the memory ends.""",
        "plausible",
    ),
    (
        "rest-dropped",
        [("    total = 0.0\n", "    total = 0.0\n    full = max(part, len(x) // part * part)\n    x, t, target = x[:full], t[:full], target[:full]\n")],
        """Rows that do not fill a part are left out.""",
        "plausible",
    ),
    (
        "tensors",
        [("total += loss.item()", "total += loss.detach()"), ("return total, norm.item()", "return total, norm")],
        """The numbers are right, but they are tensors. In a list of a million losses that is a lot of memory, and a checkpoint cannot write them down.""",
        "plausible",
    ),
    (
        "loss-afterwards",
        [("    return total, norm.item()", "    with torch.no_grad():\n        total = sum(F.mse_loss(network(a, b), c, reduction='sum').item() for a, b, c in zip(x.split(part), t.split(part), target.split(part))) / target.numel()\n    return total, norm.item()")],
        """The loss that you return is the one after the step. What is asked for is the one before, and it costs nothing extra.""",
        "plausible",
    ),
):
    answer("cifar.large_step", name, swap=swap, says=says, source=source)

# ---- update_average

for name, swap, says, source in (
    (
        "no-short-memory",
        [("min(decay, (1 + step) / (10 + step))", "decay")],
        """Late updates are right, early ones hardly move the average: it remembers the untrained network from the beginning as long as it will ever remember.""",
        "the plain average of notebook 05",
    ),
    (
        "shares-swapped",
        [("mean.lerp_(parameter, 1 - keep)", "mean.lerp_(parameter, keep)")],
        """The two shares have changed places: your average follows the network almost at once.""",
        "plausible",
    ),
    (
        "larger-limit",
        [("min(decay, (1 + step) / (10 + step))", "max(decay, (1 + step) / (10 + step))")],
        """Of the two limits you take the larger. Early on the memory should be shorter than it will be, not longer.""",
        "plausible",
    ),
    (
        "no-limit",
        [("min(decay, (1 + step) / (10 + step))", "(1 + step) / (10 + step)")],
        """The memory grows without end: decay is never looked at.""",
        "plausible",
    ),
    (
        "counted-from-one",
        [("min(decay, (1 + step) / (10 + step))", "min(decay, (2 + step) / (11 + step))")],
        """Your early shares are those of one update later. The first update has step = 0.""",
        "plausible",
    ),
    (
        "counted-from-minus-one",
        [("min(decay, (1 + step) / (10 + step))", "min(decay, step / (9 + step))")],
        """At the first update your average becomes the network and forgets where it was; all early shares are those of one update before.""",
        "plausible",
    ),
    (
        "buffers-forgotten",
        [("        mine.copy_(its)", "        pass")],
        """The weights are right, but the average's buffers are still those of the beginning.""",
        "plausible",
    ),
    (
        "buffers-averaged",
        [("        mine.copy_(its)", "        mine.copy_(keep * mine + (1 - keep) * its)")],
        """The buffers are averaged, too: a count of batches becomes a mean of counts. They are to be copied.""",
        "plausible",
    ),
    (
        "wrong-one-moves",
        [("mean.lerp_(parameter, 1 - keep)", "parameter.lerp_(mean, keep)")],
        """The network moves and the average stays. Which of the two is being trained?""",
        "plausible",
    ),
    (
        "nothing-moves",
        [("mean.lerp_(parameter, 1 - keep)", "mean = keep * mean + (1 - keep) * parameter")],
        """The average's weights do not change: a new tensor gets the name of the old one, and the network never hears of it.""",
        "plausible",
    ),
    (
        "copied",
        [("mean.lerp_(parameter, 1 - keep)", "mean.copy_(parameter)")],
        """Your average is the network's last state. Nothing is averaged.""",
        "plausible",
    ),
    (
        "equal-weights",
        [("min(decay, (1 + step) / (10 + step))", "(step + 1) / (step + 2)")],
        """All moments count the same in your average, the untrained network as well. What is asked for forgets.""",
        "plausible: torch's AveragedModel does so by default",
    ),
    (
        "other-default",
        [("decay=0.999", "decay=0.9999")],
        """With the default decay the average remembers longer than it should.""",
        "plausible",
    ),
):
    answer("cifar.update_average", name, swap=swap, says=says, source=source)

# ---- held_out_loss

for name, swap, says, source in (
    (
        "train-mode",
        [("    network.eval()\n", "")],
        """The network is asked in the mode in which it came. With dropout the number would change from call to call.""",
        "plausible",
    ),
    (
        "stays-in-eval",
        [("    network.train(mode)\n", "")],
        """The losses are right, but afterwards a network that was in training is in evaluation mode. From then on dropout would be off in your training, and nobody would notice.""",
        "a classic: model.eval() in the middle of a training loop",
    ),
    (
        "always-to-train",
        [("network.train(mode)", "network.train()")],
        """Afterwards the network is in train mode, also if it was not before. It should be in whichever mode it came.""",
        "plausible",
    ),
    (
        "mean-of-means",
        [('reduction="sum").cpu()', 'reduction="mean").cpu() / len(x.split(part))'), ("return losses / x.numel()", "return losses")],
        """Equal parts are right, unequal ones are not: every part counts the same, also the last one that has fewer rows.""",
        "plausible",
    ),
    (
        "predicts-noise",
        [("velocity(some, its, time)", "its")],
        """You compare the network with the noise. It says the velocity.""",
        "plausible: taken over from a network that predicts noise",
    ),
    (
        "fresh-noise",
        [("for some, its in zip(x.split(part), noise.split(part), strict=True):", "for some in x.split(part):\n                its = torch.randn_like(some)")],
        """Your numbers change from call to call: new noise is drawn. With the noise that was handed in two moments of a training can be compared.""",
        "plausible",
    ),
    (
        "clean-input",
        [("network(noisy(some, its, time), ", "network(some, ")],
        """The network is shown clean images and told that there is noise.""",
        "plausible",
    ),
    (
        "time-as-share",
        [("torch.full((len(some),), time, device=x.device)", "torch.full((len(some),), time / 1000, device=x.device)")],
        """The network is told t / 1000. It expects the whole number.""",
        "plausible",
    ),
    (
        "one-number",
        [("return losses / x.numel()", "return losses.mean() / x.numel()")],
        """There is a single number for all times. What a network has learnt by then differs from noise level to noise level: keep them apart.""",
        "plausible",
    ),
    (
        "root",
        [("return losses / x.numel()", "return (losses / x.numel()).sqrt()")],
        """You return the root of the mean squared error.""",
        "plausible",
    ),
    (
        "with-gradients",
        [("with torch.no_grad():", "if True:")],
        """The values are right, but the result carries a graph: the maps of all layers for all images are kept until it is gone.""",
        "plausible",
    ),
    (
        "sum-over-pixels",
        [("return losses / x.numel()", "return losses / len(x)")],
        """Your losses are means over images, and sums over colours and pixels.""",
        "plausible",
    ),
    (
        "all-at-once",
        [("zip(x.split(part), noise.split(part), strict=True)", "[(x, noise)]")],
        """The network gets all images at once, also where it may see fewer.""",
        "plausible",
    ),
    (
        "sorted-times",
        [("enumerate(times)", "enumerate(sorted(times))")],
        """Your numbers come in the order of the times' size; the list had another order.""",
        "plausible",
    ),
):
    answer("cifar.held_out_loss", name, swap=swap, says=says, source=source)

# ---------------------------------------------------------------------- generators, modes, extremes

answer(
    "cifar.flip",
    "generator-copied",
    swap=[("    heads = torch.rand(", GENERATOR_COPIED + "    heads = torch.rand(")],
    says=COPIED_SAYS,
    source="plausible: made to repeat its numbers",
)
answer(
    "cifar.large_step",
    "left-in-eval-mode",
    swap=[("    optimizer.zero_grad()\n", "    network.eval()\n    optimizer.zero_grad()\n")],
    says="""Your step puts the network into eval mode, where it is trained without its dropout, and leaves it there. Which mode does a training belong to, and who
    chooses it?""",
    source="plausible: meant to make the parts agree with the whole",
)
answer(
    "cifar.held_out_loss",
    "gradients-left-off",
    swap=[("    with torch.no_grad():\n", "    torch.set_grad_enabled(False)\n    if True:\n")],
    says="""After your function gradients are switched off, for everything in the notebook that comes after it: the next training would fail. Is there a way to
    switch them off that ends by itself?""",
    source="plausible: set_grad_enabled as a command",
)
answer(
    "cifar.held_out_loss",
    "all-times-in-one-call",
    cell="""
def held_out_loss(network, x, noise, times, part=250):
    mode = network.training
    network.eval()
    losses = torch.zeros(len(times))
    with torch.no_grad():
        for some, its in zip(x.split(part), noise.split(part), strict=True):
            t = torch.tensor(times).repeat_interleave(len(some))
            some, its = some.repeat(len(times), 1, 1, 1), its.repeat(len(times), 1, 1, 1)
            error = (network(noisy(some, its, t), t) - velocity(some, its, t)).square()
            losses += error.reshape(len(times), -1).sum(1)
    network.train(mode)
    return losses / x.numel()
""",
    says="""With one time your numbers are right, with several the network is asked about more rows than `part` allows: those of all times at once. `part` is there for
    the memory, and limits the rows of a call.""",
    source="plausible: batching over the times as well",
)
answer(
    "cifar.flip",
    "exactly-half",
    cell="""
def flip(x, generator=None):
    out, chosen = x.clone(), torch.randperm(len(x), generator=generator)[: len(x) // 2]
    out[chosen] = x[chosen].flip(-1)
    return out
""",
    says="""Exactly half of the images are mirrored in every call, so what happens to one depends on the others, and an image alone is never mirrored.""",
    source="plausible",
)
answer(
    "cifar.held_out_loss",
    "noise-from-the-beginning",
    cell="""
def held_out_loss(network, x, noise, times, part=250):
    mode = network.training
    network.eval()
    losses = torch.zeros(len(times))
    with torch.no_grad():
        for k, time in enumerate(times):
            for some in x.split(part):
                its = noise[: len(some)]
                out = network(noisy(some, its, time), torch.full((len(some),), time))
                losses[k] += (out - velocity(some, its, time)).square().sum()
    network.train(mode)
    return losses / x.numel()
""",
    says="""From the second part on, the images get the noise of the first ones. Row i of the noise belongs to image i.""",
    source="plausible",
)
answer(
    "cifar.large_step",
    "cleared-afterwards",
    swap=[("    optimizer.zero_grad()\n    total", "    total"), ("    optimizer.step()\n", "    optimizer.step()\n    optimizer.zero_grad()\n")],
    says="""Gradients that were there before your step are added to its own: you clear them at its end, and trust that everybody before you did.""",
    source="plausible",
)
answer(
    "cifar.power_spectrum",
    "half-plane",
    cell="""
def power_spectrum(x):
    size = x.shape[-1]
    power = torch.fft.rfft2(x, norm="ortho").abs().square().mean((0, 1))
    length = torch.hypot(torch.fft.fftfreq(size, 1 / size)[:, None], torch.fft.rfftfreq(size, 1 / size)[None, :]).round().long()
    return torch.stack([power[length == k].mean() for k in range(size // 2 + 1)])
""",
    says="""Your means go over half of the plane. The power at a frequency and at its opposite is the same, but frequencies on the edge of the half have their
    opposite in it, and so count twice as much as the others.""",
    source="PyTorch documentation: torch.fft.rfft2",
)
answer(
    "cifar.power_spectrum",
    "shifted-the-other-way",
    cell="""
def power_spectrum(x):
    size = x.shape[-1]
    power = torch.fft.ifftshift(torch.fft.fft2(x, norm="ortho").abs().square().mean((0, 1)))
    periods = torch.arange(size) - size // 2
    length = torch.hypot(periods[:, None].float(), periods[None, :].float()).round().long()
    return torch.stack([power[length == k].mean() for k in range(size // 2 + 1)])
""",
    says="""For even N your numbers are right, for odd N all frequencies are off by one place. Two shifts bring frequency 0 to the middle, or from there to the
    corner; they are the same only for even N.""",
    source="numpy documentation: fftshift and ifftshift",
)
answer(
    "cifar.update_average",
    "real-buffers-averaged",
    swap=[("mine.copy_(its)", "mine.copy_(keep * mine + (1 - keep) * its if mine.is_floating_point() else its)")],
    like="buffers-averaged",
)
answer(
    "cifar.flip",
    "itself-if-nothing-is-mirrored",
    swap=[("    return torch.where", "    if not heads.any():\n        return x\n    return torch.where")],
    says="""When no image is mirrored, x itself comes back and not a new tensor: who changes the result then changes the data.""",
    source="plausible: an early return",
)
answer(
    "cifar.held_out_loss",
    "one-entry-per-time",
    cell="""
def held_out_loss(network, x, noise, times, part=250):
    mode = network.training
    network.eval()
    losses = {}
    with torch.no_grad():
        for time in dict.fromkeys(times):
            losses[time] = 0.0
            for some, its in zip(x.split(part), noise.split(part), strict=True):
                out = network(noisy(some, its, time), torch.full((len(some),), time))
                losses[time] += (out - velocity(some, its, time)).square().sum().item()
    network.train(mode)
    return torch.tensor(list(losses.values())) / x.numel()
""",
    says="""A time that stands twice in the list has one entry in your result. There are K times, and K numbers are asked for.""",
    source="plausible: a dictionary",
)
answer(
    "cifar.large_step",
    "first-group-only",
    swap=[("nn.utils.clip_grad_norm_(network.parameters(), max_norm)", "nn.utils.clip_grad_norm_(optimizer.param_groups[0][\"params\"], max_norm)")],
    says="""With an optimizer whose parameters are in several groups, the norm is that of the first group, and only that is cut. It is the whole network's gradient
    that counts.""",
    source="plausible",
)
answer(
    "cifar.update_average",
    "buffers-shared",
    swap=[("        mine.copy_(its)", "        mine.data = its.data")],
    says="""The average's buffers are the network's own tensors from now on, and change with them. Which assignment copies numbers, and which only a name?""",
    source="plausible",
)
