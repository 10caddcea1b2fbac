"""Known mistakes of notebook 05."""

from autograder.misconceptions.shared import COPIED_SAYS, GENERATOR_COPIED

# ---- data and process

answer(
    "mnist.dequantise",
    "by-255",
    swap=[("generator=generator)) / 256", "generator=generator)) / 255")],
    says="""Your numbers reach beyond 1 for the brightest pixels. How many grey levels share the interval from 0 to 1 here?""",
    source="handout D8: mind ToTensor's 1/255",
)
answer(
    "mnist.dequantise",
    "no-noise",
    swap=[("(pixels.float() + torch.rand(pixels.shape, generator=generator)) / 256", "pixels.float() / 256")],
    says="""Equal pixels give equal numbers, so the images still consist of 256 values. What is to be added to each of them?""",
    source="Theis et al. 2016, A note on the evaluation of generative models, section 3.1",
)
answer(
    "mnist.dequantise",
    "one-number",
    swap=[("torch.rand(pixels.shape, generator=generator)", "torch.rand((), generator=generator)")],
    says="""All pixels of a call get the same random number. It makes the whole picture brighter; between grey levels there is still nothing.""",
    source="plausible",
)
answer(
    "mnist.dequantise",
    "shared-by-images",
    swap=[("torch.rand(pixels.shape, generator=generator)", "torch.rand(pixels.shape[1:], generator=generator)")],
    says="""All images of a batch get the same random numbers. Every image needs its own.""",
    source="plausible",
)
answer(
    "mnist.dequantise",
    "one-share-per-image",
    swap=[
        (
            "torch.rand(pixels.shape, generator=generator)",
            "torch.rand(pixels.shape[0], generator=generator).reshape(-1, *[1] * (pixels.dim() - 1))",
        )
    ],
    says="""Within an image all pixels are moved by the same amount: one random number serves a whole picture. Every pixel needs its own.""",
    source="plausible",
)
answer(
    "mnist.dequantise",
    "normal",
    swap=[("torch.rand(", "torch.randn(")],
    says="""Many numbers leave their grey level's piece of [0, 1], on both sides. Look at which of PyTorch's random functions draws what.""",
    source="plausible",
)
answer(
    "mnist.dequantise",
    "centred",
    swap=[("torch.rand(pixels.shape, generator=generator)", "torch.rand(pixels.shape, generator=generator) - 0.5")],
    says="""Half of your black pixels become negative. The random number here is only ever added, it does not go both ways.""",
    source="plausible: as rounding would be undone",
)
answer(
    "mnist.dequantise",
    "full-size-noise",
    swap=[("(pixels.float() + torch.rand(pixels.shape, generator=generator)) / 256", "pixels.float() / 256 + torch.rand(pixels.shape, generator=generator)")],
    says="""The noise is as large as the whole range of greys, so nobody would recognise the picture. How wide is the gap that it has to fill?""",
    source="plausible",
)
answer(
    "mnist.dequantise",
    "after-to-tensor",
    swap=[("(pixels.float() + torch.rand(pixels.shape, generator=generator)) / 256", "pixels.float() / 255 + torch.rand(pixels.shape, generator=generator) / 256")],
    says="""The noise has the right size, but the levels stand too far apart, and the brightest pixels leave [0, 1). Which scale did the pixels come
    in, and which one has the formula?""",
    source="handout D8: ToTensor has already divided by 255",
)
answer(
    "mnist.dequantise",
    "generator-ignored",
    swap=[("torch.rand(pixels.shape, generator=generator)", "torch.rand(pixels.shape)")],
    says="""The law is right, but the generator that is handed in has no say, so that nobody can draw the same numbers again.""",
    source="plausible",
)
answer(
    "mnist.dequantise",
    "coarse",
    swap=[("torch.rand(pixels.shape, generator=generator)", "torch.randint(256, pixels.shape, generator=generator) / 256")],
    says="""Your u comes from a list of a few values, so the result is still discrete, only finer. u should be any number from [0, 1).""",
    source="plausible",
)
answer(
    "mnist.dequantise",
    "clamped-top",
    swap=[("(pixels.float() + torch.rand(pixels.shape, generator=generator)) / 256", "(pixels.float() + torch.rand(pixels.shape, generator=generator)).clamp(max=255) / 256")],
    says="""All white pixels come out as the same number: something holds back what lies above 255. Where does the noise of level 255 belong?""",
    source="plausible",
)

answer(
    "mnist.scale",
    "not-cut",
    swap=[("((x + 1) / 2).clamp(0, 1)", "(x + 1) / 2")],
    says="""Numbers outside of [-1, 1] stay outside of [0, 1]. Samples do stray there, and imshow has no colour for them.""",
    source="plausible",
)
answer(
    "mnist.scale",
    "cut-at-zero",
    swap=[("((x + 1) / 2).clamp(0, 1)", "(x.clamp(0, 1) + 1) / 2")],
    says="""Everything below the middle grey comes out as middle grey. In which range is x when you cut it?""",
    source="plausible",
)
answer(
    "mnist.scale",
    "stretched",
    swap=[("((x + 1) / 2).clamp(0, 1)", "(x - x.min()) / (x.max() - x.min()).clamp(min=1e-8)")],
    says="""Your display stretches every batch from its darkest to its brightest pixel, so the same number gives different greys in different
    batches. The way back should undo to_model, whatever else is in the batch.""",
    source="save_image(normalize=True) in many tutorials",
)
answer(
    "mnist.scale",
    "standardised",
    swap=[("2 * x - 1", "(x - 0.1307) / 0.3081")],
    says="""You make MNIST's mean 0 and its standard deviation 1, as classifiers like it. A prediction that is cut to [-1, 1] needs data that live
    just there.""",
    source="the widespread Normalize((0.1307,), (0.3081,))",
)
answer(
    "mnist.scale",
    "half-the-range",
    swap=[("2 * x - 1", "x - 0.5")],
    says="""Your numbers are centred, but reach only from -1/2 to 1/2: the model's range is twice as wide.""",
    source="plausible",
)
answer(
    "mnist.scale",
    "not-shifted-back",
    swap=[("((x + 1) / 2).clamp(0, 1)", "(x / 2).clamp(0, 1)")],
    says="""The middle of [-1, 1] should become the middle of [0, 1]; yours becomes black.""",
    source="plausible",
)
answer(
    "mnist.scale",
    "sigmoid",
    swap=[("((x + 1) / 2).clamp(0, 1)", "torch.sigmoid(x)")],
    says="""A sigmoid does end up in [0, 1], but it bends the greys, and neither black nor white is ever reached. A straight line is enough.""",
    source="plausible",
)
answer(
    "mnist.scale",
    "changes-x",
    swap=[("2 * x - 1", "x.mul_(2).sub_(1)")],
    says="""The result is right, but the pictures that were handed in are changed as well, and the next use of them goes wrong.""",
    source="plausible: in-place methods",
)

answer(
    "mnist.betas",
    "last-left-out",
    swap=[("torch.linspace(1e-4, 0.02, T)", "1e-4 + (0.02 - 1e-4) * torch.arange(T) / T")],
    says="""Your linear schedule stops one step before its end: look at its last number, and at how many gaps lie between T numbers.""",
    source="plausible",
)
answer(
    "mnist.betas",
    "stretched-to-T",
    swap=[("torch.linspace(1e-4, 0.02, T)", "torch.linspace(1e-4, 0.02, T) * 1000 / T")],
    says="""Your linear schedule grows when T becomes smaller, so that the noise at the end stays the same. That is a sensible idea, and some
    libraries do it, but both ends are fixed here.""",
    source="openai/guided-diffusion, get_named_beta_schedule",
)
answer(
    "mnist.betas",
    "squared-ends",
    swap=[("torch.linspace(1e-4**0.5, 0.02**0.5, T) ** 2", "torch.linspace(1e-4, 0.02, T) ** 2")],
    says="""Your quadratic schedule begins and ends at the squares of the right numbers. What has to be evenly spaced for its square to end at 0.02?""",
    source="plausible",
)
answer(
    "mnist.betas",
    "quadratic-way",
    swap=[("torch.linspace(1e-4**0.5, 0.02**0.5, T) ** 2", "1e-4 + (0.02 - 1e-4) * torch.linspace(0, 1, T) ** 2")],
    says="""Both ends of your quadratic schedule are right, the numbers between them are not: it is not the way from the first to the last beta that
    is squared.""",
    source="plausible",
)
answer(
    "mnist.betas",
    "cosine-as-beta",
    swap=[("(1 - f[1:] / f[:-1]).clamp(max=0.999).float()", "(f[1:] / f[0]).clamp(max=0.999).float()")],
    says="""Your cosine schedule falls: it is what is left of the signal after all steps so far. Which beta takes it from one value to the next?""",
    source="Nichol and Dhariwal 2021, eq. 17: the schedule is given by its alpha_bar",
)
answer(
    "mnist.betas",
    "cosine-from-start",
    swap=[("1 - f[1:] / f[:-1]", "1 - f[1:] / f[0]")],
    says="""Your cosine betas hold all of the noise since the start, not that of one step. Two neighbouring values belong to one beta.""",
    source="plausible",
)
answer(
    "mnist.betas",
    "cosine-not-squared",
    swap=[("* math.pi / 2) ** 2", "* math.pi / 2)")],
    says="""Linear and quadratic are right. Look at f of the cosine schedule once more: something happens to the cosine.""",
    source="plausible",
)
answer(
    "mnist.betas",
    "cosine-full-turn",
    swap=[("* math.pi / 2) ** 2", "* math.pi) ** 2")],
    says="""Your cosine runs through zero and comes back on the way. At which angle should it have arrived at the end?""",
    source="plausible",
)
answer(
    "mnist.betas",
    "cosine-not-cut",
    swap=[(".clamp(max=0.999)", "")],
    says="""The last beta of your cosine schedule is 1: nothing of the signal is left, and what divides by it later breaks. The docstring has a limit.""",
    source="Nichol and Dhariwal 2021, section 3.2",
)
answer(
    "mnist.betas",
    "cosine-late",
    swap=[("f = torch.cos((torch.arange(T + 1, dtype=torch.float64)", "f = torch.cos((torch.arange(1, T + 2, dtype=torch.float64)")],
    says="""Your cosine schedule is one step ahead: its first beta is the second one. At which i does the first quotient begin?""",
    source="plausible: index conventions",
)
answer(
    "mnist.betas",
    "unknown-is-linear",
    swap=[('    raise ValueError(f"there is no schedule {schedule!r}")', "    return torch.linspace(1e-4, 0.02, T)")],
    says="""A misspelt name silently gives some other schedule, and whoever compares schedules then compares one with itself.""",
    source="plausible",
)
answer(
    "mnist.betas",
    "unknown-is-none",
    swap=[('    raise ValueError(f"there is no schedule {schedule!r}")', "    return None")],
    says="""All three schedules are right, but for a name that it does not know the function quietly returns something. The docstring says what should
    happen.""",
    source="plausible",
)
answer(
    "mnist.betas",
    "decreasing",
    swap=[("torch.linspace(1e-4, 0.02, T)", "torch.linspace(0.02, 1e-4, T)")],
    says="""Your linear schedule begins with its largest step. Early steps should be the small ones, while there is detail to lose.""",
    source="plausible",
)

