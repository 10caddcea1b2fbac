"""Known mistakes of notebook 06."""

# ------------------------------------------------------------------------------------------------------------- the times

TIMES = "[round(k * T / n) - 1 for k in range(n, 0, -1)]"
answer(
    "ddim.timesteps",
    "leading",
    swap=[(f"torch.tensor({TIMES})", "torch.arange(0, T, T // n).flip(0)")],
    says="""Your times begin at 0 and never reach T - 1: these are those of the DDIM paper's code. Pure noise belongs to the noisiest level, so the first step has to
    be taken there.""",
    source="Song et al. 2021's code; Lin et al. 2023, section 3.3",
)
answer(
    "ddim.timesteps",
    "leading-n-of-them",
    swap=[(f"torch.tensor({TIMES})", "torch.arange(n).flip(0) * (T // n)")],
    says="""Your times count up from 0 in equal strides and stop before T - 1. Many libraries space them like this, but then the noisiest level is never visited, and pure noise
    is handed to a network as if it were less noisy. Which time has to come first?""",
    source="diffusers' timestep_spacing = leading; Lin et al. 2023, section 3.3",
)
answer(
    "ddim.timesteps",
    "leading-plus-one",
    swap=[(f"torch.tensor({TIMES})", "torch.arange(0, T, T // n).flip(0) + 1")],
    says="""Your times are 1 and then every so many: the shift by one comes from code that counts from 1 to T. Here the noisiest level is T - 1, and it has to be there.""",
    source="Song et al. 2021's code, seq_next; diffusers' steps_offset = 1",
)
answer(
    "ddim.timesteps",
    "both-ends",
    swap=[(f"torch.tensor({TIMES})", "torch.linspace(T - 1, 0, n).round().long()")],
    says="""Your times go from T - 1 to 0, both included. Below the lowest chosen time there is one more step, to the data: with 0 among the times that step is tiny and the
    others are longer than they should be. Look at the formula for k = 1.""",
    source="Lin et al. 2023, table 2: linspace",
)
answer(
    "ddim.timesteps",
    "rising",
    swap=[("range(n, 0, -1)", "range(1, n + 1)")],
    says="""The right times, in the wrong order: sampling begins at the noisiest one.""",
    source="plausible",
)
answer(
    "ddim.timesteps",
    "floats",
    swap=[(f"torch.tensor({TIMES})", f"torch.tensor({TIMES}, dtype=torch.float32)")],
    says="""Your times are floating-point numbers. The network and the table are looked up with them, so they have to be whole numbers.""",
    source="plausible: linspace without a conversion",
)
answer(
    "ddim.timesteps",
    "from-one",
    swap=[("round(k * T / n) - 1", "round(k * T / n)")],
    says="""Each of your times is too large by one: the first is T, which no table has. Here t begins with 0.""",
    source="index conventions of notebook 04",
)
answer(
    "ddim.timesteps",
    "fixed-stride",
    swap=[("round(k * T / n) - 1", "T - 1 - (n - k) * (T // n)")],
    says="""Your steps all have the same length, T / n rounded down. Where n does not divide T the rest piles up at the end: the last step, to the data, becomes far too long.""",
    source="plausible",
)
answer(
    "ddim.timesteps",
    "rounded-down",
    swap=[("round(k * T / n) - 1", "k * T // n - 1")],
    says="""Your times fit where n divides T, and some are too small by one elsewhere. To which whole number is k T / n brought: the nearest, or the next one below?""",
    source="plausible",
)
answer(
    "ddim.timesteps",
    "rounded-up",
    swap=[("round(k * T / n) - 1", "-(-k * T // n) - 1")],
    says="""Your times fit where n divides T, and some are too large by one elsewhere. To which whole number is k T / n brought: the nearest, or the next one above?""",
    source="plausible",
)
answer(
    "ddim.timesteps",
    "quadratic",
    swap=[("round(k * T / n) - 1", "round(T * (k / n) ** 2) - 1")],
    says="""Your times lie closer together near the data than near the noise. That is the paper's quadratic choice, which it uses for CIFAR-10; here they are to be even.""",
    source="Song et al. 2021, appendix D.2",
)
answer(
    "ddim.timesteps",
    "data-included",
    swap=[("range(n, 0, -1)", "range(n, -1, -1)")],
    says="""You have one time too many: -1, which stands for the data. No network is asked there; the sampler knows by itself where its last step ends.""",
    source="plausible",
)
answer(
    "ddim.timesteps",
    "one-missing",
    swap=[("range(n, 0, -1)", "range(n, 1, -1)")],
    says="""One time is missing at the lower end.""",
    source="plausible: the end of a range",
)
answer(
    "ddim.timesteps",
    "never-refuses",
    swap=[("    if not 1 <= n <= T:\n        raise ValueError(f\"{n} of {T} times cannot be chosen\")\n", "")],
    says="""The times are right. But more times than there are, or none at all, are handed out without a word: the docstring says what should happen.""",
    source="plausible",
)
# ------------------------------------------------------------------------------------------------------------- sigma

SIGMA = "torch.sqrt((1 - alpha_bar_prev) / (1 - alpha_bar_t) * (1 - alpha_bar_t / alpha_bar_prev))"
answer(
    "ddim.sigma",
    "variance",
    swap=[(f"eta * {SIGMA}", "eta**2 * (1 - alpha_bar_prev) / (1 - alpha_bar_t) * (1 - alpha_bar_t / alpha_bar_prev)")],
    says="""Your numbers are the squares of the right ones: the variance of the noise. The standard deviation is asked for.""",
    source="handout P's erratum: variance and standard deviation exchanged",
)
answer(
    "ddim.sigma",
    "no-root",
    swap=[(f"eta * {SIGMA}", "eta * (1 - alpha_bar_prev) / (1 - alpha_bar_t) * (1 - alpha_bar_t / alpha_bar_prev)")],
    says="""For η = 1 your numbers are the squares of the right ones, and for other η they are η times that. Eq. 16 has two roots.""",
    source="plausible",
)
answer(
    "ddim.sigma",
    "levels-swapped",
    swap=[("(1 - alpha_bar_prev) / (1 - alpha_bar_t)", "(1 - alpha_bar_t) / (1 - alpha_bar_prev)")],
    says="""Your noise grows where it should shrink, and in the step to the data it has no limit. In the first root the two levels have changed places: the noise that is left over stands
    above the line.""",
    source="plausible",
)
answer(
    "ddim.sigma",
    "ratio-turned",
    swap=[("1 - alpha_bar_t / alpha_bar_prev", "1 - alpha_bar_prev / alpha_bar_t")],
    says="""There is a root of a negative number: of the two levels, the one nearer to the data is the larger one. Which ratio of them is below 1?""",
    source="plausible",
)
answer(
    "ddim.sigma",
    "ratio-turned-and-hidden",
    swap=[("(1 - alpha_bar_t / alpha_bar_prev)", "(alpha_bar_prev / alpha_bar_t - 1)")],
    says="""Your second factor is the ratio of the levels, minus 1, turned round to make it positive. That is more noise than it should be; what is 1 minus the smaller ratio?""",
    source="plausible",
)
answer(
    "ddim.sigma",
    "eta-squared",
    swap=[("eta * torch", "eta**2 * torch")],
    says="""For η = 0 and 1 your numbers are right, in between they are too small. How does η enter the standard deviation, and how the variance?""",
    source="plausible",
)
answer(
    "ddim.sigma",
    "eta-in-the-root",
    swap=[("eta * torch.sqrt((1", "torch.sqrt(eta * (1")],
    says="""For η = 0 and 1 your numbers are right, in between they are too large. η multiplies the standard deviation, not the variance.""",
    source="plausible",
)
answer(
    "ddim.sigma",
    "eta-ignored",
    swap=[("eta * torch", "torch")],
    says="""Your numbers are those for η = 1, whatever η is.""",
    source="plausible",
)
answer(
    "ddim.sigma",
    "beta",
    swap=[("(1 - alpha_bar_prev) / (1 - alpha_bar_t) * (1", "(1")],
    says="""With η = 1 your noise has the variance beta, not that of the posterior, and it does not vanish in the step to the data. A factor of eq. 16 is missing.""",
    source="Ho et al. 2020's beta against beta tilde; Song et al. 2021, sigma hat",
)
answer(
    "ddim.sigma",
    "first-root-only",
    swap=[(" * (1 - alpha_bar_t / alpha_bar_prev)", "")],
    says="""Your σ has one of the two roots of eq. 16 only. It stays near 1 between neighbouring levels, where hardly any noise should come in.""",
    source="plausible",
)
answer(
    "ddim.sigma",
    "all-fresh",
    swap=[(SIGMA, "torch.sqrt(1 - alpha_bar_prev)")],
    says="""Your σ is the whole noise of the earlier level. Then none of the old noise is kept; eq. 16 keeps a part.""",
    source="Bansal et al. 2022, Algorithm 1",
)
answer(
    "ddim.sigma",
    "root-of-the-ratio",
    swap=[("alpha_bar_t / alpha_bar_prev", "(alpha_bar_t / alpha_bar_prev).sqrt()")],
    says="""Your noise is too small. The levels are shares of the variance already; no root is taken of their ratio before it is subtracted from 1.""",
    source="plausible: the paper's alpha is everybody else's alpha bar",
)
answer(
    "ddim.sigma",
    "levels-squared",
    swap=[(SIGMA, "torch.sqrt((1 - alpha_bar_prev**2) / (1 - alpha_bar_t**2) * (1 - (alpha_bar_t / alpha_bar_prev) ** 2))")],
    says="""You square the levels, as if they were the amplitudes of the signal. They are its shares of the variance already.""",
    source="plausible: alpha of notebook 03 against alpha bar",
)
answer(
    "ddim.sigma",
    "difference",
    swap=[("(1 - alpha_bar_t / alpha_bar_prev)", "(alpha_bar_prev - alpha_bar_t)")],
    says="""Your second factor is the difference of the two levels. On the way from one level to the next signal is *multiplied* by something: which?""",
    source="plausible",
)

# ------------------------------------------------------------------------------------------------------------- one step