answer(
    "mnist.add_noise",
    "one-step",
    swap=[("self.alpha_bar[t]", "1 - self.betas[t]")],
    says="""Your images have the noise of one single step. x is clean, and between it and level t lie t + 1 steps: which table has gathered them all?""",
    source="handout P's erratum: the closed form written from the step before",
)
answer(
    "mnist.add_noise",
    "variances-as-factors",
    swap=[("alpha_bar.sqrt() * x + (1 - alpha_bar).sqrt() * noise", "alpha_bar * x + (1 - alpha_bar) * noise")],
    says="""Signal and noise are multiplied with their shares of the variance, so the variances do not add up to 1. Noise of variance 1 times c has
    which variance?""",
    source="handout P's erratum: (1 - alpha_bar) for the standard deviation",
)
answer(
    "mnist.add_noise",
    "noise-variance",
    swap=[("(1 - alpha_bar).sqrt() * noise", "(1 - alpha_bar) * noise")],
    says="""The signal is right, but too little noise arrives: it is multiplied with a variance. Which factor gives it that variance?""",
    source="handout P's erratum",
)
answer(
    "mnist.add_noise",
    "counted-from-one",
    swap=[("self.alpha_bar[t]", "self.alpha_bar[t - 1]")],
    says="""Your images belong to the level below t, and those at t = 0 to the noisiest one: a negative index counts from the end. Here t begins with
    0, and entry t of a table belongs to t.""",
    source="plausible: index conventions",
)
answer(
    "mnist.add_noise",
    "clean-at-zero",
    swap=[("self.alpha_bar[t]", "torch.cat([torch.ones(1), self.alpha_bar])[t]")],
    says="""At t = 0 your images have no noise at all, and t = T - 1 is not noisy enough: your table counts from clean images on. Here t = 0 has one noise
    step behind it.""",
    source="plausible: the convention of the toy notebooks",
)
answer(
    "mnist.add_noise",
    "one-t",
    swap=[("self.alpha_bar[t]", "self.alpha_bar[t[0]].repeat(len(t))")],
    says="""All images get the noise level of the first one. Each has its own t.""",
    source="plausible",
)
answer(
    "mnist.add_noise",
    "shared-by-images",
    swap=[("torch.randn_like(x)", "torch.randn_like(x[:1]).expand_as(x)")],
    says="""In one call all images get the same noise. Every image needs noise of its own: which shape has what you draw?""",
    source="plausible",
)
answer(
    "mnist.add_noise",
    "grey-noise",
    swap=[("torch.randn_like(x)", "torch.randn_like(x[:, :1]).expand_as(x)")],
    says="""All channels of an image get the same noise: with colours it is grey noise, which a network could read off from their differences.""",
    source="plausible",
)
answer(
    "mnist.add_noise",
    "uniform",
    swap=[("torch.randn_like(x)", "torch.rand_like(x)")],
    says="""All your noise lies between 0 and 1, so every image becomes brighter. Look at which of PyTorch's random functions draws what.""",
    source="plausible",
)
answer(
    "mnist.add_noise",
    "other-noise",
    swap=[("* noise, noise", "* noise, torch.randn_like(x)")],
    says="""The noise that you return is not the one in the images, so there is nothing that a network could learn. Draw once, use it twice.""",
    source="plausible",
)
answer(
    "mnist.add_noise",
    "returns-scaled",
    swap=[("* noise, noise", "* noise, (1 - alpha_bar).sqrt() * noise")],
    says="""The images are right. You return the noise in the size in which it entered the image; it should be the standard normal numbers themselves.""",
    source="plausible: handout E's remark on the total noise",
)
answer(
    "mnist.add_noise",
    "wrong-order",
    swap=[("    return alpha_bar.sqrt() * x + (1 - alpha_bar).sqrt() * noise, noise", "    return noise, alpha_bar.sqrt() * x + (1 - alpha_bar).sqrt() * noise")],
    says="""Noise and images come back in the other order than the docstring says.""",
    source="plausible",
)
answer(
    "mnist.add_noise",
    "signal-kept",
    swap=[("alpha_bar.sqrt() * x + (1", "x + (1")],
    says="""Noise comes in, but the signal does not fade, so the variance grows with t. What becomes of x on the way?""",
    source="Song et al. 2021: the variance-exploding process",
)
answer(
    "mnist.add_noise",
    "shares-swapped",
    swap=[("alpha_bar.sqrt() * x + (1 - alpha_bar).sqrt() * noise", "(1 - alpha_bar).sqrt() * x + alpha_bar.sqrt() * noise")],
    says="""Your images are noisiest at t = 0 and become clearer: signal and noise have swapped their shares.""",
    source="plausible",
)
answer(
    "mnist.add_noise",
    "cut",
    swap=[("    return alpha_bar.sqrt() * x + (1 - alpha_bar).sqrt() * noise, noise", "    return (alpha_bar.sqrt() * x + (1 - alpha_bar).sqrt() * noise).clamp(-1, 1), noise")],
    says="""Noisy images are cut to [-1, 1], but they are no pictures to look at: they have to stay normal around the faded image.""",
    source="plausible",
)
answer(
    "mnist.add_noise",
    "along-the-rows",
    swap=[("spread(self.alpha_bar[t], x)", "self.alpha_bar[t]")],
    says="""With as many images as pixels in a line, every column of pixels gets its own t; otherwise the shapes do not fit. How does PyTorch line up
    (B,) with (B, channels, H, W)? A function above brings the numbers into shape.""",
    source="handout E's defect: (B,) against (B, 1)",
)

answer(
    "mnist.target",
    "always-noise",
    swap=[("""    if self.predicts == "v":
        return alpha_bar.sqrt() * noise - (1 - alpha_bar).sqrt() * x0
    return {"eps": noise, "x0": x0}[self.predicts]""", "    return noise")],
    says="""Your target is the noise, whatever the network is to predict. self.predicts says which of the three it is.""",
    source="plausible",
)
answer(
    "mnist.target",
    "v-sign",
    swap=[("alpha_bar.sqrt() * noise - (1 - alpha_bar).sqrt() * x0", "(1 - alpha_bar).sqrt() * x0 - alpha_bar.sqrt() * noise")],
    says="""Your velocity has the other sign. It points from the image to the noise: in which of the two directions does t run?""",
    source="plausible",
)
answer(
    "mnist.target",
    "v-sum",
    swap=[("noise - (1 - alpha_bar)", "noise + (1 - alpha_bar)")],
    says="""You add where the velocity has a difference. Think of a circle: x_t goes round it, and the velocity is at right angles to x_t.""",
    source="Salimans and Ho 2022, appendix D",
)
answer(
    "mnist.target",
    "v-swapped",
    swap=[("alpha_bar.sqrt() * noise - (1 - alpha_bar).sqrt() * x0", "(1 - alpha_bar).sqrt() * noise - alpha_bar.sqrt() * x0")],
    says="""Noise and image have each other's factor in your velocity. Which one is nearly all of it when there is hardly any noise?""",
    source="plausible",
)
answer(
    "mnist.target",
    "v-flow",
    swap=[("alpha_bar.sqrt() * noise - (1 - alpha_bar).sqrt() * x0", "noise - x0")],
    says="""This is the velocity of a straight line from image to noise, as flow matching has it. Here x_t goes round a quarter of a circle.""",
    source="Lipman et al. 2023 against Salimans and Ho 2022",
)
answer(
    "mnist.target",
    "v-x_t",
    swap=[("alpha_bar.sqrt() * noise - (1 - alpha_bar).sqrt() * x0", "alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * noise")],
    says="""What you call the velocity is the noisy image itself, which the network is given anyway.""",
    source="plausible",
)
answer(
    "mnist.target",
    "v-no-roots",
    swap=[("alpha_bar.sqrt() * noise - (1 - alpha_bar).sqrt() * x0", "alpha_bar * noise - (1 - alpha_bar) * x0")],
    says="""In your velocity noise and image have their shares of the variance as factors. The docstring has something around them.""",
    source="plausible",
)
answer(
    "mnist.target",
    "v-one-step",
    swap=[("self.alpha_bar[t]", "1 - self.betas[t]")],
    says="""Your velocity has the numbers of one single step. x_0 and the noise are the ends of the whole way to level t.""",
    source="plausible",
)
answer(
    "mnist.target",
    "x0-and-noise-swapped",
    swap=[('{"eps": noise, "x0": x0}', '{"eps": x0, "x0": noise}')],
    says=""""eps" and "x0" have each other's target; the velocity is right.""",
    source="plausible",
)

answer(
    "mnist.train_step",
    "gradients-pile-up",
    swap=[("    self.optimizer.zero_grad()\n", "")],
    says="""Your first step is right, later ones are too long: they also go along the gradients of all steps before. Where are those emptied?""",
    source="the most frequent mistake in PyTorch training loops",
)
answer(
    "mnist.train_step",
    "cleared-too-late",
    swap=[("    self.optimizer.zero_grad()\n    loss.backward()\n", "    loss.backward()\n    self.optimizer.zero_grad()\n")],
    says="""The parameters stay where they were. In which order are gradients emptied, computed and used?""",
    source="plausible",
)
answer(
    "mnist.train_step",
    "two-steps",
    swap=[("    self.optimizer.step()\n", "    self.optimizer.step()\n    self.optimizer.step()\n")],
    says="""Each call takes two steps along the same gradient. One is asked for.""",
    source="plausible",
)
answer(
    "mnist.train_step",
    "loss-afterwards",
    swap=[("    return loss.item()", "    with torch.no_grad():\n        return F.mse_loss(self.network(noisy, t), self.target(x, noise, t)).item()")],
    says="""The steps are right, but you return the loss after the step, and pay for the network a second time.""",
    source="plausible",
)
answer(
    "mnist.train_step",
    "one-t",
    swap=[("torch.randint(self.T, (len(x),), device=x.device)", "torch.randint(self.T, (1,), device=x.device).repeat(len(x))")],
    says="""In each call all images have the same t. On average nothing is wrong, but the loss and its gradient scatter far more than they have to: every image
    should have its own t.""",
    source="plausible",
)
answer(
    "mnist.train_step",
    "never-zero",
    swap=[("torch.randint(self.T, (len(x),), device=x.device)", "torch.randint(min(1, self.T - 1), self.T, (len(x),), device=x.device)")],
    says="""t = 0 never comes up, so the step that finishes a picture is never learned. From where to where do t run here?""",
    source="handout P: t from 2 on",
)
answer(
    "mnist.train_step",
    "first-level-left-out",
    swap=[("torch.randint(self.T, (len(x),), device=x.device)", "torch.randint(1, self.T, (len(x),), device=x.device)")],
    says="""t = 0 never comes up, so the step that finishes a picture is never learned; with T = 1 no t is left to draw from. From where to where do t run here?""",
    source="handout P: t from 2 on",
)
answer(
    "mnist.train_step",
    "never-last",
    swap=[("torch.randint(self.T, (len(x),), device=x.device)", "torch.randint(max(self.T - 1, 1), (len(x),), device=x.device)")],
    says="""t = T - 1 never comes up, and with it sampling begins. Is the upper end of the random numbers included or not?""",
    source="plausible: torch.randint leaves its upper end out",
)
answer(
    "mnist.train_step",
    "last-level-left-out",
    swap=[("torch.randint(self.T, (len(x),), device=x.device)", "torch.randint(self.T - 1, (len(x),), device=x.device)")],
    says="""t = T - 1 never comes up, and with it sampling begins; with T = 1 no t is left to draw from. Is the upper end of the random numbers included or not?""",
    source="plausible: torch.randint leaves its upper end out",
)
answer(
    "mnist.train_step",
    "rounded-t",
    swap=[("torch.randint(self.T, (len(x),), device=x.device)", "(torch.rand(len(x)) * (self.T - 1)).round().long()")],
    says="""The first and the last t come up half as often as the others: rounding leaves them only half of the room.""",
    source="plausible",
)
answer(
    "mnist.train_step",
    "normal-t",
    swap=[("torch.randint(self.T, (len(x),), device=x.device)", "((0.5 * torch.randn(len(x))).sigmoid() * self.T).long()")],
    says="""The middle of the times comes up more often than both ends. Some models are trained like that on purpose; here t is uniform.""",
    source="Esser et al. 2024: logit-normal times",
)
answer(
    "mnist.train_step",
    "sum",
    swap=[("F.mse_loss(self.network(noisy, t), self.target(x, noise, t))", 'F.mse_loss(self.network(noisy, t), self.target(x, noise, t), reduction="sum")')],
    says="""Your loss grows with the number of images and pixels: it is a sum, and the steps are as many times too long.""",
    source="plausible",
)
answer(
    "mnist.train_step",
    "sum-over-pixels",
    swap=[("F.mse_loss(self.network(noisy, t), self.target(x, noise, t))", "(self.network(noisy, t) - self.target(x, noise, t)).square().sum((1, 2, 3)).mean()")],
    says="""Your loss is a mean over images, but a sum over channels and pixels, as the papers write it. Here it is a mean over all of them, so the learning
    rate need not know the size of the images.""",
    source="handout P3: a sum over dimensions",
)
answer(
    "mnist.train_step",
    "absolute",
    swap=[("F.mse_loss(", "F.l1_loss(")],
    says="""Your loss is the mean of absolute errors. What belongs to a mean is the squared error; absolute errors lead to medians.""",
    source="plausible: offered as an option by several repositories",
)
answer(
    "mnist.train_step",
    "root",
    swap=[("F.mse_loss(self.network(noisy, t), self.target(x, noise, t))", "(F.mse_loss(self.network(noisy, t), self.target(x, noise, t)) + 1e-12).sqrt()")],
    says="""Your loss is the root of the mean squared error. That changes the size of every step, and the mean over images is not what it was.""",
    source="plausible",
)
answer(
    "mnist.train_step",
    "always-noise",
    swap=[("self.target(x, noise, t))", "noise)")],
    says="""The output is compared with the noise, whatever the network is to predict. There is a method that knows what it should say.""",
    source="plausible",
)
answer(
    "mnist.train_step",
    "other-noise",
    swap=[("self.target(x, noise, t))", "self.target(x, torch.randn_like(x), t))")],
    says="""The target is made with another noise than the one in the images. Nobody can guess that, so the loss never falls far.""",
    source="plausible",
)
answer(
    "mnist.train_step",
    "sees-clean-images",
    swap=[("self.network(noisy, t)", "self.network(x, t)")],
    says="""The network is shown clean images and should tell what noise it does not see.""",
    source="plausible",
)
answer(
    "mnist.train_step",
    "network-one-late",
    swap=[("self.network(noisy, t)", "self.network(noisy, t + 1)")],
    says="""The network is told t + 1 for images with the noise of t. Here t begins with 0, for the network as well.""",
    source="plausible: index conventions",
)
answer(
    "mnist.train_step",
    "target-of-noisy",
    swap=[("self.target(x, noise, t)", "self.target(noisy, noise, t)")],
    says="""The target is made from the noisy images in place of the clean ones; where the network predicts the noise, this does not show.""",
    source="plausible",
)
answer(
    "mnist.train_step",
    "tensor",
    swap=[("loss.item()", "loss")],
    says="""You return the loss with the whole graph of its step. A list of these fills the memory: a plain float is asked for.""",
    source="plausible: PyTorch's FAQ, My model reports out of memory",
)
answer(
    "mnist.train_step",
    "own-optimizer",
    swap=[("    self.optimizer.zero_grad()\n", "    optimizer = torch.optim.SGD(self.network.parameters(), lr=0.1)\n    optimizer.zero_grad()\n"), ("    self.optimizer.step()\n", "    optimizer.step()\n")],
    says="""The parameters move, but not as self.optimizer would move them: a new optimizer in each call forgets its momentum, and nobody can choose its
    learning rate.""",
    source="plausible",
)
answer(
    "mnist.train_step",
    "plain-descent",
    swap=[("    self.optimizer.step()\n", """    rate = self.optimizer.param_groups[0]["lr"]
    with torch.no_grad():
        for parameter in self.network.parameters():
            parameter -= rate * parameter.grad
""")],
    says="""You follow the gradient by hand. The optimizer's own step can do more, for example keep momentum; that is missing from the second step on.""",
    source="plausible",
)
answer(
    "mnist.train_step",
    "shared-noise",
    swap=[("    noisy, noise = self.add_noise(x, t)\n", """    noise = torch.randn_like(x[:1]).expand_as(x)
    bar = spread(self.alpha_bar[t], x)
    noisy = bar.sqrt() * x + (1 - bar).sqrt() * noise
""")],
    says="""In each call all images have the same noise. On average nothing is wrong, but the loss scatters far more from call to call than it has to.""",
    source="plausible",
    varies=("far",),
)
answer(
    "mnist.train_step",
    "t-by-place",
    swap=[("torch.randint(self.T, (len(x),), device=x.device)", "torch.arange(len(x), device=x.device) % self.T")],
    says="""The t of an image is its place in the batch: a single image always has t = 0. Let chance decide.""",
    source="plausible",
)