SPREAD = "(1 - alpha_bar_prev - sigma**2).sqrt() * eps"
OWN = "torch.randn_like(x_t) if noise is None else noise"
X0 = "(x_t - (1 - alpha_bar_t).sqrt() * eps) / alpha_bar_t.sqrt()"
DRAWN = ("ddim_sigma(eta, alpha_bar_t, alpha_bar_prev) if eta > 0 else torch.zeros(())", "ddim_sigma(eta, alpha_bar_t, alpha_bar_prev)")
answer(
    "ddim.step",
    "direction-too-long",
    swap=[("(1 - alpha_bar_prev - sigma**2).sqrt()", "(1 - alpha_bar_prev).sqrt()")],
    says="""Without fresh noise your step is right; with it there is too much noise in all. Old and fresh noise share the variance of the earlier level: what the fresh one takes, the
    old one does not have.""",
    source="plausible: eq. 12 for σ = 0, with noise added",
)
answer(
    "ddim.step",
    "sigma-not-squared",
    swap=[("alpha_bar_prev - sigma**2)", "alpha_bar_prev - sigma)")],
    says="""Without fresh noise your step is right. With it, a standard deviation is subtracted from a variance.""",
    source="plausible",
)
answer(
    "ddim.step",
    "direction-at-t",
    swap=[("(1 - alpha_bar_prev - sigma**2).sqrt()", "(1 - alpha_bar_t - sigma**2).sqrt()")],
    says="""The direction has the size of the noise at the level that you leave. How much noise does the level have that you go to?""",
    source="plausible",
)
answer(
    "ddim.step",
    "no-direction",
    swap=[(f"{SPREAD} + sigma * noise", "(1 - alpha_bar_prev).sqrt() * noise")],
    says="""Your step makes the picture and then noises it afresh: the noise that the network found is thrown away, also where η = 0 and nothing should be random.""",
    source="Bansal et al. 2022, Algorithm 1",
)
answer(
    "ddim.step",
    "ddpm-mean",
    swap=[(f"alpha_bar_prev.sqrt() * x0 + {SPREAD} + sigma * noise",
           "(alpha_bar_prev.sqrt() * (1 - alpha_bar_t / alpha_bar_prev) * x0 + (alpha_bar_t / alpha_bar_prev).sqrt() * (1 - alpha_bar_prev) * x_t) / (1 - alpha_bar_t) + sigma * noise")],
    says="""With η = 1 your step is right, with less it is the mean of DDPM's posterior with smaller noise, which loses variance. In DDIM the old noise takes over what the fresh one
    leaves.""",
    source="handout P calls the mean-only sampler DDIM",
)
answer(
    "ddim.step",
    "clipped",
    swap=[(X0, f"({X0}).clamp(-1, 1)")],
    says="""The predicted x_0 is cut to [-1, 1]. Notebook 05 did that; here nothing is cut, so that picture and noise still add up to x_t.""",
    source="Ho et al. 2020's code; diffusers' clip_sample = True",
)
answer(
    "ddim.step",
    "not-divided",
    swap=[(X0, "x_t - (1 - alpha_bar_t).sqrt() * eps")],
    says="""Your picture is too faint: what is left of x_t without its noise is x_0 in the size that it has at this level.""",
    source="plausible",
)
answer(
    "ddim.step",
    "noise-variance",
    swap=[("(1 - alpha_bar_t).sqrt() * eps", "(1 - alpha_bar_t) * eps")],
    says="""You take too little noise out of x_t: its factor is a standard deviation, and yours is a variance.""",
    source="handout P's erratum: the variance written as coefficient of the noise",
)
answer(
    "ddim.step",
    "divided-by-alpha-bar",
    swap=[("/ alpha_bar_t.sqrt()", "/ alpha_bar_t")],
    says="""Your x_0 is too large: by which factor was it made smaller on the way to x_t?""",
    source="plausible",
)
answer(
    "ddim.step",
    "picture-without-root",
    swap=[("alpha_bar_prev.sqrt() * x0", "alpha_bar_prev * x0")],
    says="""The picture enters with a share of the variance where its amplitude belongs.""",
    source="plausible",
)
answer(
    "ddim.step",
    "picture-full-size",
    swap=[("alpha_bar_prev.sqrt() * x0", "x0")],
    says="""The picture enters at full size, as if the level that you go to had nothing but signal.""",
    source="plausible",
)
answer(
    "ddim.step",
    "picture-at-t",
    swap=[("alpha_bar_prev.sqrt() * x0", "alpha_bar_t.sqrt() * x0")],
    says="""The picture has the size of the level that you leave. Which size does it have where you go to?""",
    source="plausible",
)
answer(
    "ddim.step",
    "no-fresh-noise",
    swap=[(" + sigma * noise", "")],
    says="""The old noise makes room for the fresh one, but the fresh one never comes: with η > 0 your samples have too little noise.""",
    source="plausible",
)
answer(
    "ddim.step",
    "noise-by-variance",
    swap=[("+ sigma * noise", "+ sigma**2 * noise")],
    says="""The fresh noise is multiplied with its variance, which makes it too small.""",
    source="handout P's erratum: the sampling noise scaled by the variance",
)
answer(
    "ddim.step",
    "eta-ignored",
    swap=[("ddim_sigma(eta, alpha_bar_t, alpha_bar_prev) if eta > 0 else torch.zeros(())", "torch.zeros(())")],
    says="""Your step is that of η = 0, whatever η is.""",
    source="plausible",
)
answer(
    "ddim.step",
    "eta-is-sigma",
    swap=[(DRAWN[0], "min(float(eta), 0.999 * float((1 - alpha_bar_prev).sqrt()))")],
    says="""Your fresh noise has the standard deviation η (or as much as there is room for). η is a share of DDPM's noise, which depends on the two levels: you have a function for that.""",
    source="plausible",
)
answer(
    "ddim.step",
    "zero-times-nan",
    swap=[DRAWN],
    says="""Down to the data your step is right. Upwards, where η is 0, it gives no numbers: eq. 16 divides by zero or takes the root of a negative number there, and zero times
    that is not zero.""",
    source="0 * NaN in floating-point numbers",
)
answer(
    "ddim.step",
    "sigma-levels-swapped",
    swap=[("ddim_sigma(eta, alpha_bar_t, alpha_bar_prev)", "ddim_sigma(eta, alpha_bar_prev, alpha_bar_t)")],
    says="""Without fresh noise your step is right. With it there are no numbers: in which order does your function take the two levels?""",
    source="plausible",
)
answer(
    "ddim.step",
    "given-noise-ignored",
    swap=[(OWN, "torch.randn_like(x_t)")],
    says="""The noise that is handed in is not used: you always draw your own.""",
    source="plausible",
)
answer(
    "ddim.step",
    "old-noise-again",
    swap=[("+ sigma * noise", "+ sigma * eps")],
    says="""The network's noise is used a second time in the place of fresh noise. So nothing is random, and what should be independent adds up.""",
    source="plausible",
)
answer(
    "ddim.step",
    "shared-by-rows",
    swap=[("torch.randn_like(x_t)", "torch.randn_like(x_t[:1])")],
    says="""All rows get the same fresh noise. Every row needs its own.""",
    source="plausible",
)
answer(
    "ddim.step",
    "shared-in-a-row",
    swap=[("torch.randn_like(x_t)", "torch.randn_like(x_t[..., :1])")],
    says="""The numbers of a row share their fresh noise. Every number needs its own.""",
    source="plausible",
)
answer(
    "ddim.step",
    "uniform",
    swap=[("torch.randn_like(x_t)", "torch.rand_like(x_t)")],
    says="""Your fresh noise is never negative: it is uniform. Look at which of PyTorch's random functions draws what.""",
    source="plausible",
)
answer(
    "ddim.step",
    "uniform-scaled",
    swap=[("torch.randn_like(x_t)", "(torch.rand_like(x_t) - 0.5) * 12**0.5")],
    says="""Your fresh noise has the right mean and variance, but it is uniform: nothing is ever far out.""",
    source="plausible",
)
answer(
    "ddim.step",
    "seeded",
    swap=[("    noise = torch", "    torch.manual_seed(0)\n    noise = torch")],
    says="""Your fresh noise is the same in each call: a seed is set inside the function. Seeds belong where a function is called.""",
    source="plausible",
)
answer(
    "ddim.step",
    "direction-is-x",
    swap=[("sigma**2).sqrt() * eps", "sigma**2).sqrt() * x_t")],
    says="""The direction is x_t itself. It should be the noise in it: the signal has its own term.""",
    source="\"direction pointing to x_t\", Song et al. 2021, eq. 12, taken by its name",
)
answer(
    "ddim.step",
    "in-place",
    swap=[(X0, "x_t.sub_((1 - alpha_bar_t).sqrt() * eps) / alpha_bar_t.sqrt()")],
    says="""The numbers of the step are right, but x_t itself is changed by it. Whoever called the function still wants to use it.""",
    source="plausible: operations that end in an underscore",
)
answer(
    "ddim.step",
    "result-clipped",
    swap=[(f"alpha_bar_prev.sqrt() * x0 + {SPREAD} + sigma * noise", f"(alpha_bar_prev.sqrt() * x0 + {SPREAD} + sigma * noise).clamp(-1, 1)")],
    says="""The result of the step is cut to [-1, 1]. On the way there is noise in it, which does leave this range; and here nothing is cut.""",
    source="plausible",
)

# ------------------------------------------------------------------------------------------------------------- the sampler

LOOP = "        x = ddim_step(x, model(x, t.expand(len(x))), here, there, eta)\n"
START = "torch.randn(shape) if x_T is None else x_T"
LEVELS = "F.pad(model.alpha_bar[times], (0, 1), value=1.0)"
answer(
    "ddim.sample",
    "neighbour-is-t-minus-1",
    swap=[(LOOP, LOOP.replace("there", "model.alpha_bar[t - 1] if t > 0 else torch.ones(())"))],
    says="""With all T levels your samples are right, with fewer they stay noisy: each step goes down by a single level, and then the next one pretends to be far below. Which level
    comes after t among the chosen ones?""",
    source="the most common mistake with skipped steps",
)
answer(
    "ddim.sample",
    "starts-one-too-late",
    swap=[(LOOP, LOOP.replace("here", "model.alpha_bar[t - 1]"))],
    says="""The network is asked at t, but the step is made as if x were at the level below. Which entry of the table belongs to t?""",
    source="index conventions of notebook 04",
)
answer(
    "ddim.sample",
    "network-one-early",
    swap=[("model(x, t.expand(len(x)))", "model(x, t.expand(len(x)) - 1)")],
    says="""The levels are right, but the network is told t - 1. Here t begins with 0 for it, too.""",
    source="index conventions",
)
answer(
    "ddim.sample",
    "network-one-late",
    swap=[("model(x, t.expand(len(x)))", "model(x, t.expand(len(x)) + 1)")],
    says="""The levels are right, but the network is told t + 1. Here t begins with 0 for it, too.""",
    source="index conventions",
)
answer(
    "ddim.sample",
    "network-at-the-next-time",
    swap=[(LOOP, LOOP.replace("t.expand(len(x))", "later[int(t)].expand(len(x))")), ("    visited = [x]\n", "    later = {int(t): after for t, after in zip(times, [*times[1:], times[-1]], strict=True)}\n    visited = [x]\n")],
    says="""The network is asked about the time that the step leads to. It has to be told the time at which x is.""",
    source="plausible",
)
answer(
    "ddim.sample",
    "network-counts-steps",
    swap=[(LOOP, LOOP.replace("t.expand(len(x))", "torch.full((len(x),), n_steps - len(visited))"))],
    says="""The network is told the number of the step. It knows the T levels that it was trained on, whichever of them you visit.""",
    source="Nichol and Dhariwal 2021's respacing, without the map back to old times",
)
answer(
    "ddim.sample",
    "last-step-missing",
    swap=[("zip(times, levels[:-1], levels[1:], strict=True)", "zip(times[:-1], levels[:-2], levels[1:-1], strict=True)")],
    says="""You stop at the lowest chosen time, where there is still noise in x. One step is missing, to the data.""",
    source="plausible: pairs of neighbours, one fewer than there are times",
)
answer(
    "ddim.sample",
    "ends-at-the-first-level",
    swap=[(LEVELS, "torch.cat([model.alpha_bar[times], model.alpha_bar[:1]])")],
    says="""The last step ends at the first entry of the table, which is a level with a little noise. Data have no noise at all: what is their share of signal?""",
    source="diffusers' set_alpha_to_one = False",
)
answer(
    "ddim.sample",
    "extra-step",
    swap=[("    visited = [x]\n", "    times, levels = F.pad(times, (0, 1)), torch.cat([levels[:-1], model.alpha_bar[:1], levels[-1:]])\n    visited = [x]\n")],
    says="""There is one step too many: from the lowest chosen time to t = 0 and only then to the data. The last step leads straight from the lowest chosen time to the data.""",
    source="plausible",
)
answer(
    "ddim.sample",
    "upwards",
    swap=[("ddim_timesteps(len(model.alpha_bar), n_steps)", "ddim_timesteps(len(model.alpha_bar), n_steps).flip(0)")],
    says="""You begin at the lowest time. The start is pure noise: at which time is that?""",
    source="plausible",
)
answer(
    "ddim.sample",
    "all-steps",
    swap=[("ddim_timesteps(len(model.alpha_bar), n_steps)", "ddim_timesteps(len(model.alpha_bar), len(model.alpha_bar))")],
    says="""All T levels are visited, however many steps are asked for.""",
    source="plausible",
)
answer(
    "ddim.sample",
    "eta-lost",
    swap=[("here, there, eta)", "here, there)")],
    says="""Nothing is random after the start, even with η > 0: the argument gets lost on the way to the steps.""",
    source="plausible",
)
answer(
    "ddim.sample",
    "always-ddpm",
    swap=[("here, there, eta)", "here, there, 1.0)")],
    says="""Every step has the noise of η = 1, whatever η is.""",
    source="plausible",
)
answer(
    "ddim.sample",
    "noise-in-the-first-step-only",
    swap=[("here, there, eta)", "here, there, eta if len(visited) == 1 else 0.0)")],
    says="""Only the first step has fresh noise.""",
    source="plausible",
)
answer(
    "ddim.sample",
    "start-ignored",
    swap=[(START, "torch.randn(shape)")],
    says="""The start that is handed in is not used: your samples begin somewhere else each time.""",
    source="plausible",
)
answer(
    "ddim.sample",
    "start-uniform",
    swap=[("torch.randn(shape)", "torch.rand(shape)")],
    says="""Your samples begin at uniform numbers between 0 and 1. Which law do data have at t = T - 1?""",
    source="plausible",
)
answer(
    "ddim.sample",
    "start-at-zero",
    swap=[("torch.randn(shape)", "torch.zeros(shape)")],
    says="""All your samples begin at 0, so with η = 0 they are all the same.""",
    source="plausible",
)
answer(
    "ddim.sample",
    "start-shared",
    swap=[("torch.randn(shape)", "torch.randn(shape[1:]).expand(shape)")],
    says="""All rows begin at the same noise. Every sample needs its own start.""",
    source="plausible",
)
answer(
    "ddim.sample",
    "start-at-its-level",
    swap=[("torch.randn(shape)", "(1 - model.alpha_bar[-1]).sqrt() * torch.randn(shape)")],
    says="""Your start is a little too small: it is only the noise part of x at t = T - 1. The start stands for all of x there, signal and noise together, and that has variance 1.""",
    source="plausible",
)
answer(
    "ddim.sample",
    "seeded",
    swap=[("    x = torch", "    torch.manual_seed(0)\n    x = torch")],
    says="""Two calls give the same samples: a seed is set inside the function. Seeds belong where a function is called.""",
    source="plausible",
)
answer(
    "ddim.sample",
    "one-noise-for-all-steps",
    swap=[(LOOP, LOOP.replace("there, eta)", "there, eta, fresh)")), ("    visited = [x]\n", "    visited, fresh = [x], torch.randn(shape)\n")],
    says="""The fresh noise is drawn once and used in every step. Single numbers look right, but the steps are not independent, and the errors add up.""",
    source="plausible",
)
answer(
    "ddim.sample",
    "start-as-noise",
    swap=[(LOOP, LOOP.replace("there, eta)", "there, eta, visited[0])"))],
    says="""The start is used as the fresh noise of the steps, too. What comes in has to be independent of what was there before.""",
    source="plausible",
)
answer(
    "ddim.sample",
    "times-as-floats",
    swap=[("t.expand(len(x))", "t.expand(len(x)).float()")],
    says="""The network is given times that are floating-point numbers. It looks them up in a table: whole numbers are needed.""",
    source="plausible",
)
answer(
    "ddim.sample",
    "share-of-the-way",
    swap=[("t.expand(len(x))", "t.expand(len(x)) / len(model.alpha_bar)")],
    says="""The network is given t / T. It wants whole numbers; what it makes of them is its own business.""",
    source="notebook 02's FcNetwork; handout D",
)
answer(
    "ddim.sample",
    "one-time-not-a-batch",
    swap=[("t.expand(len(x))", "t")],
    says="""The network is given a single time. It takes one for each row of the batch.""",
    source="plausible",
)
answer(
    "ddim.sample",
    "asked-twice",
    swap=[(LOOP, "        x0 = (x - (1 - here).sqrt() * model(x, t.expand(len(x)))) / here.sqrt()\n        sigma = ddim_sigma(eta, here, there) if eta > 0 else torch.zeros(())\n"
           "        x = there.sqrt() * x0 + (1 - there - sigma**2).sqrt() * model(x, t.expand(len(x))) + sigma * torch.randn_like(x)\n")],
    says="""The samples are right, but the network is asked twice in each step, once for x_0 and once for the direction, with the same question. Calls are all that DDIM is about: ask once and
    keep the answer.""",
    source="plausible",
)
answer(
    "ddim.sample",
    "asked-in-parts",
    swap=[("model(x, t.expand(len(x)))", "torch.cat([model(part, t.expand(len(part))) for part in x.split(-(-len(x) // 2))])")],
    says="""The network is asked several times in a step, about a part of the batch each time. It takes the whole batch in one call, which is faster.""",
    source="plausible",
)
answer(
    "ddim.sample",
    "asked-about-the-start",
    swap=[("model(x, t", "model(visited[0], t")],
    says="""In every step the network is asked about the start. It has to see where x is now.""",
    source="plausible",
)
answer(
    "ddim.sample",
    "asked-only-once",
    swap=[(LOOP, LOOP.replace("model(x, t.expand(len(x)))", "eps")), ("    visited = [x]\n", "    visited, eps = [x], model(x, times[0].expand(len(x)))\n")],
    says="""The network is asked only in the first step, and its answer serves for all others. What it sees changes as the picture comes out.""",
    source="plausible",
)
answer(
    "ddim.sample",
    "clipped-between",
    swap=[(LOOP, LOOP.rstrip("\n") + ".clamp(-1, 1)\n")],
    says="""x is cut to [-1, 1] after every step. There is noise in it, which does leave this range.""",
    source="plausible",
)
answer(
    "ddim.sample",
    "clipped-at-the-end",
    swap=[("torch.stack(visited) if path else x", "torch.stack(visited) if path else x.clamp(-1, 1)")],
    says="""The samples are cut to [-1, 1]. The sampler itself cuts nothing: it also serves data that are no pictures.""",
    source="plausible",
)
answer(
    "ddim.sample",
    "clipped-at-the-end-of-the-path-too",
    swap=[("    return torch.stack(visited) if path else x", "    visited[-1] = x = x.clamp(-1, 1)\n    return torch.stack(visited) if path else x")],
    says="""The samples are cut to [-1, 1], at the end of the path as well. The sampler itself cuts nothing: it also serves data that are no pictures.""",
    source="plausible",
)
answer(
    "ddim.sample",
    "picture-clipped",
    swap=[(LOOP, "        eps = model(x, t.expand(len(x)))\n        picture = ((x - (1 - here).sqrt() * eps) / here.sqrt()).clamp(-1, 1)\n"
                 "        x = ddim_step(x, (x - here.sqrt() * picture) / (1 - here).sqrt(), here, there, eta)\n")],
    says="""In every step the predicted picture is cut to [-1, 1]. Notebook 05 did that; this sampler cuts nothing, since it also serves data that are no pictures.""",
    source="clip_sample = True of diffusers, clip_denoised of the paper's code",
)
answer(
    "ddim.sample",
    "picture-clipped-noise-kept",
    swap=[(LOOP, "        eps = model(x, t.expand(len(x)))\n        picture = (x - (1 - here).sqrt() * eps) / here.sqrt()\n"
                 "        x = ddim_step(x, eps, here, there, eta) + there.sqrt() * (picture.clamp(-1, 1) - picture)\n")],
    says="""In every step the predicted picture is cut to [-1, 1], while the noise stays as predicted. Nothing is to be cut here: picture and noise have to add up to the x that you
    have, and the sampler also serves data that are no pictures.""",
    source="plausible",
)
answer(
    "ddim.sample",
    "wraps-around",
    swap=[(LEVELS, "torch.cat([model.alpha_bar[times], model.alpha_bar[-1:]])")],
    says="""Your last step does not lead to the data but up again to the noisiest level. What does the table give at the index -1, and what is the level of data without any noise?""",
    source="plausible: alpha_bar[-1] for the level before the first",
)
answer(
    "ddim.sample",
    "path-without-start",
    swap=[("    visited = [x]\n", "    visited = []\n")],
    says="""The samples are right; the path lacks the start.""",
    source="plausible",
)
answer(
    "ddim.sample",
    "path-reversed",
    swap=[("torch.stack(visited)", "torch.stack(visited[::-1])")],
    says="""The samples are right; the path runs from the samples to the start.""",
    source="plausible",
)
answer(
    "ddim.sample",
    "noise-at-the-end",
    swap=[("    return torch.stack(visited) if path else x", "    x = x + eta * (1 - model.alpha_bar[times[-1]]).sqrt() * torch.randn(shape)\n    return torch.stack(visited) if path else x")],
    says="""Even the finished samples get noise when η > 0. The last step adds none.""",
    source="Ho et al. 2020, Algorithm 2, line 3",
)
answer(
    "ddim.sample",
    "levels-are-roots",
    swap=[(LEVELS, "F.pad(model.alpha_bar[times], (0, 1), value=1.0).sqrt()")],
    says="""You hand roots of the levels to the step, which takes the roots itself.""",
    source="plausible",
)