answer(
    "mnist.predict_x0",
    "never-cut",
    swap=[("out.clamp(-1, 1) if self.clip else out", "out")],
    says="""Your x_0 is right where nothing is cut, but self.clip is not looked at.""",
    source="plausible",
)
answer(
    "mnist.predict_x0",
    "always-cut",
    swap=[("out.clamp(-1, 1) if self.clip else out", "out.clamp(-1, 1)")],
    says="""Your x_0 is cut even if self.clip is false.""",
    source="plausible",
)
answer(
    "mnist.predict_x0",
    "cut-to-display",
    swap=[("out.clamp(-1, 1)", "out.clamp(0, 1)")],
    says="""Everything below middle grey is cut off. In which range do the model's images live?""",
    source="plausible",
)
answer(
    "mnist.predict_x0",
    "output-cut",
    swap=[("out, alpha_bar = self.network(x_t, t), spread(self.alpha_bar[t], x_t)", "out, alpha_bar = (self.network(x_t, t).clamp(-1, 1) if self.clip else self.network(x_t, t)), spread(self.alpha_bar[t], x_t)"), ("out.clamp(-1, 1) if self.clip else out", "out")],
    says="""You cut what the network says. Noise and velocity may be larger than 1; it is the image that lies in [-1, 1].""",
    source="plausible",
)
answer(
    "mnist.predict_x0",
    "squashed",
    swap=[("out.clamp(-1, 1)", "out.tanh()")],
    says="""A tanh keeps numbers within [-1, 1], but also changes those that were there already.""",
    source="plausible",
)
answer(
    "mnist.predict_x0",
    "not-divided",
    swap=[("(x_t - (1 - alpha_bar).sqrt() * out) / alpha_bar.sqrt()", "x_t - (1 - alpha_bar).sqrt() * out")],
    says="""You take the noise out, but what is left is the faded image. How is it brought back to its full strength?""",
    source="plausible",
)
answer(
    "mnist.predict_x0",
    "no-roots",
    swap=[("(x_t - (1 - alpha_bar).sqrt() * out) / alpha_bar.sqrt()", "(x_t - (1 - alpha_bar) * out) / alpha_bar")],
    says="""For a network that predicts noise your factors are the shares of the variance. Which factors did the noising have?""",
    source="handout P's erratum",
)
answer(
    "mnist.predict_x0",
    "noise-not-scaled",
    swap=[("(x_t - (1 - alpha_bar).sqrt() * out)", "(x_t - out)")],
    says="""The whole predicted noise is taken off, but at level t only a part of it came in.""",
    source="plausible",
)
answer(
    "mnist.predict_x0",
    "always-eps",
    swap=[('    if self.predicts == "eps":\n', "    if True:\n")],
    says="""Every output is taken for noise, whatever the network predicts.""",
    source="plausible",
)
answer(
    "mnist.predict_x0",
    "v-as-noise",
    swap=[("        out = alpha_bar.sqrt() * x_t - (1 - alpha_bar).sqrt() * out\n", "        out = (x_t - (1 - alpha_bar).sqrt() * out) / alpha_bar.sqrt()\n")],
    says="""Noise and x_0 are right; a velocity is taken for noise. Solve its definition, together with that of x_t, for x_0.""",
    source="plausible",
)
answer(
    "mnist.predict_x0",
    "v-sign",
    swap=[("alpha_bar.sqrt() * x_t - (1 - alpha_bar).sqrt() * out", "alpha_bar.sqrt() * x_t + (1 - alpha_bar).sqrt() * out")],
    says="""For a velocity you go on towards the noise, where the way back is asked for. Check the sign.""",
    source="plausible",
)
answer(
    "mnist.predict_x0",
    "v-to-noise",
    swap=[("alpha_bar.sqrt() * x_t - (1 - alpha_bar).sqrt() * out", "(1 - alpha_bar).sqrt() * x_t + alpha_bar.sqrt() * out")],
    says="""What you compute from a velocity is the noise. x_0 is the other of the two.""",
    source="Salimans and Ho 2022, appendix D: both formulas stand side by side",
)
answer(
    "mnist.predict_x0",
    "one-step",
    swap=[("self.alpha_bar[t]", "1 - self.betas[t]")],
    says="""You undo one single step. Down to x_0 it is the whole way: which table belongs to it?""",
    source="plausible",
)
answer(
    "mnist.predict_x0",
    "counted-from-one",
    swap=[("self.alpha_bar[t]", "self.alpha_bar[t - 1]")],
    says="""Your numbers belong to the level below t, and at t = 0 to the noisiest one: a negative index counts from the end.""",
    source="plausible: index conventions",
)
answer(
    "mnist.predict_x0",
    "network-one-late",
    swap=[("self.network(x_t, t)", "self.network(x_t, t + 1)")],
    says="""The network is asked about t + 1. Here t begins with 0, for the network as well.""",
    source="plausible: index conventions",
)
answer(
    "mnist.predict_x0",
    "one-t",
    swap=[("self.alpha_bar[t]", "self.alpha_bar[t[:1]]")],
    says="""All images are treated as if they had the t of the first one. Each has its own.""",
    source="plausible",
)

answer(
    "mnist.denoise",
    "wraps-around",
    swap=[("self.alpha_bar[t - 1] if t > 0 else torch.ones(())", "self.alpha_bar[t - 1]")],
    says="""All steps are right but the last one, at t = 0: there the entry before the first one is, in PyTorch, the last one. What is the level below
    t = 0?""",
    source="plausible: negative indices",
)
answer(
    "mnist.denoise",
    "beta",
    swap=[("((1 - before) / (1 - alpha_bar) * beta).sqrt()", "beta.sqrt()")],
    says="""The mean is right. Your noise has the variance beta_t, which is a common choice and was right in Algorithm 2; the posterior's own variance, which is
    asked for here, is smaller.""",
    source="Ho et al. 2020, section 3.2: both choices of sigma_t",
)
answer(
    "mnist.denoise",
    "variance-as-sd",
    swap=[("((1 - before) / (1 - alpha_bar) * beta).sqrt()", "((1 - before) / (1 - alpha_bar) * beta)")],
    says="""The mean is right. Your noise is multiplied with the variance: which factor gives it that variance?""",
    source="handout P's erratum: the sampling noise scaled by the variance",
)
answer(
    "mnist.denoise",
    "beta-noise-at-the-end",
    swap=[("    if not stochastic or t == 0:\n", "    if not stochastic:\n"), ("((1 - before) / (1 - alpha_bar) * beta).sqrt()", "beta.sqrt()")],
    says="""Even the last step adds noise, so every finished picture is grainy; and its variance is beta_t, where the posterior's is asked for.""",
    source="Ho et al. 2020, Algorithm 2, line 3",
)
answer(
    "mnist.denoise",
    "always-noise",
    swap=[("    if not stochastic or t == 0:\n", "    if t == 0:\n")],
    says="""Noise comes in even if `stochastic` is false.""",
    source="plausible",
)
answer(
    "mnist.denoise",
    "never-noise",
    swap=[("    if not stochastic or t == 0:\n        return mean\n    return mean + ((1 - before) / (1 - alpha_bar) * beta).sqrt() * torch.randn_like(x_t)", "    return mean")],
    says="""All draws from one image are the same: it is always the mean that you return.""",
    source="plausible",
)
answer(
    "mnist.denoise",
    "flag-turned-round",
    swap=[("    if not stochastic or t == 0:\n", "    if stochastic or t == 0:\n")],
    says="""With and without noise have changed places.""",
    source="plausible",
)
answer(
    "mnist.denoise",
    "shared-by-images",
    swap=[("torch.randn_like(x_t)", "torch.randn_like(x_t[:1])")],
    says="""All images get the same noise in a step. Every image needs its own.""",
    source="plausible",
)
answer(
    "mnist.denoise",
    "grey-noise",
    swap=[("torch.randn_like(x_t)", "torch.randn_like(x_t[:, :1])")],
    says="""All channels of an image get the same noise. Every channel needs its own.""",
    source="plausible",
)
answer(
    "mnist.denoise",
    "uniform",
    swap=[("torch.randn_like(x_t)", "torch.rand_like(x_t)")],
    says="""Your noise is never negative: the mean of the draws is off. Look at which of PyTorch's random functions draws what.""",
    source="plausible",
)
answer(
    "mnist.denoise",
    "weights-swapped",
    swap=[("before.sqrt() * beta * x0 + (1 - beta).sqrt() * (1 - before) * x_t", "before.sqrt() * beta * x_t + (1 - beta).sqrt() * (1 - before) * x0")],
    says="""x_0 and x_t have each other's weight in the mean. Near the end, which of the two counts for nearly everything?""",
    source="plausible",
)
answer(
    "mnist.denoise",
    "no-roots",
    swap=[("before.sqrt() * beta * x0 + (1 - beta).sqrt() * (1 - before) * x_t", "before * beta * x0 + (1 - beta) * (1 - before) * x_t")],
    says="""In the mean's weights two roots are missing: compare them, letter by letter, with Ho et al.'s equation 7.""",
    source="plausible",
)
answer(
    "mnist.denoise",
    "bar-of-t",
    swap=[("before.sqrt() * beta * x0", "alpha_bar.sqrt() * beta * x0")],
    says="""The weight of x_0 has the signal's share at t. In Ho et al.'s equation 7 it has that of the level below.""",
    source="plausible: an overlooked index",
)
answer(
    "mnist.denoise",
    "bar-for-alpha",
    swap=[("(1 - beta).sqrt() * (1 - before) * x_t", "alpha_bar.sqrt() * (1 - before) * x_t")],
    says="""The weight of x_t has the alpha of all steps where that of a single step is meant. A bar is easily overlooked.""",
    source="plausible",
)
answer(
    "mnist.denoise",
    "network-one-late",
    swap=[("torch.full((len(x_t),), t, device=x_t.device)", "torch.full((len(x_t),), t + 1, device=x_t.device).clamp(max=self.T - 1)")],
    says="""x_0 is predicted as if x_t were at level t + 1. Here t begins with 0 everywhere.""",
    source="plausible: index conventions",
)
answer(
    "mnist.denoise",
    "prediction-returned",
    swap=[("    if not stochastic or t == 0:\n        return mean\n", "    mean = x0\n    if not stochastic or t == 0:\n        return mean\n")],
    says="""You jump to the predicted x_0 in one step, and x_t has no say. At t = 0 this is right; before, the step goes only a part of the way.""",
    source="plausible",
)
answer(
    "mnist.denoise",
    "noised-again",
    swap=[("    if not stochastic or t == 0:\n        return mean\n    return mean + ((1 - before) / (1 - alpha_bar) * beta).sqrt() * torch.randn_like(x_t)",
           "    return before.sqrt() * x0 + stochastic * (1 - before).sqrt() * torch.randn_like(x_t)")],
    says="""Your step noises the predicted x_0 afresh and forgets x_t. The posterior knows both.""",
    source="Bansal et al. 2022, Algorithm 1",
)
answer(
    "mnist.denoise",
    "ddim",
    swap=[("    mean = (before.sqrt() * beta * x0 + (1 - beta).sqrt() * (1 - before) * x_t) / (1 - alpha_bar)\n",
           """    variance = (1 - before) / (1 - alpha_bar) * beta * stochastic
    mean = before.sqrt() * x0 + (1 - before - variance).sqrt() * (x_t - alpha_bar.sqrt() * x0) / (1 - alpha_bar).sqrt()
""")],
    says="""With noise your step is right, without it you do a step of DDIM, which keeps the predicted noise at its full size. The mean of the posterior is
    another point, although handout P mixes up the two names.""",
    source="handout P calls the mean-only sampler DDIM; Song, Meng and Ermon 2020, eq. 12",
)
answer(
    "mnist.denoise",
    "never-cut",
    swap=[("    x0 = self.predict_x0(x_t, torch.full((len(x_t),), t, device=x_t.device))\n",
           """    clip, self.clip = self.clip, False
    x0 = self.predict_x0(x_t, torch.full((len(x_t),), t, device=x_t.device))
    self.clip = clip
""")],
    says="""Your step is right where nothing is cut. With self.clip the predicted x_0 is to be cut to [-1, 1] before it enters the mean, which formulas that go
    straight from the noise to the mean leave out.""",
    source="Ho et al. 2020's code clips, their Algorithm 2 does not",
)
answer(
    "mnist.denoise",
    "result-cut",
    swap=[("        return mean\n", "        return mean.clamp(-1, 1)\n")],
    says="""The result of the step itself is cut to [-1, 1]. Between the steps images are noisy and may leave that range; only predictions of x_0 are cut, and only with
    self.clip.""",
    source="plausible",
)
answer(
    "mnist.denoise",
    "algorithm-2-for-all",
    swap=[("    mean = (before.sqrt() * beta * x0 + (1 - beta).sqrt() * (1 - before) * x_t) / (1 - alpha_bar)\n",
           """    out = self.network(x_t, torch.full((len(x_t),), t, device=x_t.device))
    mean = (x_t - beta / (1 - alpha_bar).sqrt() * out) / (1 - beta).sqrt()
""")],
    says="""This is the mean of Algorithm 2, which takes the network's output for noise and cuts nothing. Here a network may predict x_0 or v as well, and self.clip has
    its say: go through the predicted x_0.""",
    source="Ho et al. 2020, Algorithm 2",
)