# ------------------------------------------------------------------------------------------------------------- the way back

UP = "ddim_step(x, model(x_t, t.expand(len(x))), below, model.alpha_bar[t])"
answer(
    "ddim.invert",
    "downwards",
    swap=[(".flip(0)", "")],
    says="""You begin with the noisiest time. The way up begins at the data, with the lowest time.""",
    source="plausible",
)
answer(
    "ddim.invert",
    "sampled-again",
    swap=[("below, model.alpha_bar[t])", "model.alpha_bar[t], below)")],
    says="""Your steps lead down: the levels stand in the order of sampling. On the way up, which one do you leave and which one do you go to?""",
    source="plausible",
)
answer(
    "ddim.invert",
    "asked-at-the-level-below",
    swap=[("    below = torch.ones(())\n", "    below, asked = torch.ones(()), None\n"), ("        x_t = x\n", "        x_t, asked = x, t if asked is None else asked\n"),
          (UP, UP.replace("t.expand", "asked.expand")), ("        x, below = x_t, model.alpha_bar[t]\n", "        x, below, asked = x_t, model.alpha_bar[t], t\n")],
    says="""The network is asked at the time below, where x comes from. That is another way to invert; here it is asked at the time of the step that is undone, as ddim_sample asked it.""",
    source="Dhariwal and Nichol 2021's code, ddim_reverse_sample",
)
answer(
    "ddim.invert",
    "asked-at-the-level-below-from-zero",
    swap=[("    below = torch.ones(())\n", "    below, asked = torch.ones(()), torch.tensor(0)\n"),
          (UP, UP.replace("t.expand", "asked.expand")), ("        x, below = x_t, model.alpha_bar[t]\n", "        x, below, asked = x_t, model.alpha_bar[t], t\n")],
    says="""The network is asked at the time below, where x comes from, and in the first step at 0. That is another way to invert; here it is asked at the time of the step that is
    undone, as ddim_sample asked it.""",
    source="Dhariwal and Nichol 2021's code, ddim_reverse_sample",
)
answer(
    "ddim.invert",
    "asked-one-step-above",
    swap=[("    for t in ddim_timesteps(len(model.alpha_bar), n_steps).flip(0):\n",
           "    times = ddim_timesteps(len(model.alpha_bar), n_steps).flip(0)\n    for t, asked in zip(times, [*times[1:], times[-1]]):\n"),
          (UP, UP.replace("t.expand", "asked.expand"))],
    says="""The levels are right, but the network is asked about one chosen time too high. Which time does the docstring name for the step up to t?""",
    source="plausible",
)
answer(
    "ddim.invert",
    "data-is-the-lowest-level",
    swap=[("    below = torch.ones(())\n    for t in ddim_timesteps(len(model.alpha_bar), n_steps).flip(0):\n",
           "    times = ddim_timesteps(len(model.alpha_bar), n_steps).flip(0)\n    below = model.alpha_bar[times[0]]\n    for t in times[1:]:\n")],
    says="""You take the data for something that is at the lowest chosen time already, and so one step is missing: the one from the data up to that time.""",
    source="Dhariwal and Nichol 2021's code, ddim_reverse_sample, starts at t = 0 with the image itself",
)
answer(
    "ddim.invert",
    "starts-at-the-first-entry",
    swap=[("below = torch.ones(())", "below = model.alpha_bar[0]")],
    says="""The first step up begins at the first entry of the table, as if the data had the noise of t = 0 in them.""",
    source="diffusers' set_alpha_to_one = False",
)
answer(
    "ddim.invert",
    "last-step-missing",
    swap=[(".flip(0)", ".flip(0)[:-1]")],
    says="""Your way up ends one step too early, below t = T - 1.""",
    source="plausible",
)
answer(
    "ddim.invert",
    "always-from-the-data",
    swap=[("        x, below = x_t, model.alpha_bar[t]\n", "        x = x_t\n")],
    says="""Each of your steps begins at the level of the data. After the first step x is no longer there.""",
    source="plausible",
)
answer(
    "ddim.invert",
    "neighbour-is-t-minus-1",
    swap=[(UP, UP.replace("below", "model.alpha_bar[t - 1] if t > 0 else torch.ones(())"))],
    says="""With all T levels the noise is right. With fewer, each step begins at the level just below t and not at the chosen one.""",
    source="the most common mistake with skipped steps",
)
answer(
    "ddim.invert",
    "network-one-late",
    swap=[("t.expand(len(x))", "t.expand(len(x)) + 1")],
    says="""The levels are right, but the network is told t + 1.""",
    source="index conventions",
)
answer(
    "ddim.invert",
    "network-one-early",
    swap=[("t.expand(len(x))", "t.expand(len(x)) - 1")],
    says="""The levels are right, but the network is told t - 1.""",
    source="index conventions",
)
answer(
    "ddim.invert",
    "rounds-ignored",
    swap=[("for _ in range(rounds):", "for _ in range(1):")],
    says="""With one round the noise is right; further rounds are not made.""",
    source="plausible",
)
answer(
    "ddim.invert",
    "rounds-pile-up",
    swap=[(UP, UP.replace("ddim_step(x,", "ddim_step(x_t,"))],
    says="""With one round the noise is right. In further rounds you step up from where you already are: each round has to begin at the same x below.""",
    source="plausible",
)
answer(
    "ddim.invert",
    "same-question-again",
    swap=[("model(x_t, t", "model(x, t")],
    says="""With one round the noise is right. Further rounds change nothing: the network is asked the same question again. What do you know better after the first round?""",
    source="plausible",
)
answer(
    "ddim.invert",
    "one-round-too-many",
    swap=[("range(rounds)", "range(rounds + 1)")],
    says="""You make one round more than is asked for. The first round asks about x itself.""",
    source="plausible",
)
answer(
    "ddim.invert",
    "rounds-over-all",
    swap=[("    for t in ddim", "    data = x\n    for t in list(ddim"), (".flip(0):", ".flip(0)) * rounds:"), ("        x_t = x\n        for _ in range(rounds):\n            x_t = ", "        x_t = "), ("model(x_t, t", "model(x, t")],
    says="""With one round the noise is right. With more you go all the way up and then begin again below: the rounds belong to each single step.""",
    source="plausible",
)
answer(
    "ddim.invert",
    "noised",
    swap=[(UP, "model.alpha_bar[t].sqrt() * x + (1 - model.alpha_bar[t]).sqrt() * torch.randn_like(x)")],
    says="""What you return comes out differently in every call: there are fresh random numbers in it. Inversion looks for *the* noise that leads back to just these data, and nothing
    in it is left to chance.""",
    source="the forward process, taken for inversion",
)
answer(
    "ddim.invert",
    "asked-about-the-data",
    swap=[("    below = torch.ones(())\n", "    below, data = torch.ones(()), x\n"), ("model(x_t, t", "model(data, t")],
    says="""The network is always asked about the data. It has to see x as it is on the way.""",
    source="plausible",
)
answer(
    "ddim.invert",
    "noise-of-the-wrong-sign",
    swap=[("model(x_t, t.expand(len(x)))", "-model(x_t, t.expand(len(x)))")],
    says="""You turn the sign of the network's noise to go backwards. But the noise in x is the same in both directions; only the levels change places.""",
    source="plausible",
)
answer(
    "ddim.invert",
    "clipped",
    swap=[("        x, below = x_t, model", "        x, below = x_t.clamp(-1, 1), model")],
    says="""x is cut to [-1, 1] on its way. It is becoming noise, which does leave this range.""",
    source="plausible",
)
answer(
    "ddim.invert",
    "all-steps",
    swap=[("len(model.alpha_bar), n_steps)", "len(model.alpha_bar), len(model.alpha_bar))")],
    says="""All T levels are visited, however many steps are asked for.""",
    source="plausible",
)
answer(
    "ddim.invert",
    "times-as-floats",
    swap=[("t.expand(len(x))", "t.expand(len(x)).float()")],
    says="""The network is given times that are floating-point numbers. It looks them up in a table: whole numbers are needed.""",
    source="plausible",
)
answer(
    "ddim.invert",
    "asked-in-parts",
    swap=[("model(x_t, t.expand(len(x)))", "torch.cat([model(part, t.expand(len(part))) for part in x_t.split(-(-len(x) // 2))])")],
    says="""The network is asked several times in a step, about a part of the batch each time. It takes the whole batch in one call, which is faster.""",
    source="plausible",
)
answer(
    "ddim.invert",
    "in-place",
    swap=[("            x_t = ddim_step(", "            x_t = x.copy_(ddim_step("), ("model.alpha_bar[t])\n        x,", "model.alpha_bar[t]))\n        x,")],
    says="""The data that you were given are overwritten with noise; and in a second round you no longer know where the step began.""",
    source="plausible",
)