answer(
    "mnist.sample",
    "upwards",
    swap=[("reversed(range(self.T))", "range(self.T)")],
    says="""Your steps run from t = 0 upwards. Sampling begins with the noisiest level.""",
    source="plausible",
)
answer(
    "mnist.sample",
    "stops-early",
    swap=[("reversed(range(self.T))", "reversed(range(1, self.T))")],
    says="""The last step, at t = 0, is missing: the pictures keep a rest of noise.""",
    source="plausible: the loop of notebooks that count from 1",
)
answer(
    "mnist.sample",
    "starts-late",
    swap=[("reversed(range(self.T))", "reversed(range(self.T - 1))")],
    says="""The first step, at t = T - 1, is missing. Where does a range end?""",
    source="plausible",
)
answer(
    "mnist.sample",
    "uniform-start",
    swap=[("torch.randn(n,", "torch.rand(n,")],
    says="""Your samples begin with numbers between 0 and 1. What is the law of the images when all signal has gone?""",
    source="plausible",
)
answer(
    "mnist.sample",
    "zero-start",
    swap=[("torch.randn(n,", "torch.zeros(n,")],
    says="""All your samples begin with the same empty image.""",
    source="plausible",
)
answer(
    "mnist.sample",
    "shared-start",
    swap=[("torch.randn(n, *self.shape, device=device)", "torch.randn(1, *self.shape, device=device).repeat(n, 1, 1, 1)")],
    says="""All samples of a call begin with the same noise: they are relatives of each other. Every image needs its own start.""",
    source="plausible",
)
answer(
    "mnist.sample",
    "start-ignored",
    swap=[(" if x_T is None else x_T", "")],
    says="""The x_T that is handed in has no effect: equal starts give different pictures.""",
    source="plausible",
)
answer(
    "mnist.sample",
    "always-noise",
    swap=[("self.denoise(x, t, stochastic)", "self.denoise(x, t)")],
    says="""Noise comes in even if `stochastic` is false: the argument gets lost on the way to the steps.""",
    source="plausible",
)
answer(
    "mnist.sample",
    "never-noise",
    swap=[("self.denoise(x, t, stochastic)", "self.denoise(x, t, False)")],
    says="""No step adds noise, even if `stochastic` is true: the argument gets lost on the way to the steps.""",
    source="plausible",
)
answer(
    "mnist.sample",
    "frames-before",
    swap=[("""        x = self.denoise(x, t, stochastic)
        if frames is not None and t in frames:
            kept.append(x)
""", """        if frames is not None and t in frames:
            kept.append(x)
        x = self.denoise(x, t, stochastic)
""")],
    says="""The images are right, but each frame is kept one step too early: it is what goes into the step at its t, not what comes out.""",
    source="plausible",
)
answer(
    "mnist.sample",
    "frames-turned-round",
    swap=[("(x, kept)", "(x, kept[::-1])")],
    says="""The images are right, but the frames come back from the last to the first.""",
    source="plausible",
)
answer(
    "mnist.sample",
    "frames-as-given",
    swap=[("(x, kept)", "(x, [dict(zip([t for t in reversed(range(self.T)) if t in frames], kept))[t] for t in frames])")],
    says="""Your frames come in the order in which their t were asked for. They should come in the order of sampling.""",
    source="plausible",
)
answer(
    "mnist.sample",
    "frames-by-step",
    swap=[("t in frames", "self.T - 1 - t in frames")],
    says="""Your frames are chosen by the number of steps done so far. They are asked for by t, which counts down.""",
    source="plausible",
)
answer(
    "mnist.sample",
    "all-frames",
    swap=[("if frames is not None and t in frames", "if frames is not None")],
    says="""Every step is kept, whatever was asked for.""",
    source="plausible",
)
answer(
    "mnist.sample",
    "frames-not-returned",
    swap=[("return x if frames is None else (x, kept)", "return x")],
    says="""With frames a pair is asked for; you return the images alone.""",
    source="plausible",
)
answer(
    "mnist.sample",
    "frames-always",
    swap=[("return x if frames is None else (x, kept)", "return x, kept")],
    says="""A pair comes back even if nobody asked for frames.""",
    source="plausible",
)
answer(
    "mnist.sample",
    "end-cut",
    swap=[("return x if frames is None else (x, kept)", "x = x.clamp(-1, 1)\n    return x if frames is None else (x, kept)")],
    says="""The images are cut at the end even if the process does not clip. To display them there is to_display.""",
    source="plausible",
)
answer(
    "mnist.sample",
    "one-jump",
    swap=[("x = self.denoise(x, t, stochastic)", "x = self.denoise(x, t, stochastic) if t else self.predict_x0(x_start, torch.full((n,), self.T - 1))"), ("    kept = []\n", "    kept, x_start = [], x\n")],
    says="""Your images are those that the network predicts from pure noise, in one jump. That is the mean of all images which could have become this noise; the steps
    in between are what makes a picture out of it.""",
    source="plausible",
)
answer(
    "mnist.sample",
    "every-second",
    swap=[("reversed(range(self.T))", "list(reversed(range(self.T)))[::2]")],
    says="""Every second step is left out, but the others are not made any longer: each goes down by one level only, and the next one takes its images for cleaner
    than they are.""",
    source="plausible: fewer steps as with DDIM, without its step size",
)

# ---- network and training

# ------------------------------------------------------------------------------------------------ unet.time_embedding

RATES = "rates = torch.exp(-math.log(10000.0) * torch.arange(dim // 2, device=t.device) / (dim // 2))"

for name, swap, says, source in (
    (
        "last-rate-in",
        [(RATES, RATES.replace("/ (dim // 2))", "/ max(1, dim // 2 - 1))"))],
        """Your rates reach 1/10000 with their last column; those asked for stop one step before it. Look at the last k and at what it is
        divided by. (Notebook 02 and the DDPM paper's code do it your way, so both are found in libraries.)""",
        "Ho et al. 2020, published code: half_dim - 1",
    ),
    (
        "last-rate-in-by-plain-division",
        [(RATES, RATES.replace("/ (dim // 2))", "/ (dim // 2 - 1))"))],
        """Your rates reach 1/10000 with their last column; those asked for stop one step before it, and with dim = 2 yours are NaN. Look at the
        last k and at what it is divided by. (Notebook 02 and the DDPM paper's code do it your way, so both are found in libraries.)""",
        "Ho et al. 2020, published code: half_dim - 1",
    ),
    (
        "interleaved",
        [("torch.cat([torch.sin(angles), torch.cos(angles)], dim=1)", "torch.stack([torch.sin(angles), torch.cos(angles)], dim=2).flatten(1)")],
        """All your numbers are right, but sines and cosines alternate. Compare the order of the columns with the docstring.""",
        "Vaswani et al. 2017, section 3.5, has this order",
    ),
    (
        "cosines-first",
        [("[torch.sin(angles), torch.cos(angles)]", "[torch.cos(angles), torch.sin(angles)]")],
        """Sines and cosines have changed places: at t = 0 the first half should be zeros.""",
        "flip_sin_to_cos of the diffusers library",
    ),
    (
        "sines-only",
        [("[torch.sin(angles), torch.cos(angles)]", "[torch.sin(angles), torch.sin(angles)]")],
        """The second half repeats the first. A sine alone cannot tell two times apart at which its wave has the same height; what stands in
        the other half?""",
        "plausible",
    ),
    (
        "rates-of-dim",
        [(RATES, RATES.replace("/ (dim // 2))", "/ dim)"))],
        """Your rates fall too slowly: the slowest wave is a hundred times faster than it should be. By which number is k divided in the docstring?""",
        "plausible",
    ),
    (
        "rates-grow",
        [("-math.log(10000.0)", "math.log(10000.0)")],
        """Your rates grow with k, up to thousands of radians for one step of t. Look at the sign of the exponent.""",
        "plausible",
    ),
    (
        "time-scaled",
        [("t[:, None] * rates", "t[:, None] / 1000 * rates")],
        """Your waves are a thousand times too slow: the numbers hardly change from one t to the next. The docstring multiplies t itself.""",
        "plausible; score networks with t in [0, 1] need the opposite factor",
    ),
    (
        "two-pi",
        [("t[:, None] * rates", "2 * math.pi * t[:, None] * rates")],
        """There is a factor 2 pi in your angles. With rate 1 and whole t, the first sine is then always zero.""",
        "Tancik et al. 2020 (random Fourier features) have it",
    ),
    (
        "one-time-for-all",
        [("t[:, None] * rates", "t[:1, None].expand(len(t), 1) * rates")],
        """Every row has the embedding of the first row's time. In training each image has its own t.""",
        "plausible",
    ),
    (
        "whole-exponents",
        [(RATES, "rates = 10000.0 ** -(torch.arange(dim // 2, device=t.device) // (dim // 2)).float()")],
        """All your rates are 1, so that all columns are the same wave. What does a whole-number division give for k below dim/2?""",
        "plausible",
    ),
    (
        "from-one",
        [("torch.arange(dim // 2, device=t.device)", "torch.arange(1, dim // 2 + 1, device=t.device)")],
        """Your rates begin with the second one. Which k is the first, and what is its rate?""",
        "plausible",
    ),
    (
        "shorter-period",
        [("math.log(10000.0)", "math.log(1000.0)")],
        """Your rates fall from 1 as they should, but not as far: look at the number whose power is taken.""",
        "plausible: the number of steps taken for the period",
    ),
    (
        "double",
        [("torch.sin(angles), torch.cos(angles)], dim=1)", "torch.sin(angles), torch.cos(angles)], dim=1).double()")],
        """The numbers are right, but in float64, which a linear layer with float32 weights refuses.""",
        "plausible",
    ),
    (
        "base-ten-logarithm",
        [("math.log(10000.0)", "math.log10(10000.0)")],
        """Your rates fall much too slowly: the logarithm and the exponential that you combine belong to two different bases.""",
        "plausible",
    ),
):
    answer("unet.time_embedding", name, swap=swap, says=says, source=source)

# ------------------------------------------------------------------------------------------------------- unet.block

def changed(cell, swaps):
    """A cell with fragments replaced, each of which stands there exactly once."""
    for old, new in swaps:
        assert cell.count(old) == 1, (old, cell.count(old))
        cell = cell.replace(old, new)
    return cell


BLOCK = '''
class ResidualBlock(nn.Module):
    def __init__(self, channels_in, channels_out, time_dim):
        super().__init__()
        self.time = nn.Linear(time_dim, 8)
        self.first = nn.Conv2d(channels_in + 8, channels_out, 3, padding=1)
        self.second = nn.Conv2d(channels_out, channels_out, 3, padding=1)
        self.by_pass = nn.Conv2d(channels_in, channels_out, 1) if channels_in != channels_out else nn.Identity()

    def forward(self, x, emb):
        maps = self.time(emb)[:, :, None, None].expand(-1, -1, *x.shape[2:])
        h = self.first(F.silu(torch.cat([x, maps], dim=1)))
        return self.by_pass(x) + self.second(F.silu(h))
'''
MAPS = "maps = self.time(emb)[:, :, None, None].expand(-1, -1, *x.shape[2:])"
FIRST = "h = self.first(F.silu(torch.cat([x, maps], dim=1)))"
SECOND = "return self.by_pass(x) + self.second(F.silu(h))"
BY_PASS = "nn.Conv2d(channels_in, channels_out, 1) if channels_in != channels_out else nn.Identity()"

for name, swap, says, source in (
    (
        "no-by-pass",
        [(SECOND, "return self.second(F.silu(h))"), ("self.by_pass = " + BY_PASS, "pass")],
        """With zero weights nothing comes out of your block: x does not pass by the convolutions. Where does the residual come in?""",
        "He et al. 2016, Deep residual learning",
    ),
    (
        "by-pass-always-convolved",
        [(BY_PASS, "nn.Conv2d(channels_in, channels_out, 1)")],
        """Your by-pass has weights even where the channels are equal, so that x does not pass unchanged. When is its convolution needed?""",
        "He et al. 2016, section 3.2: projections only where sizes differ",
    ),
    (
        "by-pass-of-3x3",
        [(BY_PASS, BY_PASS.replace("channels_out, 1)", "channels_out, 3, padding=1)"))],
        """What passes by the two convolutions is mixed with its neighbours on the way. Which kernel leaves pixels apart?""",
        "plausible",
    ),
    (
        "activation-after-the-sum",
        [(SECOND, "return F.silu(self.by_pass(x) + self.second(F.silu(h)))")],
        """With zero weights x comes out slightly smaller: something acts on the sum as well. What may happen to x on its way past?""",
        "He et al. 2016, Identity mappings in deep residual networks",
    ),
    (
        "divided-sum",
        [(SECOND, "return (self.by_pass(x) + self.second(F.silu(h))) / math.sqrt(2)")],
        """With zero weights x comes out divided by the square root of two. Some networks do this on purpose; here x passes unchanged.""",
        "Song et al. 2021: skip_rescale",
    ),
    (
        "by-pass-activated-in-place",
        [(FIRST, "h = self.first(torch.cat([F.silu(x, inplace=True), maps], dim=1))")],
        """Your block changes the x it was given, so that what passes by is no longer x, and neither is the caller's tensor. Which operation
        writes its result into its argument?""",
        "plausible",
    ),
    (
        "time-forgotten",
        [(MAPS, "maps = self.time(0 * emb)[:, :, None, None].expand(-1, -1, *x.shape[2:])")],
        """Another time changes nothing in the output of your block. Follow emb through forward: where does it get lost?""",
        "plausible",
    ),
    (
        "one-time-for-all",
        [(MAPS, "maps = self.time(emb[:1])[:, :, None, None].expand(len(x), -1, *x.shape[2:])")],
        """All images of a batch share one time. Each row of emb belongs to the row of x with the same number.""",
        "plausible",
    ),
    (
        "time-after-the-last-convolution",
        [
            ("nn.Conv2d(channels_in + 8, channels_out, 3, padding=1)", "nn.Conv2d(channels_in, channels_out, 3, padding=1)"),
            ("nn.Linear(time_dim, 8)", "nn.Linear(time_dim, channels_out)"),
            (FIRST, "h = self.first(F.silu(x))"),
            (SECOND, "return self.by_pass(x) + self.second(F.silu(h)) + maps"),
        ],
        """What the time changes in your block is the same whatever x is: it comes in after both convolutions, which never see it.""",
        "plausible",
    ),
    (
        "second-unused",
        [("self.second(F.silu(h))", "F.silu(h)")],
        """The second convolution has no part in the result. A pixel sees only its direct neighbours, and weights of the block get no gradient.""",
        "plausible",
    ),
    (
        "first-of-1x1",
        [("nn.Conv2d(channels_in + 8, channels_out, 3, padding=1)", "nn.Conv2d(channels_in + 8, channels_out, 1)")],
        """A pixel sees its direct neighbours and no further: only one of your two convolutions looks around. Compare their kernels.""",
        "plausible",
    ),
    (
        "both-of-1x1",
        [
            ("nn.Conv2d(channels_in + 8, channels_out, 3, padding=1)", "nn.Conv2d(channels_in + 8, channels_out, 1)"),
            ("nn.Conv2d(channels_out, channels_out, 3, padding=1)", "nn.Conv2d(channels_out, channels_out, 1)"),
        ],
        """In your block every pixel is alone: neither convolution looks at a neighbour. Compare their kernels with the docstring.""",
        "plausible",
    ),
    (
        "no-padding",
        [("nn.Conv2d(channels_out, channels_out, 3, padding=1)", "nn.Conv2d(channels_out, channels_out, 3)")],
        """One of the convolutions makes the picture two pixels smaller, so that it no longer fits to what passes by. What keeps the size?""",
        "Ronneberger et al. 2015 work without padding and crop",
    ),
    (
        "no-activation",
        [(FIRST, "h = self.first(torch.cat([x, maps], dim=1))"), ("self.second(F.silu(h))", "self.second(h)")],
        """Your block is linear in x: two convolutions with nothing between them are one larger convolution.""",
        "plausible",
    ),
    (
        "no-activation-between",
        [("self.second(F.silu(h))", "self.second(h)")],
        """Nothing stands between your two convolutions, so that together they are a single linear one: two neighbouring pixels act on the output
        without knowing of each other.""",
        "plausible",
    ),
    (
        "batch-norm",
        [
            ("self.second = nn.Conv2d(channels_out, channels_out, 3, padding=1)", "self.second = nn.Conv2d(channels_out, channels_out, 3, padding=1)\n        self.norm = nn.BatchNorm2d(channels_out)"),
            ("self.second(F.silu(h))", "self.second(F.silu(self.norm(h)))"),
        ],
        """In train mode an image's features depend on the other images of the batch, which have other noise levels. Which normalisation takes its
        mean over the batch, and which ones do not?""",
        "Ho et al. 2020, appendix B: group normalisation",
    ),
    (
        "time-taken-away-by-the-norm",
        [
            ("nn.Conv2d(channels_in + 8, channels_out, 3, padding=1)", "nn.Conv2d(channels_in, channels_out, 3, padding=1)"),
            ("nn.Linear(time_dim, 8)", "nn.Linear(time_dim, channels_out)"),
            (FIRST, "h = F.instance_norm(self.first(F.silu(x)) + maps)"),
        ],
        """Time comes into your block, and yet changes nothing: it adds one number to each channel, and what follows takes each channel's mean away.
        In which order do normalisation and time work together?""",
        "plausible; found while this judge was made",
    ),
    (
        "always-dropout",
        [("self.second(F.silu(h))", "self.second(F.dropout(F.silu(h), 0.1))")],
        """In eval mode the same question gets two different answers: something random is still at work. Does your dropout know of the mode?""",
        "torch documentation: F.dropout drops in eval mode too unless told otherwise",
    ),
):
    answer("unet.block", name, cell=changed(BLOCK, swap), says=says, source=source)

# ------------------------------------------------------------------------------------------------------- unet.model

MODEL = '''
class DiffusionModel(nn.Module):
    def __init__(self, image_size, channels, width=16, time_dim=64):
        super().__init__()
        self.time_dim = time_dim
        self.time = nn.Sequential(nn.Linear(time_dim, time_dim), nn.SiLU(), nn.Linear(time_dim, time_dim), nn.SiLU())
        self.stem = nn.Conv2d(channels, width, 3, padding=1)
        self.down_full = ResidualBlock(width, width, time_dim)
        self.to_half = nn.Conv2d(width, 2 * width, 3, stride=2, padding=1)
        self.down_half = ResidualBlock(2 * width, 2 * width, time_dim)
        self.to_quarter = nn.Conv2d(2 * width, 4 * width, 3, stride=2, padding=1)
        self.middle = nn.ModuleList([ResidualBlock(4 * width, 4 * width, time_dim) for _ in range(2)])
        self.up_to_half = nn.Conv2d(4 * width, 2 * width, 1)
        self.up_half = ResidualBlock(4 * width, 2 * width, time_dim)
        self.up_to_full = nn.Conv2d(2 * width, width, 1)
        self.up_full = ResidualBlock(2 * width, width, time_dim)
        self.head = nn.Conv2d(width, channels, 3, padding=1)

    def forward(self, x, t):
        emb = self.time(time_embedding(t, self.time_dim))
        full = self.down_full(self.stem(x), emb)
        half = self.down_half(self.to_half(full), emb)
        h = self.to_quarter(half)
        for block in self.middle:
            h = block(h, emb)
        h = F.interpolate(self.up_to_half(h), scale_factor=2, mode="nearest")
        h = self.up_half(torch.cat([h, half], dim=1), emb)
        h = F.interpolate(self.up_to_full(h), scale_factor=2, mode="nearest")
        return self.head(F.silu(self.up_full(torch.cat([h, full], dim=1), emb)))
'''
JOIN_HALF = "h = self.up_half(torch.cat([h, half], dim=1), emb)"
JOIN_FULL = "self.up_full(torch.cat([h, full], dim=1), emb)"
UP_TO_HALF = 'h = F.interpolate(self.up_to_half(h), scale_factor=2, mode="nearest")'
UP_TO_FULL = 'h = F.interpolate(self.up_to_full(h), scale_factor=2, mode="nearest")'
HEAD = "return self.head(F.silu(" + JOIN_FULL + "))"
EMB = "emb = self.time(time_embedding(t, self.time_dim))"
TIME = "self.time = nn.Sequential(nn.Linear(time_dim, time_dim), nn.SiLU(), nn.Linear(time_dim, time_dim), nn.SiLU())"