# ---------------------------------------------------------------------- kept numbers, extremes

answer(
    "ddim.step",
    "noise-kept",
    cell="""
KNOWN = {}

def ddim_step(x_t, eps, alpha_bar_t, alpha_bar_prev, eta=0.0, noise=None):
    if noise is None:
        noise = KNOWN.setdefault(tuple(x_t.shape), torch.randn_like(x_t))
    sigma = ddim_sigma(eta, alpha_bar_t, alpha_bar_prev) if eta > 0 else 0.0
    x0 = (x_t - (1 - alpha_bar_t).sqrt() * eps) / alpha_bar_t.sqrt()
    return alpha_bar_prev.sqrt() * x0 + (1 - alpha_bar_prev - sigma**2).sqrt() * eps + sigma * noise
""",
    says="""Your noise is fresh once for each shape; after that it comes again in every call, so that all steps of a sampler add the same. Where is it kept, and what
    for?""",
    source="plausible: a cache",
)
answer(
    "ddim.step",
    "signal-held-up",
    swap=[("/ alpha_bar_t.sqrt()", "/ alpha_bar_t.sqrt().clamp(min=0.05)")],
    says="""Where hardly any signal is left your picture comes out too pale, elsewhere the step is right: what you divide by is kept away from 0. It is small there, but
    it is not 0.""",
    source="plausible: a guard against a division by 0",
)
answer(
    "ddim.timesteps",
    "steps-in-float32",
    cell="""
def ddim_timesteps(T, n):
    if not 1 <= n <= T:
        raise ValueError(f"{n} of {T} times cannot be chosen")
    return (torch.arange(T, 0, -T / n).round() - 1).long()
""",
    says="""For some T and n you return a time too many, and -1 is among them: a range with a step such as T / n may reach its end, or not, by the rounding of
    its last digit. What could you count in whole numbers?""",
    source="torch and numpy documentation: the length of arange with a step that is no whole number",
)
answer(
    "ddim.timesteps",
    "both-ends-in-float64",
    swap=[(f"torch.tensor({TIMES})", "torch.linspace(T - 1, 0, n, dtype=torch.float64).round().long()")],
    like="both-ends",
)
answer(
    "ddim.invert",
    "first-question-at-the-level-below",
    cell="""
@torch.no_grad()
def ddim_invert(model, x, n_steps, rounds=1):
    below, asked = torch.ones(()), torch.tensor(0)
    for t in ddim_timesteps(len(model.alpha_bar), n_steps).flip(0):
        x_t = x
        for again in range(rounds):
            x_t = ddim_step(x, model(x_t, (t if again else asked).expand(len(x))), below, model.alpha_bar[t])
        x, below, asked = x_t, model.alpha_bar[t], t
    return x
""",
    says="""The first question of a step is asked at the time below, where x comes from; further rounds ask at the right one. All of them are about the step that
    is undone: at which time did ddim_sample ask?""",
    source="Dhariwal and Nichol 2021's code, ddim_reverse_sample",
)