for name, swap, says, source in (
    (
        "no-skip-full",
        [(JOIN_FULL, "self.up_full(torch.cat([h, h], dim=1), emb)")],
        """Everything in your output has been through half the image's size: the features of the full image are not joined to the way up, so fine
        strokes are lost. Which map of the way down has that size?""",
        "Ronneberger et al. 2015",
    ),
    (
        "no-skip-half",
        [(JOIN_HALF, "h = self.up_half(torch.cat([h, h], dim=1), emb)")],
        """The skip at half the size is missing: what the way down makes there gets up again only through a quarter. Which map of the way down has
        that size?""",
        "Ronneberger et al. 2015",
    ),
    (
        "no-skips",
        [(JOIN_FULL, "self.up_full(torch.cat([h, h], dim=1), emb)"), (JOIN_HALF, "h = self.up_half(torch.cat([h, h], dim=1), emb)")],
        """Your network has no skips: all goes through the narrow bottom, as in an autoencoder. What should be joined at each size?""",
        "plausible",
    ),
    (
        "skip-of-the-image",
        [
            ("self.up_full = ResidualBlock(2 * width, width, time_dim)", "self.up_full = ResidualBlock(width + channels, width, time_dim)"),
            ("h = self.to_quarter(half)", "h, full = self.to_quarter(half), x"),
        ],
        """The image itself is joined on the way up instead of the features that were made of it on the way down: what the first block learns
        reaches the output only through smaller sizes.""",
        "plausible",
    ),
    (
        "same-skip-twice",
        [
            ("self.up_half = ResidualBlock(4 * width, 2 * width, time_dim)", "self.up_half = ResidualBlock(3 * width, 2 * width, time_dim)"),
            (JOIN_HALF, "h = self.up_half(torch.cat([h, F.avg_pool2d(full, 2)], dim=1), emb)"),
        ],
        """At half the size, a shrunken copy of the full-size features is joined; the features that were made at half the size on the way down are
        never seen again. Are the skips taken in the right order?""",
        "plausible: skips taken from a list in the wrong order",
    ),
    (
        "bottom-lost",
        [(UP_TO_HALF, 'h = F.interpolate(self.up_to_half(0 * h), scale_factor=2, mode="nearest")')],
        """What happens at a quarter of the size never reaches the output, and some of your blocks are of no use. Follow h upwards from the bottom: where
        does it end?""",
        "plausible",
    ),
    (
        "no-context",
        [
            ("self.middle = nn.ModuleList([ResidualBlock(4 * width, 4 * width, time_dim) for _ in range(2)])", "self.middle = nn.ModuleList([nn.Conv2d(4 * width, 4 * width, 1)])"),
            ("h = block(h, emb)", "h = block(F.silu(h))"),
            ("ResidualBlock(width, width, time_dim)", "nn.Conv2d(width, width, 3, padding=1)"),
            ("ResidualBlock(2 * width, width, time_dim)", "nn.Conv2d(2 * width, width, 3, padding=1)"),
            ("ResidualBlock(2 * width, 2 * width, time_dim)", "nn.Conv2d(2 * width, 2 * width, 1)"),
            ("ResidualBlock(4 * width, 2 * width, time_dim)", "nn.Conv2d(4 * width, 2 * width, 1)"),
            ("self.time = nn.Sequential(nn.Linear(time_dim, time_dim), nn.SiLU(), nn.Linear(time_dim, time_dim), nn.SiLU())", "self.time = nn.Linear(time_dim, width)"),
            ("full = self.down_full(self.stem(x), emb)", "full = self.down_full(F.silu(self.stem(x) + emb[:, :, None, None]))"),
            ("self.down_half(self.to_half(full), emb)", "self.down_half(F.silu(self.to_half(full)))"),
            (JOIN_HALF, "h = self.up_half(F.silu(torch.cat([h, half], dim=1)))"),
            (JOIN_FULL, "self.up_full(torch.cat([h, full], dim=1))"),
        ],
        """A pixel of your output knows nothing of pixels fourteen away: at the small sizes every pixel is treated alone. What are the small sizes for?""",
        "plausible",
    ),
    (
        "time-forgotten",
        [(EMB, "emb = self.time(time_embedding(torch.zeros_like(t), self.time_dim))")],
        """Your output is the same for all t, so the network cannot know how much noise there is. Where does t get lost? (A division of whole numbers
        may leave nothing of it.)""",
        "plausible",
    ),
    (
        "one-time-for-all",
        [(EMB, "emb = self.time(time_embedding(t[:1].expand(len(t)), self.time_dim))")],
        """All images of a batch get the time of one of them. In training each image has its own t.""",
        "plausible",
    ),
    (
        "coarse-division",
        [(EMB, "emb = self.time(time_embedding(t // 2, self.time_dim))")],
        """Neighbouring times give the same output: t is made coarser before it is embedded. Which operation on whole numbers rounds?""",
        "plausible",
    ),
    (
        "parity-only",
        [(EMB, "emb = self.time(time_embedding(t % 2, self.time_dim))")],
        """Your output knows whether t is even or odd, and nothing else of it.""",
        "plausible: a positional embedding read along the wrong axis",
    ),
    (
        "time-added-to-the-output",
        [
            ("self.head = nn.Conv2d(width, channels, 3, padding=1)", "self.head = nn.Conv2d(width, channels, 3, padding=1)\n        self.last = nn.Linear(time_dim, channels)"),
            ("emb = self.time(", "when = self.time("),
            ("full = self.down_full(self.stem(x), emb)", "emb = torch.zeros_like(when)\n        full = self.down_full(self.stem(x), emb)"),
            (HEAD, HEAD + " + self.last(when)[:, :, None, None]"),
        ],
        """The time only adds a constant to each channel of your output, the same for all images. How noise is told from strokes should depend on
        the noise level: the layers have to see it.""",
        "plausible",
    ),
    (
        "batch-norm",
        [
            ("self.stem = nn.Conv2d(channels, width, 3, padding=1)", "self.stem = nn.Sequential(nn.Conv2d(channels, width, 3, padding=1), nn.BatchNorm2d(width))"),
        ],
        """In train mode an image's output depends on the other images of its batch, which have other noise levels. Which normalisation takes its mean
        over the batch?""",
        "Ho et al. 2020, appendix B: group normalisation",
    ),
    (
        "attention-over-the-batch",
        [
            ("self.up_to_half = nn.Conv2d(4 * width, 2 * width, 1)", "self.up_to_half = nn.Conv2d(4 * width, 2 * width, 1)\n        self.look = nn.MultiheadAttention(4 * width, 4)"),
            (UP_TO_HALF, "tokens = h.flatten(2).mT\n        h = h + self.look(tokens, tokens, tokens)[0].mT.reshape(h.shape)\n        " + UP_TO_HALF),
        ],
        """Even in eval mode an image's output depends on the other images of its batch. Along which axis does your attention (or mean, or softmax) look,
        and which axis comes first in its input?""",
        "torch documentation: batch_first is False by default",
    ),
    (
        "tanh-at-the-end",
        [(HEAD, "return torch.tanh(self.head(F.silu(" + JOIN_FULL + ")))")],
        """However large the weights, your outputs stay small: the last operation bounds them on both sides. Noise knows no bounds. (Pictures have
        them, but it is rarely pictures that the network is asked for.)""",
        "Radford et al. 2016 end a generator so",
    ),
    (
        "relu-at-the-end",
        [(HEAD, "return F.relu(self.head(F.silu(" + JOIN_FULL + ")))")],
        """Your outputs are never negative, but half of all noise is. What is the last operation?""",
        "plausible",
    ),
    (
        "unused-block",
        [("for block in self.middle:", "for block in self.middle[:1]:")],
        """There are weights in your network on which the output does not depend: a block was made and is never called, or what it gives is thrown away. Which
        one?""",
        "plausible",
    ),
    (
        "blocks-in-a-list",
        [("nn.ModuleList([ResidualBlock(4 * width, 4 * width, time_dim) for _ in range(2)])", "[ResidualBlock(4 * width, 4 * width, time_dim) for _ in range(2)]")],
        """A copy of your network that loads its state_dict() gives another output: some weights are not known to the module, so they are neither saved nor
        trained. What does a module not see into?""",
        "torch documentation: nn.ModuleList",
    ),
    (
        "frequencies-not-kept",
        [("self.time_dim = time_dim", "self.time_dim = time_dim\n        self.jitter = 1 + 0.1 * torch.randn(time_dim)"), (EMB, "emb = self.time(self.jitter * time_embedding(t, self.time_dim))"),
         ("self.stem = nn.Conv2d(channels, width, 3, padding=1)", "self.stem = nn.Conv2d(channels, width, 3, padding=1)\n        self.jitter.requires_grad_(False)"),
         ("h = self.to_quarter(half)", "h = self.to_quarter(half)\n        x.clamp_(-1, 1)")],
        """Your network holds random numbers that are not saved with its weights, and it also changes the images it is given.""",
        "plausible",
    ),
    (
        "image-changed",
        [("full = self.down_full(self.stem(x), emb)", "full = self.down_full(self.stem(x.sub_(x.mean((1, 2, 3), keepdim=True))), emb)")],
        """Your network changes the images that it is given, and the caller goes on to compute with them. Which operation writes into its argument?""",
        "plausible",
    ),
    (
        "always-dropout",
        [("h = self.to_quarter(half)", "h = F.dropout(self.to_quarter(half), 0.1)")],
        """In eval mode the same question gets two different answers: something random is still at work. Does your dropout know of the mode?""",
        "torch documentation: F.dropout drops in eval mode too unless told otherwise",
    ),
    (
        "grey-only",
        [("self.stem = nn.Conv2d(channels, width, 3, padding=1)", "self.stem = nn.Conv2d(1, width, 3, padding=1)"), ("self.head = nn.Conv2d(width, channels, 3, padding=1)", "self.head = nn.Conv2d(width, 1, 3, padding=1)")],
        """Your network works for images of one channel only. Which of its layers have to know the number of channels?""",
        "plausible",
    ),
    (
        "one-size-only",
        [(UP_TO_HALF, 'h = F.interpolate(self.up_to_half(h), size=(14, 14), mode="nearest")')],
        """Your network works for 28 x 28 only: a size is written into the way up as a number. What do both sizes have in common?""",
        "plausible",
    ),
    (
        "no-way-up",
        [(UP_TO_FULL, "h = self.up_to_full(h)"), (JOIN_FULL, "self.up_full(torch.cat([h, F.avg_pool2d(full, 2)], dim=1), emb)")],
        """Your output is smaller than the image. Count the steps down and the steps up.""",
        "plausible",
    ),
):
    sometimes = {"relu-at-the-end": ("time",)}  # not always are that many numbers 0
    answer("unet.model", name, cell=changed(MODEL, swap), says=says, source=source, varies=sometimes.get(name, ()))

answer(
    "unet.model",
    "raw-time",
    cell="""
class DiffusionModel(nn.Module):
    def __init__(self, image_size, channels):
        super().__init__()

        def convs(a, b, **options):
            return nn.Sequential(nn.Conv2d(a, b, 3, padding=1, **options), nn.ReLU(), nn.Conv2d(b, b, 3, padding=1), nn.ReLU())

        self.time = nn.Linear(1, 16)
        self.down = nn.ModuleList([convs(channels, 16), convs(16, 24, stride=2), convs(24, 32, stride=2)])
        self.up = nn.ModuleList([nn.Sequential(nn.Upsample(scale_factor=2), convs(32, 24)), nn.Sequential(nn.Upsample(scale_factor=2), convs(24, 16))])
        self.out = nn.Sequential(convs(16, 16), nn.Conv2d(16, channels, 1))

    def forward(self, x, t):
        full = self.down[0](x) + self.time(t[:, None].float())[:, :, None, None]
        half = self.down[1](full)
        h = self.up[0](self.down[2](half)) + half
        return self.out(self.up[1](h) + full)
""",
    says="""At large t the time drowns the image: it comes into the network as a number of up to 999, beside features of about 1. How large are the
    numbers of an embedding?""",
    source="plausible",
)

# -------------------------------------------------------------------------------------------------------- train.ema

COPY = "self.network = copy.deepcopy(network).requires_grad_(False)"
MOVE = "mean.lerp_(parameter, 1 - self.decay)"
LOOP = "for mean, parameter in zip(self.network.parameters(), network.parameters(), strict=True):\n            " + MOVE

for name, swap, says, source in (
    (
        "shares-swapped",
        [(MOVE, "mean.lerp_(parameter, self.decay)")],
        """Your average follows each new weight almost at once: the two shares have changed places. Which part stays with decay = 0.999?""",
        "plausible",
    ),
    (
        "no-copy",
        [(COPY, "self.network = network")],
        """Your average is the network itself: it moves when the network moves. Two names for one object make no copy.""",
        "plausible",
    ),
    (
        "no-copy-and-shrinks",
        [(COPY, "self.network = network"), (MOVE, "mean.mul_(self.decay).add_(parameter, alpha=1 - self.decay)")],
        """Your average is the network itself: two names for one object make no copy. So each update changes the network, too, and makes its weights smaller.""",
        "plausible",
    ),
    (
        "shared-weights",
        [(COPY, COPY.replace("deepcopy", "copy"))],
        """Your average has the same weights as the network, and moves when the network moves: a copy of the outer object still holds the same
        tensors. (So switching off gradients for one switches them off for both.)""",
        "Python documentation: copy",
    ),
    (
        "never-moved",
        [(LOOP, "for mean, parameter in zip(self.network.parameters(), network.parameters(), strict=True):\n            mean.lerp(parameter, 1 - self.decay)")],
        """Your average stays what it was at first: the new numbers are computed, and then? Where do they go?""",
        "plausible",
    ),
    (
        "from-zero",
        [(COPY, COPY + "\n        for mean in self.network.parameters():\n            mean.zero_()")],
        """Your average begins at zero instead of the network's weights, so that at first all weights are far too small.""",
        "Kingma and Ba 2015 begin at zero and correct for it",
    ),
    (
        "fixed-decay",
        [("1 - self.decay", "1 - 0.999")],
        """Your average moves by 0.001 whatever decay it was made with. Where is the argument used?""",
        "plausible",
    ),
    (
        "warm-up",
        [
            ("self.decay = decay", "self.decay = decay\n        self.count = 0"),
            (LOOP, "self.count += 1\n        decay = min(self.decay, (1 + self.count) / (10 + self.count))\n        " + LOOP.replace("self.decay", "decay")),
        ],
        """Your average moves faster in the first updates, as some libraries have it. It helps in short runs, but the docstring has the same decay
        at every update.""",
        "tf.train.ExponentialMovingAverage: num_updates",
    ),
    (
        "bias-corrected",
        [
            ("self.decay = decay", "self.decay = decay\n        self.count = 0"),
            (LOOP, "self.count += 1\n        " + LOOP.replace("1 - self.decay", "(1 - self.decay) / (1 - self.decay ** self.count)")),
        ],
        """After its first update your average is the network's weights: it is corrected as if it had begun at zero. Here it begins at the network.""",
        "Kingma and Ba 2015, section 3",
    ),
    (
        "gradients-on",
        [(COPY, "self.network = copy.deepcopy(network)")],
        """The numbers are right, but your average still asks for gradients. Which property of its parameters is that?""",
        "plausible",
    ),
    (
        "original-frozen",
        [(COPY, "self.network = copy.deepcopy(network.requires_grad_(False))")],
        """After your EMA has been made, the network itself gets no gradients any more and would never learn. For which of the two are they
        switched off?""",
        "plausible",
    ),
    (
        "moves-the-network",
        [(MOVE, "parameter.lerp_(mean, self.decay)")],
        """Your update changes the network that is being trained, and not its average. Which of the two is only read?""",
        "plausible",
    ),
    (
        "handed-back",
        [(MOVE, MOVE + "\n            parameter.copy_(mean)")],
        """Your average is right, but each update also puts it into the network that is being trained. The network is only read.""",
        "Zhang et al. 2019 (Lookahead) does something like it on purpose",
    ),
    (
        "whole-state",
        [(LOOP, "for mean, value in zip(self.network.state_dict().values(), network.state_dict().values(), strict=True):\n            mean.mul_(self.decay).add_((1 - self.decay) * value)")],
        """With a network that counts its batches your update stops: everything in its state is averaged, and a whole number cannot be. What is to be averaged?""",
        "plausible",
    ),
    (
        "matrices-only",
        [(MOVE, "if mean.ndim > 1:\n                " + MOVE)],
        """Some weights of your average never move: those of the biases stay what they were at first.""",
        "plausible",
    ),
    (
        "plain-mean",
        [
            ("self.decay = decay", "self.decay = decay\n        self.count = 1"),
            (LOOP, "self.count += 1\n        " + LOOP.replace("1 - self.decay", "1 / self.count")),
        ],
        """Your average gives all moments the same share, however long ago. Where does decay come in?""",
        "Polyak averaging",
    ),
):
    answer("train.ema", name, swap=swap, says=says, source=source)

# ----------------------------------------------------------------------------------------------------- train.script

ROWS = "rows = torch.randint(len(images), (batch_size,))"
MOVES = "ema.update(process.network)"
LOAD = "losses = [] if folder is None else checkpoints.load(folder, process, ema)"
END = 'end = float("inf") if minutes is None else time.monotonic() + 60 * minutes'
RANGE = 'progress_bar(range(len(losses) + 1, steps + 1), "training")'
EPOCH = """        if on_epoch is not None and step % epoch == 0:
            on_epoch(step // epoch, ema.network)
"""
SAVE = """        if folder is not None and step % save_every == 0:
            checkpoints.save(folder, process, ema, losses)
"""
OVER = """        if time.monotonic() > end:
            break
"""
LAST = """    if folder is not None:
        checkpoints.save(folder, process, ema, losses)
    return ema, losses"""

for name, swap, says, source in (
    (
        "average-never-moved",
        [("        " + MOVES + "\n", "")],
        """The average is still the network as it was at first. What has to happen after each step?""",
        "plausible",
    ),
    (
        "average-before-the-step",
        [("        " + MOVES + "\n", ""), (ROWS, MOVES + "\n        " + ROWS)],
        """Your average is one step behind: it is moved before the network is. In which order do the two happen in the docstring?""",
        "plausible",
    ),
    (
        "decay-not-handed-on",
        [("EMA(process.network, decay)", "EMA(process.network)")],
        """Your average moves by 0.001 at each step whatever `decay` is. Where is this argument used?""",
        "plausible",
    ),
    (
        "average-once-an-epoch",
        [("        " + MOVES + "\n", "        if step % epoch == 0:\n            " + MOVES + "\n")],
        """Your average moves once in an epoch instead of once in a step. How often is it updated in the docstring?""",
        "plausible",
    ),
    (
        "in-order",
        [(ROWS, "rows = torch.arange((step - 1) * batch_size, step * batch_size) % len(images)")],
        """Your batches follow the order of the images and repeat in every epoch. Sorted data would be learnt digit by digit; what does "drawn at random" ask for?""",
        "plausible",
    ),
    (
        "shuffled-once",
        [
            (LOAD, LOAD + "\n    order = torch.randperm(len(images), generator=torch.Generator().manual_seed(0))"),
            (ROWS, "rows = order[torch.arange((step - 1) * batch_size, step * batch_size) % len(images)]"),
        ],
        """You shuffle the images once, so that the same few batches come back in every epoch. When is each image drawn?""",
        "plausible",
    ),
    (
        "neighbours",
        [(ROWS, "rows = torch.randint(len(images) - batch_size + 1, (1,)) + torch.arange(batch_size)")],
        """Only the place where a batch begins is random; its images are neighbours. Each image of a batch is drawn for itself.""",
        "plausible",
    ),
    (
        "last-image-left-out",
        [("torch.randint(len(images), (batch_size,))", "torch.randint(len(images) - 1, (batch_size,))")],
        """There is an image that is never drawn. Does the upper end that you give belong to the numbers drawn?""",
        "torch documentation: randint's upper end is not included",
    ),
    (
        "same-seed-each-step",
        [(ROWS, "torch.manual_seed(0)\n        " + ROWS)],
        """Every step sees the same batch (and would draw the same noise): a seed that is set in the loop begins the random numbers again each time.""",
        "plausible",
    ),
    (
        "all-images",
        [("process.train_step(images[rows])", "process.train_step(images)")],
        """Each of your steps sees all images. How many belong to one?""",
        "plausible",
    ),
    (
        "steps-on-top",
        [(RANGE, 'progress_bar(range(len(losses) + 1, len(losses) + steps + 1), "training")')],
        """A run that goes on does `steps` further steps. In the docstring the earlier ones count too.""",
        "plausible",
    ),
    (
        "not-resumed",
        [(LOAD, "losses = []")],
        """A second run in the same folder begins again from the first step. Who puts back what the first one saved?""",
        "plausible",
    ),
    (
        "losses-of-this-run",
        [("return ema, losses", "return ema, losses[first:]"), (LOAD, LOAD + "\n    first = len(losses)")],
        """A run that goes on returns the losses of its own steps only. The docstring has one for each step since the very first.""",
        "plausible",
    ),
    (
        "average-begun-again",
        [(LOAD, LOAD + "\n    ema = EMA(process.network, decay)")],
        """A run that goes on has the right losses, but its average begins again at the network. Is the average that was loaded the one you go on with?""",
        "plausible",
    ),
    (
        "counted-from-here",
        [(RANGE, 'progress_bar(range(1, steps - len(losses) + 1), "training")')],
        """A run that goes on counts its own steps only: epochs and checkpoints begin again at its start. Both are counted from the very first step.""",
        "plausible",
    ),
    (
        "epochs-from-zero",
        [("on_epoch(step // epoch, ema.network)", "on_epoch(step // epoch - 1, ema.network)")],
        """Your first epoch has the number 0. Where does the docstring begin to count?""",
        "plausible",
    ),
    (
        "epoch-at-its-start",
        [("step % epoch == 0:\n            on_epoch(step // epoch, ema.network)", "step % epoch == 1:\n            on_epoch(step // epoch + 1, ema.network)")],
        """on_epoch is called after the first step of each epoch. Which step is an epoch's last?""",
        "plausible",
    ),
    (
        "epoch-gets-the-last-weights",
        [("on_epoch(step // epoch, ema.network)", "on_epoch(step // epoch, process.network)")],
        """on_epoch gets the network as it is after the last step, not the averaged one. From which of the two are samples drawn?""",
        "plausible",
    ),
    (
        "saved-at-the-end-only",
        [(SAVE, "")],
        """Your only checkpoint is that of the end: an interrupt loses the whole run. When is one due while it goes on?""",
        "plausible",
    ),
    (
        "not-saved-at-the-end",
        [(LAST, "    return ema, losses")],
        """The steps since the last regular checkpoint are lost when your run ends.""",
        "plausible",
    ),
    (
        "saved-at-every-step",
        [("if folder is not None and step % save_every == 0:", "if folder is not None:")],
        """There is a checkpoint after every step, which costs more time than the training itself. Which argument says how often?""",
        "plausible",
    ),
    (
        "saved-before-the-average",
        [("        " + MOVES + "\n", ""), (SAVE, SAVE + "        " + MOVES + "\n")],
        """Your checkpoints are made of two moments: network and losses after a step, the average before it. A run that goes on from one loses an update.
        (on_epoch sees the old average as well.)""",
        "plausible",
    ),
    (
        "own-random-numbers",
        [
            (LOAD, LOAD + "\n    generator = torch.Generator().manual_seed(torch.initial_seed())"),
            ("torch.randint(len(images), (batch_size,))", "torch.randint(len(images), (batch_size,), generator=generator)"),
        ],
        """After an interrupt your run sees other batches than one without a break: they come from a source of random numbers that the checkpoint does
        not know of. Which one does it save?""",
        "plausible",
    ),
    (
        "saved-while-interrupted",
        [
            ("        " + ROWS, "        if folder is not None:\n            checkpoints.save(folder, process, ema, losses[:-1] if len(losses) > 5 else losses)\n        " + ROWS),
        ],
        """Your checkpoints are not of one moment: the losses in them are fewer than the steps. Are they saved before a step has ended?""",
        "plausible",
    ),
    (
        "seconds",
        [("60 * minutes", "minutes")],
        """Your run ends far too early: the clock counts seconds.""",
        "plausible",
    ),
    (
        "clock-once-an-epoch",
        [("if time.monotonic() > end:", "if step % epoch == 0 and time.monotonic() > end:")],
        """Your run looks at the clock at the end of an epoch only, and an epoch may be longer than all the minutes there are.""",
        "plausible",
    ),
    (
        "minutes-forgotten",
        [(OVER, "")],
        """Your run goes on long after its minutes are over. Is the clock looked at after each step, and is it one that also goes on while the process
        waits?""",
        "plausible",
    ),
    (
        "folder-anyway",
        [(LOAD, 'folder = folder or "runs"\n    ' + LOAD)],
        """Something is written although no folder was given, and the next run would go on from it. What does folder=None stand for?""",
        "plausible",
    ),
):
    answer("train.script", name, swap=swap, says=says, source=source)

# ---- the size of the noise, and whose it is

answer(
    "mnist.add_noise",
    "dropped-out",
    swap=[("noise = torch.randn_like(x)", "noise = F.dropout(torch.randn_like(x), 0.05)")],
    says="""Some pixels get no noise at all and the others a little too much: there is a dropout behind the normal numbers. What does it do to
    their variance?""",
    source="plausible (dropout applied to the wrong tensor)",
)
for name, noise, says, source in (
    (
        "neighbours-share-noise",
        "torch.randn_like(x[: (len(x) + 1) // 2]).repeat_interleave(2, 0)[: len(x)]",
        """Two neighbouring images of the batch get the same noise. The mean of your loss is right, but half of the noise is missing. For how many
        images is noise needed?""",
        "plausible",
    ),
    (
        "halves-share-noise",
        "torch.randn_like(x[: (len(x) + 1) // 2]).repeat(2, 1, 1, 1)[: len(x)]",
        """The second half of the batch gets the same noise as the first. The mean of your loss is right, but half of the noise is missing. (If the
        noise was meant to come in opposite pairs: something is left out.)""",
        "Song et al. 2021 (DDIM), public code: antithetic draws; here of the noise, and without their sign",
    ),
    (
        "noise-clamped",
        "torch.randn_like(x).clamp(-2, 2)",
        """The variance of the noise in your steps is a few per cent too small, and no number of it is far from 0: something holds them back.""",
        "plausible: pixels are clamped, noise is not",
    ),
):
    answer(
        "mnist.train_step",
        name,
        swap=[("    noisy, noise = self.add_noise(x, t)\n", f"""    noise = {noise}
    bar = spread(self.alpha_bar[t], x)
    noisy = bar.sqrt() * x + (1 - bar).sqrt() * noise
""")],
        says=says,
        source=source,
    )
answer(
    "mnist.denoise",
    "noise-clamped",
    swap=[(".sqrt() * torch.randn_like(x_t)", ".sqrt() * torch.randn_like(x_t).clamp(-2, 2)")],
    says="""The variance of your steps' noise is a few per cent too small, and no number of it is far from 0: the noise is cut as images are. Which of
    the two has a bound?""",
    source="plausible: pixels are clamped, noise is not",
)
answer(
    "mnist.sample",
    "start-truncated",
    swap=[("torch.randn(n, *self.shape, device=device)", "torch.nn.init.trunc_normal_(torch.empty(n, *self.shape, device=device))")],
    says="""Your images start too close to 0, and no number is far out: these are normal numbers without their ends. Read in the documentation what
    your random function does beyond two standard deviations.""",
    source="Brock et al. 2019 (BigGAN): the truncation trick",
)
answer(
    "mnist.add_noise",
    "noise-standardised",
    swap=[("noise = torch.randn_like(x)", "noise = torch.randn_like(x)\n    noise = noise / noise.std()")],
    says="""With large batches your noise looks right, with a single small image it does not: its numbers are divided by their own spread, so they depend
    on each other. Standard normal numbers have spread 1 on average, not each time.""",
    source="plausible: normalisation as a habit",
)

# ---------------------------------------------------------------------- generators, modes, extremes

answer(
    "mnist.dequantise",
    "generator-copied",
    swap=[("    return (pixels.float()", GENERATOR_COPIED + "    return (pixels.float()")],
    says=COPIED_SAYS,
    source="plausible: made to repeat its numbers",
)
answer(
    "mnist.target",
    "one-t-for-all-that-are-near",
    swap=[("    alpha_bar = spread(self.alpha_bar[t], x0)\n",
           "    alpha_bar = self.alpha_bar[t]\n    if (alpha_bar - alpha_bar[0]).abs().max() < 0.05:\n        alpha_bar = alpha_bar[:1].expand(len(t))\n"
           "    alpha_bar = spread(alpha_bar, x0)\n")],
    says="""Where the ᾱ of a batch are near each other, all of your images get those of the first. Nearly is not enough: close to 1 a small difference of ᾱ
    makes a large one of √(1 - ᾱ).""",
    source="plausible: a shortcut for batches with one t",
)
answer(
    "mnist.train_step",
    "gradient-clipped",
    swap=[("    loss.backward()\n", "    loss.backward()\n    nn.utils.clip_grad_norm_(self.network.parameters(), 1.0)\n")],
    says="""Your losses are right, but a step is shorter than it should be where the gradient is long: it seems to be cut. That can help a training; here a
    step of self.optimizer with the gradient itself is asked for.""",
    source="plausible: a habit from other trainings",
)
answer(
    "mnist.train_step",
    "times-without-repeats",
    cell="""
@attach(DiffusionProcess)
def train_step(self, x):
    t = torch.randperm(self.T)[: len(x)]
    x = x[: len(t)]
    noisy, noise = self.add_noise(x, t)
    loss = F.mse_loss(self.network(noisy, t), self.target(x, noise, t))
    self.optimizer.zero_grad()
    loss.backward()
    self.optimizer.step()
    return loss.item()
""",
    says="""A batch of more than T images is not used whole: no two of your images may have the same t, so that there is none left for the last ones. Does each image
    draw its own t, whatever the others have?""",
    source="plausible: a permutation for independent draws",
)
answer(
    "unet.time_embedding",
    "late-times-cut",
    swap=[("    angles = t[:, None] * rates", "    angles = t.clamp(max=999)[:, None] * rates")],
    says="""All times from 1000 on look the same to your network. The formula knows no last t: the embedding is also used where T is larger.""",
    source="plausible: a table with a row for each of 1000 times",
)
answer(
    "unet.model",
    "embedding-remembered",
    cell=changed(MODEL, [("        emb = self.time(time_embedding(t, self.time_dim))\n", """\
        if self.training:
            emb = self.time(time_embedding(t, self.time_dim))
        else:
            self.known = getattr(self, "known", {})
            if tuple(t.tolist()) not in self.known:
                self.known[tuple(t.tolist())] = self.time(time_embedding(t, self.time_dim)).detach()
            emb = self.known[tuple(t.tolist())]
""")]),
    says="""In eval mode your network answers as its earlier weights would: something that depends on the weights is kept from an earlier call and used again. After
    the next step of training it is out of date.""",
    source="plausible: a cache",
)
answer(
    "train.script",
    "saved-before-the-average-to-the-end",
    swap=[
        ("        " + MOVES + "\n", ""),
        (SAVE, ""),
        (EPOCH, SAVE.replace("step % save_every == 0", "(step % save_every == 0 or step == steps)") + "        " + MOVES + "\n" + EPOCH),
        (OVER, OVER.replace("            break\n", "            if folder is not None:\n                checkpoints.save(folder, process, ema, losses)\n            break\n")),
        (LAST, "    return ema, losses"),
    ],
    says="""Your checkpoints are made of two moments, the last one too: network and losses after a step, the average before it. A run that goes on from one has
    lost an update of the average. What has to be done before a step is saved?""",
    source="plausible",
)
answer(
    "train.script",
    "not-saved-when-the-minutes-are-over",
    swap=[(SAVE, SAVE.replace("step % save_every == 0", "(step % save_every == 0 or step == steps)")), (LAST, "    return ema, losses")],
    says="""A run that ends because its steps are done leaves a checkpoint; one that ends because its minutes are over does not, and loses all since the last
    regular one. Which ways out of your loop are there?""",
    source="plausible: an early return",
)
answer(
    "mnist.betas",
    "cosine-between-two-limits",
    swap=[(".clamp(max=0.999)", ".clamp(0.0001, 0.9999)")],
    says="""Your cosine schedule is cut off at other limits than the docstring's: one that is too large above, and one below that is not asked for.""",
    source="the blog post \"The Annotated Diffusion Model\"",
)
answer(
    "mnist.denoise",
    "no-noise-at-one",
    swap=[("if not stochastic or t == 0:", "if not stochastic or t <= 1:")],
    says="""At t = 1 your step adds no noise. In notebook 04 the last step was the one from t = 1; here it is the one from t = 0.""",
    source="plausible: the numbering of notebook 04",
)
answer(
    "mnist.dequantise",
    "seed-of-its-own",
    swap=[("    return (pixels.float()", "    if generator is None:\n        generator = torch.Generator().manual_seed(0)\n    return (pixels.float()")],
    says="""Without a generator all calls add the same numbers: something sets a seed. Whoever calls you decides about seeds; None stands for torch's global generator.""",
    source="plausible: for the sake of reproducibility",
)
answer(
    "mnist.predict_x0",
    "dynamic-threshold",
    swap=[("    return out.clamp(-1, 1) if self.clip else out",
           "    largest = out.flatten(1).abs().quantile(0.995, dim=1).clamp(min=1)[:, None, None, None]\n    return out.clamp(-largest, largest) / largest if self.clip else out")],
    says="""Images that leave [-1, 1] are shrunk as a whole, so pixels that were inside move as well. Here only what lies outside is cut off.""",
    source="Saharia et al. 2022, section 2.3: dynamic thresholding",
)
answer(
    "mnist.predict_x0",
    "images-not-cut",
    swap=[("return out.clamp(-1, 1) if self.clip else out", "return out.clamp(-1, 1) if self.clip and self.predicts != \"x0\" else out")],
    says="""From networks that predict ε or v your images are cut, from one that predicts x₀ they are not. What a network says may lie outside of [-1, 1] there, too.""",
    source="plausible: an early return",
)
answer(
    "mnist.scale",
    "eight-bits",
    swap=[("return ((x + 1) / 2).clamp(0, 1)", "return ((x + 1) / 2 * 255).clamp(0, 255).to(torch.uint8).float() / 255")],
    says="""On the way back your numbers are rounded to 256 levels. Files need whole numbers; to display a picture, real ones will do.""",
    source="plausible: saving to a file in mind",
)
answer(
    "train.ema",
    "first-update-copies",
    swap=[("        for mean, parameter in zip", "        keep, self.begun = self.decay if hasattr(self, \"begun\") else 0.0, True\n        for mean, parameter in zip"),
          ("mean.lerp_(parameter, 1 - self.decay)", "mean.lerp_(parameter, 1 - keep)")],
    says="""Your first update takes the network as it is, and what the average began with is gone at once. Read what the average is at first, and which formula
    holds for every update.""",
    source="plausible: other averages begin like this",
)
answer(
    "train.script",
    "saved-before-the-average-in-the-loop",
    swap=[("        " + MOVES + "\n", ""), (SAVE, ""), (EPOCH, SAVE + "        " + MOVES + "\n" + EPOCH)],
    says="""Your checkpoints within a run are made of two moments: network and losses after a step, the average before it. A run that goes on from one loses an
    update. What has to be done before a step is saved?""",
    source="plausible",
)
answer(
    "train.script",
    "checkpoints-counted-from-here",
    swap=[(LOAD, LOAD + "\n    begun = len(losses)"), ("step % save_every == 0", "(step - begun) % save_every == 0")],
    says="""In a run that goes on, the steps between two checkpoints are counted from its own first step. They are counted from the very first one.""",
    source="plausible",
)
answer(
    "unet.block",
    "by-pass-after-the-norm",
    swap=[("h = self.first(torch.cat([F.silu(self.norm_in(x)), maps], dim=1))", "x = F.silu(self.norm_in(x))\n        h = self.first(torch.cat([x, maps], dim=1))")],
    says="""What passes by is not x: it has been normalised and activated before. With all convolutions at zero, what should a block return?""",
    source="plausible: a name used twice",
)
answer(
    "unet.block",
    "norm-over-the-whole-batch",
    swap=[("        self.norm_in = nn.GroupNorm(1, channels_in)", "        self.norm_in = lambda x: (x - x.mean()) / (x.var() + 1e-5).sqrt()"),
          ("        self.norm_between = nn.GroupNorm(1, channels_out)", "        self.norm_between = self.norm_in")],
    says="""An image's features depend on the other images of the batch, in eval mode too: mean and spread are taken over all of them. Over which axes does
    your norm go?""",
    source="plausible: a norm of one's own",
)
answer(
    "mnist.add_noise",
    "offset-noise",
    swap=[("noise = torch.randn_like(x)", "noise = torch.randn_like(x) + 0.1 * torch.randn_like(x[..., :1, :1])")],
    says="""The pixels of an image have a part of their noise in common, so that its mean brightness is noisy too. That helps some models to make dark pictures; here
    every number is independent of the others.""",
    source="Guttenberg 2023: diffusion with offset noise",
)
answer(
    "mnist.predict_x0",
    "division-held-back",
    swap=[("/ alpha_bar.sqrt()", "/ alpha_bar.sqrt().clamp(min=0.05)")],
    says="""Where hardly anything is left of the image, your x_0 from predicted noise is too small: what you divide by is kept from getting small. It is never 0; and
    if x_0 is too large, that is what the cut is for.""",
    source="plausible: the epsilon habit",
)
answer(
    "train.ema",
    "decay-of-the-class",
    swap=[("        self.decay = decay", "        EMA.decay = decay")],
    says="""A second average with another decay changes the first one's: the number is kept where all objects of the class see it.""",
    source="Python documentation: class and instance variables",
)
