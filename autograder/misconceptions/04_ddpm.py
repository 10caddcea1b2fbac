"""Known mistakes of notebook 04."""

from autograder.misconceptions.shared import COPIED_SAYS, GENERATOR_COPIED

# ---- data, schedules, forward, networks, conversions

answer(
    "ddpm.mixture",
    "weights-swapped",
    swap=[("< 2 / 3", "< 1 / 3")],
    says="""Your two heaps are in the right places, but the left one is the larger one. Which centre goes with which weight?""",
    source="plausible",
)
answer(
    "ddpm.mixture",
    "equal-weights",
    swap=[("< 2 / 3", "< 0.5")],
    says="""About as many of your numbers are left of 0 as right of it. The weights 1 : 2 are part of the exercise: they are what a sampler
    gets wrong first.""",
    source="plausible",
)
answer(
    "ddpm.mixture",
    "mixes-numbers",
    swap=[("torch.where(right, 4.0, -4.0)", "torch.full((n, 1), 4 * 2 / 3 - 4 / 3)")],
    says="""All your numbers lie in one heap, at the weighted mean of the two centres. A mixture does not average: every number comes from
    one component, and chance says which.""",
    source="plausible",
)
answer(
    "ddpm.mixture",
    "one-choice-for-all",
    swap=[("torch.rand(n, 1, generator=generator)", "torch.rand(1, 1, generator=generator)")],
    says="""Within one call all your numbers come from the same component, which changes from call to call. Each row has a choice of
    its own.""",
    source="plausible",
)
answer(
    "ddpm.mixture",
    "fixed-counts-in-order",
    swap=[("torch.rand(n, 1, generator=generator) < 2 / 3", "torch.arange(n)[:, None] >= n // 3")],
    says="""Your rows come sorted, first one component and then the other, so a row tells much about its neighbour. Rows are asked for that
    are independent.""",
    source="plausible",
)
answer(
    "ddpm.mixture",
    "fixed-counts-shuffled",
    swap=[("torch.rand(n, 1, generator=generator) < 2 / 3", "(torch.arange(n) >= n // 3)[torch.randperm(n)][:, None]")],
    says="""The order is random, but each call has a fixed number of rows from each component, so rows of one call know of each other, which
    small calls show. In independent draws the counts vary.""",
    source="plausible",
)
answer(
    "ddpm.mixture",
    "same-noise",
    swap=[("torch.randn(n, 1, generator=generator)", "torch.randn(1, 1, generator=generator)")],
    says="""All numbers of a component are equal: one normal number was drawn and added to every row. Each row needs its own.""",
    source="plausible",
)
answer(
    "ddpm.mixture",
    "no-second-axis",
    cell='''
def sample_mixture(n, generator=None):
    right = torch.rand(n, generator=generator) < 2 / 3
    return torch.where(right, 4.0, -4.0) + torch.randn(n, generator=generator)
''',
    says="""Your numbers are flat, of shape (n,). Here data are rows, also in one dimension: (n, 1). Mixing the two shapes is how the
    most famous mistake of this exercise comes about.""",
    source="handout E's validation loss: [B] against [B, 1]",
)

answer(
    "ddpm.normalize",
    "variance",
    swap=[("train.std(0)", "train.var(0)")],
    says="""Your second number is a variance, so what you divide by it does not end up with standard deviation 1.""",
    source="handout P's erratum: variance for standard deviation",
)
answer(
    "ddpm.normalize",
    "one-for-all-columns",
    swap=[("train.mean(0), train.std(0)", "train.mean().expand(train.shape[1]), train.std().expand(train.shape[1])")],
    says="""All columns have got the same mean and standard deviation, those of all numbers together. Each column has its own.""",
    source="plausible",
)
answer(
    "ddpm.normalize",
    "statistics-of-the-batch",
    swap=[("return (x - mean) / std", "return (x - x.mean(0)) / x.std(0)")],
    says="""You used the mean and spread of the rows that came in, so the same point gets another place in every batch, and a single row
    none at all. Validation data go through the training data's numbers too.""",
    source="plausible",
)
answer(
    "ddpm.normalize",
    "divides-first",
    swap=[("(x - mean) / std", "x / std - mean")],
    says="""Dividing and shifting are in the wrong order: the mean is in the data's units, so it has to act while x is too.""",
    source="plausible",
)
answer(
    "ddpm.normalize",
    "shifts-first-on-the-way-back",
    swap=[("return z * std + mean", "return (z + mean) * std")],
    says="""On the way back the steps come in the same order as on the way there. To undo two things, the last is undone first.""",
    source="plausible",
)
answer(
    "ddpm.normalize",
    "mean-forgotten-on-the-way-back",
    swap=[("return z * std + mean", "return z * std")],
    says="""Your way back has the right scale, but its numbers still lie around 0: what was taken away is not put back.""",
    source="plausible",
)
answer(
    "ddpm.normalize",
    "to-unit-interval",
    swap=[("train.mean(0), train.std(0)", "train.min(0).values, train.max(0).values - train.min(0).values")],
    says="""This is lowest value and range, which maps the data to the interval from 0 to 1. The diffusion ends in a normal with mean 0
    and standard deviation 1, and the data should begin at that scale.""",
    source="plausible",
)
answer(
    "ddpm.normalize",
    "in-place",
    swap=[("return (x - mean) / std", "return x.sub_(mean).div_(std)")],
    says="""The result is right, but your function overwrote the data that it was given: whoever normalises the same tensor twice, or
    plots it afterwards, gets nonsense.""",
    source="plausible",
)

answer(
    "ddpm.betas",
    "beta-zero-in-front",
    swap=[("torch.full((T,), beta)", "torch.cat([torch.zeros(1), torch.full((T,), beta)])")],
    says="""Your constant schedule has T + 1 numbers. There is no step 0: schedules hold beta_1 to beta_T, and only the tables of the
    process have an entry 0.""",
    source="plausible",
)
answer(
    "ddpm.betas",
    "last-not-reached",
    swap=[("torch.linspace(first, last, T)", "torch.linspace(first, last, T + 1)[:-1]")],
    says="""Your linear schedule stops one step short of its last value.""",
    source="plausible",
)
answer(
    "ddpm.betas",
    "first-left-out",
    swap=[("torch.linspace(first, last, T)", "first + (last - first) * torch.arange(1, T + 1) / T")],
    says="""Your linear schedule begins one step too late, so `first` is not in it.""",
    source="plausible",
)
answer(
    "ddpm.betas",
    "divides-by-zero",
    swap=[("torch.linspace(first, last, T)", "first + (last - first) * torch.arange(T) / (T - 1)")],
    says="""Your linear schedule is right but for T = 1, where it divides nothing by nothing.""",
    source="plausible",
)
answer(
    "ddpm.betas",
    "squares-the-betas",
    swap=[("torch.linspace(first**0.5, last**0.5, T) ** 2", "torch.linspace(first, last, T) ** 2")],
    says="""Your quadratic schedule ends at the squares of its two ends, far too small. What is evenly spaced, and what do you get back by
    squaring it?""",
    source="plausible",
)
answer(
    "ddpm.betas",
    "parabola",
    swap=[("torch.linspace(first**0.5, last**0.5, T) ** 2", "first + (last - first) * torch.linspace(0, 1, T) ** 2")],
    says="""Your quadratic schedule has the right ends, but another curve between them: a parabola that starts flat. Here the square
    roots are evenly spaced.""",
    source="two schedules that go by the name of quadratic",
)
answer(
    "ddpm.betas",
    "roots-not-squared",
    swap=[("torch.linspace(first**0.5, last**0.5, T) ** 2", "torch.linspace(first**0.5, last**0.5, T)")],
    says="""Your quadratic schedule holds the square roots: they are evenly spaced, but betas are asked for.""",
    source="plausible",
)
answer(
    "ddpm.betas",
    "scaled-by-steps",
    swap=[("torch.linspace(first, last, T)", "torch.linspace(first, last, T) * 1000 / T")],
    says="""Your linear schedule is scaled by 1000 / T. That keeps the end of the process at the same noise for every T, and some libraries do it,
    but then `first` and `last` are not the ends, and a short schedule even leaves the interval from 0 to 1.""",
    source="https://github.com/openai/improved-diffusion: get_named_beta_schedule",
)

answer(
    "ddpm.cosine_betas",
    "alpha-bar-returned",
    swap=[("(1 - f[1:] / f[:-1]).clamp(max=largest)", "(f[1:] / f[0])")],
    says="""Your numbers fall from almost 1 to 0: this is alpha_bar, what is left after all steps. A beta belongs to a single step.""",
    source="plausible",
)
answer(
    "ddpm.cosine_betas",
    "no-clamp",
    swap=[(".clamp(max=largest)", "")],
    says="""Your formula is right, but nothing holds the betas back, and the last one wipes out all that is left of the signal. What is
    `largest` for?""",
    source="Nichol and Dhariwal 2021, after eq. 17",
)
answer(
    "ddpm.cosine_betas",
    "s-left-out",
    swap=[("(t / T + s) / (1 + s)", "t / T")],
    says="""Your schedule does not depend on s, the small shift that keeps the first betas from being too tiny.""",
    source="plausible",
)
answer(
    "ddpm.cosine_betas",
    "not-squared",
    swap=[("* math.pi / 2) ** 2", "* math.pi / 2)")],
    says="""Your betas follow from the cosine itself. It is the share of the variance, and not of the amplitude, that goes into alpha_bar.""",
    source="plausible",
)
answer(
    "ddpm.cosine_betas",
    "starts-at-one",
    swap=[("(1 - f[1:] / f[:-1])", "(1 - f[1:] / torch.cat([torch.ones(1), f[1:-1]]))")],
    says="""Only your first beta is off: f(0) is not 1, since s shifts it, and alpha_bar is what it is after dividing by f(0).""",
    source="plausible",
)
answer(
    "ddpm.cosine_betas",
    "clip-of-the-web",
    swap=[(".clamp(max=largest)", ".clamp(0.0001, 0.9999)")],
    says="""Your betas are clipped to other limits than `largest`, and from below as well. Much shared code clips to the interval from 0.0001 to 0.9999;
    with many steps that lifts the first betas, just where the shift s wants them small.""",
    source="https://huggingface.co/blog/annotated-diffusion: cosine_beta_schedule",
)
answer(
    "ddpm.cosine_betas",
    "clamped-too-early",
    swap=[("(1 - f[1:] / f[:-1]).clamp(max=largest)", "(1 - f[1:].clamp(max=largest) / f[:-1].clamp(max=largest))")],
    says="""You held back f instead of the betas. Which of the two can come too close to 1 at the end of the process?""",
    source="plausible",
)
answer(
    "ddpm.cosine_betas",
    "ratio-the-other-way",
    swap=[("1 - f[1:] / f[:-1]", "1 - f[:-1] / f[1:]")],
    says="""Your betas are negative: the quotient of neighbours is upside down.""",
    source="plausible",
)
answer(
    "ddpm.cosine_betas",
    "one-step-off",
    swap=[("torch.arange(T + 1, dtype=torch.float64)", "torch.arange(1, T + 2, dtype=torch.float64)")],
    says="""Your betas are those of one step later: the first quotient has to begin at t = 0.""",
    source="plausible",
)
answer(
    "ddpm.cosine_betas",
    "one-step-early",
    swap=[("torch.arange(T + 1, dtype=torch.float64)", "torch.arange(-1, T, dtype=torch.float64).clamp(min=0)")],
    says="""Your first beta is 0, and all others are those of one step earlier, so the noise never comes to its end. Which of f(0) ... f(T) do you use for the last
    beta?""",
    source="plausible: counted from 0 to T - 1",
)
answer(
    "ddpm.cosine_betas",
    "clipped-from-below",
    swap=[(".clamp(max=largest)", ".clamp(0.0001, largest)")],
    says="""With many steps your first betas are too large: they are held above a lower limit. The task has an upper limit only; it is just the first betas that the shift s
    is to keep small.""",
    source="https://huggingface.co/blog/annotated-diffusion: cosine_beta_schedule",
)

answer(
    "ddpm.alpha_bar",
    "no-entry-zero",
    swap=[("torch.cat([torch.ones(1), torch.cumprod(1 - betas, 0)])", "torch.cumprod(1 - betas, 0)")],
    says="""Your table has T entries, and what belongs to t stands at t - 1. Here entry t belongs to t, and entry 0 says what is left before
    the first step.""",
    source="the index shift between Ho et al. 2020 and their code",
)
answer(
    "ddpm.alpha_bar",
    "last-left-out",
    swap=[("torch.cumprod(1 - betas, 0)])", "torch.cumprod(1 - betas, 0)[:-1]])")],
    says="""Your table has T entries: it begins right, with no noise, but its last entry, for t = T, is missing.""",
    source="plausible: this is alpha_bar_prev of many implementations",
)
answer(
    "ddpm.alpha_bar",
    "of-the-betas",
    swap=[("torch.cumprod(1 - betas, 0)", "torch.cumprod(betas, 0)")],
    says="""You multiplied the noise shares. What remains of the signal is the product of the shares that are kept.""",
    source="plausible",
)
answer(
    "ddpm.alpha_bar",
    "sum-for-product",
    swap=[("torch.cumprod(1 - betas, 0)", "1 - torch.cumsum(betas, 0)")],
    says="""You took the betas away one after the other. Each step takes its share of what is left, not of the beginning; your numbers even
    fall below 0.""",
    source="plausible",
)
answer(
    "ddpm.alpha_bar",
    "continuous-limit",
    swap=[("torch.cumprod(1 - betas, 0)", "torch.exp(-torch.cumsum(betas, 0))")],
    says="""Your table is that of infinitely many small steps: close for small betas, clearly off for large ones. Here steps are steps.""",
    source="Song et al. 2021: the continuous limit of DDPM",
)
answer(
    "ddpm.alpha_bar",
    "square-roots",
    swap=[("torch.cumprod(1 - betas, 0)", "torch.cumprod((1 - betas).sqrt(), 0)")],
    says="""Your numbers are the square roots of the right ones: the signal's amplitude, where its share of the variance is asked for.""",
    source="Song et al. 2021's alpha against Ho et al. 2020's alpha_bar",
)
answer(
    "ddpm.alpha_bar",
    "noise-share",
    swap=[("torch.cat([torch.ones(1), torch.cumprod(1 - betas, 0)])", "1 - torch.cat([torch.ones(1), torch.cumprod(1 - betas, 0)])")],
    says="""Your table begins at 0 and rises: this is how much noise there is, and alpha_bar is the other part.""",
    source="plausible",
)
answer(
    "ddpm.alpha_bar",
    "no-product",
    swap=[("torch.cumprod(1 - betas, 0)", "1 - betas")],
    says="""Each of your entries knows only its own step: these are the alphas. alpha_bar says what is left after all steps up to t.""",
    source="plausible",
)

answer(
    "ddpm.one_step",
    "variance-for-sd",
    swap=[("beta.sqrt() * noise", "beta * noise")],
    says="""The noise that you add has standard deviation beta, and so the variance beta squared. Which of the two does the formula for q name?""",
    source="handout P's erratum: variance for standard deviation",
)
answer(
    "ddpm.one_step",
    "signal-kept",
    swap=[("(1 - beta).sqrt() * x_prev", "x_prev")],
    says="""Your step adds noise and takes nothing away, so the variance grows with every step. In this process it is preserved.""",
    source="Song et al. 2021: the variance-exploding process",
)
answer(
    "ddpm.one_step",
    "signal-factor-not-root",
    swap=[("(1 - beta).sqrt() * x_prev", "(1 - beta) * x_prev")],
    says="""Your signal fades too fast: its amplitude is scaled by what is left of its variance.""",
    source="plausible",
)
answer(
    "ddpm.one_step",
    "all-steps-at-once",
    swap=[("beta = self.beta[t][:, None]", "beta = 1 - self.alpha_bar[t][:, None]")],
    says="""Your noise is what piles up from x_0 to x_t. This is one step from x_{t-1}: which table belongs to a single step?""",
    source="plausible",
)
answer(
    "ddpm.one_step",
    "table-starts-at-zero",
    swap=[("self.beta[t]", "self.beta[t - 1]")],
    says="""Every row got the beta of the step before, and at t = 1 there is no noise at all. Entry t of the tables belongs to t.""",
    source="plausible: tables without an entry 0",
)
answer(
    "ddpm.one_step",
    "broadcast",
    swap=[("self.beta[t][:, None]", "self.beta[t]")],
    says="""With as many rows as dimensions, the columns got their own beta instead of the rows; with other sizes the shapes do not fit. beta[t] has
    shape (B,), x has (B, d).""",
    source="handout E's validation loss: [B] against [B, 1]",
)
answer(
    "ddpm.one_step",
    "first-time-for-all",
    swap=[("self.beta[t][:, None]", "self.beta[t[0]]")],
    says="""All rows were treated as if they had the t of the first one. t holds one number for each row.""",
    source="plausible",
)
answer(
    "ddpm.one_step",
    "own-noise",
    swap=[("beta.sqrt() * noise", "beta.sqrt() * torch.randn_like(noise)")],
    says="""Two calls with the same inputs give different results: noise was handed in, but you drew your own.""",
    source="plausible",
)

answer(
    "ddpm.q_sample",
    "variance-for-sd",
    swap=[("(1 - alpha_bar).sqrt() * noise", "(1 - alpha_bar) * noise")],
    says="""Too little noise arrives in x_t: it is scaled by a variance. The noise handed in has standard deviation 1; which factor gives it the
    right one?""",
    source="handout P's erratum: variance for standard deviation",
)
answer(
    "ddpm.q_sample",
    "signal-share-not-root",
    swap=[("alpha_bar.sqrt() * x0", "alpha_bar * x0")],
    says="""The signal in your x_t is too weak: alpha_bar is its share of the variance, and you scaled its amplitude with it.""",
    source="plausible",
)
answer(
    "ddpm.q_sample",
    "factors-swapped",
    swap=[("alpha_bar.sqrt() * x0 + (1 - alpha_bar).sqrt() * noise", "alpha_bar.sqrt() * noise + (1 - alpha_bar).sqrt() * x0")],
    says="""At t = 0 your x_t is all noise, and at large t it is all data: signal and noise have each other's factor.""",
    source="plausible",
)
answer(
    "ddpm.q_sample",
    "single-step",
    swap=[("self.alpha_bar[t]", "self.alpha[t]")],
    says="""Your x_t is right at t = 1 and has too little noise after that: this is a single step, as if it began at x_0. Which table knows of all
    steps up to t?""",
    source="handout P's erratum: x_{t-1} for x_0",
)
answer(
    "ddpm.q_sample",
    "table-starts-at-zero",
    swap=[("self.alpha_bar[t]", "self.alpha_bar[t - 1]")],
    says="""Your rows are one step behind: at t = 1 there is no noise, and at t = 0 there is the most. Entry t of the tables belongs to t.""",
    source="plausible: tables without an entry 0",
)
answer(
    "ddpm.q_sample",
    "broadcast",
    swap=[("self.alpha_bar[t][:, None]", "self.alpha_bar[t]")],
    says="""With as many rows as dimensions, the columns got their own alpha_bar instead of the rows; with other sizes the shapes do not fit.
    alpha_bar[t] has shape (B,), x0 has (B, d).""",
    source="handout E's validation loss: [B] against [B, 1]",
)
answer(
    "ddpm.q_sample",
    "first-time-for-all",
    swap=[("self.alpha_bar[t][:, None]", "self.alpha_bar[t[0]]")],
    says="""All rows were noised as if they had the t of the first one. t holds one number for each row.""",
    source="plausible",
)
answer(
    "ddpm.q_sample",
    "own-noise",
    swap=[("(1 - alpha_bar).sqrt() * noise", "(1 - alpha_bar).sqrt() * torch.randn_like(x0)")],
    says="""Two calls with the same inputs give different results. The noise is handed in because the loss has to know it; you drew another.""",
    source="plausible",
)
answer(
    "ddpm.q_sample",
    "clean-data-noised-once",
    swap=[("alpha_bar = self.alpha_bar[t][:, None]", "alpha_bar = self.alpha_bar[t.clamp(min=1)][:, None]")],
    says="""At t = 0 no noise step has been made yet, and x_0 has to come back as it was; your row has the noise of the first step.""",
    source="plausible",
)
answer(
    "ddpm.q_sample",
    "variances-added",
    swap=[("(1 - alpha_bar).sqrt() * noise", "torch.sqrt(torch.cumsum(self.beta, 0)[t])[:, None] * noise")],
    says="""Your noise is as large as if the noise of all steps stayed undiminished: their variances were just added. Each later step also shrinks
    the noise that is already there.""",
    source="plausible",
)

answer(
    "ddpm.noise_predictor",
    "one-hidden-layer",
    swap=[("nn.Linear(128, 128), nn.Tanh(), ", "")],
    says="""Your network has one hidden layer: it goes from 2 to 128 to 1 and learns 513 numbers. Two hidden layers are asked for.""",
    source="plausible",
)
answer(
    "ddpm.noise_predictor",
    "tanh-at-the-end",
    swap=[("nn.Linear(128, 1))", "nn.Linear(128, 1), nn.Tanh())")],
    says="""Your predictions never leave the interval from -1 to 1, but a standard normal number does so every third time. What stands after the last
    layer?""",
    source="plausible",
)
answer(
    "ddpm.noise_predictor",
    "no-second-tanh",
    swap=[("nn.Linear(128, 128), nn.Tanh(), ", "nn.Linear(128, 128), ")],
    says="""Your last two layers follow each other with nothing between them, so together they are a single linear layer.""",
    source="plausible",
)
answer(
    "ddpm.noise_predictor",
    "linear-network",
    swap=[("nn.Linear(2, 128), nn.Tanh(), nn.Linear(128, 128), nn.Tanh(), ", "nn.Linear(2, 128), nn.Linear(128, 128), ")],
    says="""Your network has no tanh at all: linear layers on top of each other are one linear layer, and the noise is not a linear function of
    x and t.""",
    source="plausible",
)
answer(
    "ddpm.noise_predictor",
    "relu",
    swap=[("nn.Linear(2, 128), nn.Tanh(), nn.Linear(128, 128), nn.Tanh(), ", "nn.Linear(2, 128), nn.ReLU(), nn.Linear(128, 128), nn.ReLU(), ")],
    says="""The layers are right, but ReLU stands between them. The exercise's network has tanh; with raw t that makes a difference
    that you will see soon.""",
    source="plausible",
)
answer(
    "ddpm.noise_predictor",
    "sigmoid",
    swap=[("nn.Linear(2, 128), nn.Tanh(), nn.Linear(128, 128), nn.Tanh(), ", "nn.Linear(2, 128), nn.Sigmoid(), nn.Linear(128, 128), nn.Sigmoid(), ")],
    says="""The layers are right, but a sigmoid stands between them. The exercise's network has tanh, which is centred at 0.""",
    source="plausible",
)
answer(
    "ddpm.noise_predictor",
    "time-normalised",
    swap=[("t[:, None].to(x.dtype)", "t[:, None].to(x.dtype) / 250")],
    says="""You divided t by a number of steps. That helps, and the notebook comes to it; but here the exercise's own network is asked for, which gets t as
    it is, so that you can see what that does.""",
    source="handout D's FcNetwork: t normalised by the network",
)
answer(
    "ddpm.noise_predictor",
    "time-ignored",
    swap=[("torch.cat([x, t[:, None].to(x.dtype)], dim=1)", "torch.cat([x, torch.zeros_like(x)], dim=1)")],
    says="""Your predictions do not change with t. How much of x_t is noise depends on t more than on anything else.""",
    source="plausible",
)
answer(
    "ddpm.noise_predictor",
    "one-time-for-the-batch",
    swap=[("t[:, None].to(x.dtype)", "t[:1, None].expand(len(x), 1).to(x.dtype)")],
    says="""All rows of a batch got the t of the first one. In training every row has its own.""",
    source="plausible",
)
answer(
    "ddpm.noise_predictor",
    "flat-output",
    swap=[("dim=1))", "dim=1))[:, 0]")],
    says="""Your network returns shape (B,) for x of shape (B, 1). Noise of shape (B, 1) minus a prediction of shape (B,) is a (B, B) table, and
    its mean is a loss that nobody meant.""",
    source="handout E's validation loss: [B] against [B, 1]",
)
answer(
    "ddpm.noise_predictor",
    "extra-hidden-layer",
    swap=[("nn.Linear(128, 128), nn.Tanh(), ", "nn.Linear(128, 128), nn.Tanh(), nn.Linear(128, 128), nn.Tanh(), ")],
    says="""Your network has three hidden layers and learns twice as many numbers as the exercise's.""",
    source="plausible",
)
answer(
    "ddpm.noise_predictor",
    "dropout",
    swap=[("nn.Linear(128, 128), nn.Tanh(), ", "nn.Linear(128, 128), nn.Tanh(), nn.Dropout(0.1), ")],
    says="""Asked twice, your network gives two answers: something in it is random while it trains. The exercise's network has nothing of the kind.""",
    source="plausible",
)

answer(
    "ddpm.time_features",
    "raw-time",
    swap=[("t[:, None] / T", "t[:, None]")],
    says="""Your waves make whole turns at every integer t, so that all t look nearly alike. The angle grows with the part of the way, t / T.""",
    source="plausible",
)
answer(
    "ddpm.time_features",
    "no-two-pi",
    swap=[("2 * math.pi * t[:, None] / T", "t[:, None] / T")],
    says="""Your waves are too slow: a rate of 1 should make one full turn on the way from 0 to T.""",
    source="plausible",
)
answer(
    "ddpm.time_features",
    "half-turn",
    swap=[("2 * math.pi", "math.pi")],
    says="""Your waves make half of the turns that they should: how large is the angle of one full turn?""",
    source="plausible",
)
answer(
    "ddpm.time_features",
    "cosines-first",
    swap=[("[torch.sin(angle), torch.cos(angle)]", "[torch.cos(angle), torch.sin(angle)]")],
    says="""All your numbers are there, but the cosines stand before the sines.""",
    source="plausible",
)
answer(
    "ddpm.time_features",
    "interleaved",
    swap=[("torch.cat([torch.sin(angle), torch.cos(angle)], dim=1)", "torch.stack([torch.sin(angle), torch.cos(angle)], dim=2).flatten(1)")],
    says="""Your sines and cosines take turns, one pair for each rate. Asked for are all sines and then all cosines.""",
    source="Vaswani et al. 2017 interleave, Ho et al.'s code does not",
)
answer(
    "ddpm.time_features",
    "rates-as-wavelengths",
    swap=[("/ T * torch.tensor(rates)", "/ T / torch.tensor(rates)")],
    says="""Your waves get slower as the rate gets larger: you divided where a rate says how many turns are made.""",
    source="plausible",
)
answer(
    "ddpm.time_features",
    "counted-from-zero",
    swap=[("t[:, None] / T", "(t[:, None] - 1) / T")],
    says="""Your waves are one step late: at t = 0 they should stand at the beginning of their turn.""",
    source="plausible: schedules whose steps are counted from 0",
)
answer(
    "ddpm.time_features",
    "rates-fixed",
    swap=[("torch.tensor(rates)", "2.0 ** torch.arange(-1, 3)")],
    says="""Your function does not look at `rates`: it always makes the four default waves.""",
    source="plausible",
)
answer(
    "ddpm.time_features",
    "sines-only",
    swap=[("torch.cat([torch.sin(angle), torch.cos(angle)], dim=1)", "torch.sin(angle)")],
    says="""Your features are sines only. A sine alone has the same value on its way up and on its way down; which second number tells them apart?""",
    source="plausible",
)

answer(
    "ddpm.to_x0",
    "noise-not-scaled",
    swap=[("(x_t - s * out) / a", "(x_t - out) / a")],
    says="""From "eps" you took the noise off at full size. In x_t it stands with a factor that depends on t.""",
    source="plausible",
)
answer(
    "ddpm.to_x0",
    "signal-not-rescaled",
    swap=[("return (x_t - s * out) / a", "return x_t - s * out")],
    says="""From "eps" you took the noise off, but what is left is the faded signal, not x_0 itself.""",
    source="plausible",
)
answer(
    "ddpm.to_x0",
    "variance-for-sd",
    swap=[("(1 - self.alpha_bar[t][:, None]).sqrt()", "(1 - self.alpha_bar[t][:, None])")],
    says="""Your factor of the noise is a variance, in all kinds. Compare it with the one in q_sample.""",
    source="handout P's erratum: variance for standard deviation",
)
answer(
    "ddpm.to_x0",
    "one-step-tables",
    swap=[("self.alpha_bar[t][:, None].sqrt()", "self.alpha[t][:, None].sqrt()"), ("(1 - self.alpha_bar[t][:, None]).sqrt()", "self.beta[t][:, None].sqrt()")],
    says="""You went back a single step, with alpha_t and beta_t: right at t = 1, and farther off the larger t is. Which tables lead from x_t all the
    way to x_0?""",
    source="handout P's erratum: x_{t-1} for x_0",
)
answer(
    "ddpm.to_x0",
    "v-sign",
    swap=[("a * x_t - s * out", "a * x_t + s * out")],
    says="""Your "v" has a sign the wrong way round. Put x_t and v in terms of x_0 and noise: with which sign does the noise fall out?""",
    source="plausible",
)
answer(
    "ddpm.to_x0",
    "v-swapped",
    swap=[("a * x_t - s * out", "s * x_t - a * out")],
    says="""In "v" the two factors stand in each other's place. Try the ends: which of the two is x_0 while there is hardly any noise?""",
    source="plausible",
)
answer(
    "ddpm.to_x0",
    "v-divided",
    swap=[("return a * x_t - s * out", "return (x_t - s * out) / a")],
    says="""You treated "v" as if it were noise. It is a mixture of noise and data; what does it hold besides the noise?""",
    source="plausible",
)
answer(
    "ddpm.to_x0",
    "score-as-noise",
    swap=[("(x_t + s**2 * out) / a", "(x_t - s * out) / a")],
    says="""You treated the score as if it were the noise. It has another sign and another size: see its definition above.""",
    source="plausible",
)
answer(
    "ddpm.to_x0",
    "score-sd-for-variance",
    swap=[("(x_t + s**2 * out) / a", "(x_t + s * out) / a")],
    says="""Your "score" has the right sign, but not the right size. How many times does the standard deviation of the noise come in: once
    in x_t, and where again?""",
    source="plausible",
)
answer(
    "ddpm.to_x0",
    "score-sign",
    swap=[("(x_t + s**2 * out) / a", "(x_t - s**2 * out) / a")],
    says="""Your "score" pushes x_t the wrong way. A score points to where the density grows, so to get to the data, do you go with it or against it?""",
    source="plausible",
)
answer(
    "ddpm.to_x0",
    "own-kind",
    swap=[('    if kind == "eps":', '    kind = self.predicts\n    if kind == "eps":')],
    says="""Your result does not depend on `kind`, but on what the network of this process predicts. The function may be asked for any kind.""",
    source="plausible",
)
answer(
    "ddpm.to_x0",
    "score-missing",
    swap=[("    if kind == \"score\":\n        return (x_t + s**2 * out) / a\n", "")],
    says="""For "score" you returned the prediction as it came, as if it were x_0.""",
    source="plausible",
)
answer(
    "ddpm.to_x0",
    "broadcast",
    swap=[("self.alpha_bar[t][:, None].sqrt()", "self.alpha_bar[t].sqrt()"), ("(1 - self.alpha_bar[t][:, None]).sqrt()", "(1 - self.alpha_bar[t]).sqrt()")],
    says="""With as many rows as dimensions, the columns got their own factors instead of the rows; with other sizes the shapes do not fit.""",
    source="handout E's validation loss: [B] against [B, 1]",
)
answer(
    "ddpm.to_x0",
    "clipped",
    swap=[("return (x_t - s * out) / a\n    if kind == \"v\"", "return ((x_t - s * out) / a).clamp(-1, 1)\n    if kind == \"v\"")],
    says="""From "eps" your x_0 never leaves the interval from -1 to 1. Samplers for images clip like this, since pixels end there; x_0 here may be any
    number.""",
    source="Ho et al. 2020's code: clip_denoised",
)

answer(
    "ddpm.from_x0",
    "noise-not-rescaled",
    swap=[("eps = (x_t - a * x0) / s", "eps = x_t - a * x0")],
    says="""What you call eps is the noise as it stands in x_t, scaled down; all that you make of it is off too. The noise itself has standard deviation 1.""",
    source="plausible",
)
answer(
    "ddpm.from_x0",
    "signal-not-faded",
    swap=[("eps = (x_t - a * x0) / s", "eps = (x_t - x0) / s")],
    says="""To get at the noise you took x_0 away at full size. How much of it is left in x_t?""",
    source="plausible",
)
answer(
    "ddpm.from_x0",
    "variance-for-sd",
    swap=[("(1 - self.alpha_bar[t][:, None]).sqrt()", "(1 - self.alpha_bar[t][:, None])")],
    says="""Your factor of the noise is a variance, in all kinds. Compare it with the one in q_sample.""",
    source="handout P's erratum: variance for standard deviation",
)
answer(
    "ddpm.from_x0",
    "one-step-tables",
    swap=[("self.alpha_bar[t][:, None].sqrt()", "self.alpha[t][:, None].sqrt()"), ("(1 - self.alpha_bar[t][:, None]).sqrt()", "self.beta[t][:, None].sqrt()")],
    says="""You took alpha_t and beta_t, as if x_t were one step from x_0: right at t = 1, and farther off the larger t is.""",
    source="handout P's erratum: x_{t-1} for x_0",
)
answer(
    "ddpm.from_x0",
    "v-sign",
    swap=[("a * eps - s * x0", "s * x0 - a * eps")],
    says="""Your v has the other sign. Papers write it with either; the docstring of to_x0 says which one is used here.""",
    source="Salimans and Ho 2022 against later texts",
)
answer(
    "ddpm.from_x0",
    "v-swapped",
    swap=[("a * eps - s * x0", "s * eps - a * x0")],
    says="""In "v" the two factors stand in each other's place. Try the ends: near t = 0, is v noise or data?""",
    source="plausible",
)
answer(
    "ddpm.from_x0",
    "score-sign",
    swap=[('"score": -eps / s', '"score": eps / s')],
    says="""Your score points away from the data: check its sign in the definition.""",
    source="plausible",
)
answer(
    "ddpm.from_x0",
    "score-times-sd",
    swap=[('"score": -eps / s', '"score": -eps * s')],
    says="""Your score is multiplied with the standard deviation of the noise. With little noise the density is steep: should the score then be small or
    large?""",
    source="plausible",
)
answer(
    "ddpm.from_x0",
    "score-not-scaled",
    swap=[('"score": -eps / s', '"score": -eps')],
    says="""Your score is the noise with the other sign: it is the same for every t, but how steep the density is depends on how much noise there is.""",
    source="plausible",
)
answer(
    "ddpm.from_x0",
    "own-kind",
    swap=[("[kind]", "[self.predicts]")],
    says="""Your result does not depend on `kind`, but on what the network of this process predicts. The function may be asked for any kind.""",
    source="plausible",
)
answer(
    "ddpm.from_x0",
    "broadcast",
    swap=[("self.alpha_bar[t][:, None].sqrt()", "self.alpha_bar[t].sqrt()"), ("(1 - self.alpha_bar[t][:, None]).sqrt()", "(1 - self.alpha_bar[t]).sqrt()")],
    says="""With as many rows as dimensions, the columns got their own factors instead of the rows; with other sizes the shapes do not fit.""",
    source="handout E's validation loss: [B] against [B, 1]",
)

answer(
    "ddpm.broadcast",
    "paired-loss",
    swap=[("predicted.square().mean() + noise.square().mean() - 2 * predicted.mean() * noise.mean()", "(predicted - noise).square().mean()")],
    says="""This is the loss that was meant: each prediction with its own noise. Asked for is the one that the bug computes, where every prediction
    meets every noise.""",
    source="handout E's validation loss: [B] against [B, 1]",
)
answer(
    "ddpm.broadcast",
    "no-cross-term",
    swap=[(" - 2 * predicted.mean() * noise.mean()", "")],
    says="""Your value is right when one of the means is 0, as it nearly is for noise, but in general a part is missing: what is left of the
    mixed products when all pairs are averaged?""",
    source="plausible",
)
answer(
    "ddpm.broadcast",
    "variances",
    swap=[("predicted.square().mean() + noise.square().mean() - 2 * predicted.mean() * noise.mean()", "predicted.var(correction=0) + noise.var(correction=0)")],
    says="""Your value is how much both scatter around their own means. What if the two means lie apart?""",
    source="plausible",
)
answer(
    "ddpm.broadcast",
    "the-table-itself",
    swap=[("predicted.square().mean() + noise.square().mean() - 2 * predicted.mean() * noise.mean()", "torch.mean((predicted[:, None] - noise) ** 2)")],
    says="""The number is right, but you made the table of all pairs, which for a large batch fits into no memory. The point of this task is to say
    what it comes to without it.""",
    source="plausible",
)
answer(
    "ddpm.broadcast",
    "sample-variance",
    swap=[("predicted.square().mean() + noise.square().mean() - 2 * predicted.mean() * noise.mean()", "predicted.var() + noise.var() + (predicted.mean() - noise.mean()) ** 2")],
    says="""Close for large batches, off for small ones, and nothing at all for one pair: torch's variance divides by n - 1 unless it is told
    otherwise.""",
    source="plausible",
)


# ---- losses, training, posterior, samplers, bound

answer(
    "ddpm.negative_elbo",
    "never-T",
    swap=[("torch.randint(1, self.T + 1,", "torch.randint(0, self.T,")],
    says="""The last step t = T never comes up, and t = 0, which is no noise at all, does. Look at which end of its range randint leaves
    out, and at what our tables hold at entry 0.""",
    source="plausible: 0-based indices of most published DDPM code",
)
answer(
    "ddpm.negative_elbo",
    "never-one",
    swap=[("torch.randint(1, self.T + 1,", "torch.randint(min(2, self.T), self.T + 1,")],
    says="""t = 1 never comes up, so the network is never trained for the step that sampling ends with. Which t does Algorithm 1 draw?""",
    source="handout P: t uniform on 2..T",
)
answer(
    "ddpm.negative_elbo",
    "first-step-left-out",
    swap=[("torch.randint(1, self.T + 1,", "torch.randint(2, self.T + 1,")],
    says="""t = 1 never comes up, so the network is never trained for the step that sampling ends with; with T = 1 no t is left to draw from. Which t does
    Algorithm 1 draw?""",
    source="handout P: t uniform on 2..T",
)
answer(
    "ddpm.negative_elbo",
    "one-t-per-batch",
    swap=[("torch.randint(1, self.T + 1, (len(x0),), generator=generator)",
           "torch.randint(1, self.T + 1, (1,), generator=generator).expand(len(x0))")],
    says="""The mean of the losses is right, but it scatters from call to call far more than independent rows would: the whole batch has one t.""",
    source="plausible",
)
answer(
    "ddpm.negative_elbo",
    "one-noise-per-batch",
    swap=[("torch.randn(x0.shape, generator=generator)", "torch.randn(x0.shape[1], generator=generator).expand(x0.shape)")],
    says="""All rows of a batch share one noise. The mean of the losses stays right, so no curve would show it, but each row needs its own.""",
    source="plausible",
)
answer(
    "ddpm.negative_elbo",
    "noise-along-diagonal",
    swap=[("torch.randn(x0.shape, generator=generator)", "torch.randn(len(x0), 1, generator=generator).expand(x0.shape)")],
    says="""All dimensions of a row got the same number as noise. The noise has as many independent numbers as x₀.""",
    source="plausible",
)
answer(
    "ddpm.negative_elbo",
    "uniform-noise",
    swap=[("torch.randn(x0.shape, generator=generator)", "torch.rand(x0.shape, generator=generator)")],
    says="""Your noise lies between 0 and 1 and is never negative. Look at which of PyTorch's random functions draws what.""",
    source="plausible",
)
answer(
    "ddpm.negative_elbo",
    "mean-over-dimensions",
    swap=[(".square().sum(1)", ".square().mean(1)")],
    says="""Your losses are smaller by the factor d: the error is averaged over the dimensions. The squared length of a vector is a sum.""",
    source="plausible",
)
answer(
    "ddpm.negative_elbo",
    "batch-mean",
    swap=[(".square().sum(1)", ".square().sum(1).mean()")],
    says="""You return one number for the batch. Here the loss of every row is asked for.""",
    source="plausible",
)
answer(
    "ddpm.negative_elbo",
    "sum-over-rows",
    swap=[(".square().sum(1)", ".square().sum(0)")],
    says="""You summed over the rows and kept the dimensions. One number for each row is asked for.""",
    source="plausible",
)
answer(
    "ddpm.negative_elbo",
    "fresh-target",
    swap=[("return (predicted - noise)", "return (predicted - torch.randn(x0.shape, generator=generator))")],
    says="""The noise that the prediction is compared with is not the one inside x_t, so there is nothing to learn. Draw it once and use it
    twice.""",
    source="plausible",
)
answer(
    "ddpm.negative_elbo",
    "network-sees-x0",
    swap=[("self.network(self.q_sample(x0, t, noise), t)", "self.network(x0, t)")],
    says="""The network is shown the clean data, where there is no noise to find. What will it see when sampling?""",
    source="plausible",
)
answer(
    "ddpm.negative_elbo",
    "compares-with-x0",
    swap=[("(predicted - noise)", "(predicted - x0)")],
    says="""Your loss compares the network's output with the data. This objective is for a network that predicts the noise.""",
    source="handout P's loss in place of Ho et al. 2020, eq. 14",
)
answer(
    "ddpm.negative_elbo",
    "step-before-to-network",
    swap=[("self.q_sample(x0, t, noise), t)", "self.q_sample(x0, t, noise), t - 1)")],
    says="""The network is told another t than the one its x_t was made with. In this notebook t = 1 belongs to the first noise step,
    for the tables and for the network.""",
    source="plausible: 0-based indices of most published DDPM code",
)
answer(
    "ddpm.negative_elbo",
    "fraction-to-network",
    swap=[("self.q_sample(x0, t, noise), t)", "self.q_sample(x0, t, noise), t / self.T)")],
    says="""Your network gets t as a fraction of T. Here it takes the whole number t; rescaling it is the network's own affair.""",
    source="handout D6, where the network does the scaling itself",
)
answer(
    "ddpm.negative_elbo",
    "variance-for-sd",
    swap=[("self.q_sample(x0, t, noise), t)",
           "self.alpha_bar[t][:, None].sqrt() * x0 + (1 - self.alpha_bar[t][:, None]) * noise, t)")],
    says="""Too little noise arrives in x_t: it is scaled by a variance. q_sample does this right; why not use it?""",
    source="handout P's erratum: the variance written as coefficient of the noise",
)
answer(
    "ddpm.negative_elbo",
    "one-step-noising",
    swap=[("self.network(self.q_sample(x0, t, noise), t)", "self.network(self.one_step(x0, t, noise), t)")],
    says="""Your x_t has had one step of noise only, whatever t is. x₀ is the clean datum: how much noise does it have after t steps?""",
    source="handout P's erratum: x_{t-1} and x_0 confused in the closed form",
)
answer(
    "ddpm.negative_elbo",
    "weight-of-the-bound",
    swap=[("    return (predicted - noise).square().sum(1)",
           """    weight = self.beta[t] / (2 * self.alpha[t] * (1 - self.alpha_bar[t]))
    return weight * (predicted - noise).square().sum(1)""")],
    says="""Your squared errors carry a weight that depends on t, as in the bound itself. The simplified objective is called so because it
    leaves something out.""",
    source="Ho et al. 2020, eq. 12 against eq. 14; handout D calls the simplified objective the negative ELBO",
)
answer(
    "ddpm.negative_elbo",
    "length-not-squared",
    swap=[(".square().sum(1)", ".norm(dim=1)")],
    says="""Each of your losses is the length of the error, not its square.""",
    source="plausible",
)
answer(
    "ddpm.negative_elbo",
    "detached",
    swap=[("return (predicted - noise)", "return (predicted.detach() - noise)")],
    says="""The values of your losses are right, but no gradient reaches the network: the prediction was cut off from its parameters.""",
    source="plausible",
)
answer(
    "ddpm.negative_elbo",
    "last-step-left-out",
    swap=[("torch.randint(1, self.T + 1,", "torch.randint(1, self.T,")],
    says="""The last step t = T never comes up, and sampling begins there; with T = 1 no t is left to draw from. Look at which end of its range
    randint leaves out.""",
    source="plausible: torch.randint leaves its upper end out",
)

answer(
    "ddpm.loss",
    "always-noise",
    cell='''
@attach(DDPM)
def loss(self, x0, generator=None):
    t = torch.randint(1, self.T + 1, (len(x0),), generator=generator)
    noise = torch.randn(x0.shape, generator=generator)
    return (self.network(self.q_sample(x0, t, noise), t) - noise).square().sum(1).mean()
''',
    says="""Your loss is right for a network that predicts the noise, and the same for all other kinds. What the output should be depends
    on what the network predicts.""",
    source="plausible",
)
answer(
    "ddpm.loss",
    "compared-as-x0",
    swap=[("target = self.from_x0(x0, x_t, t, self.predicts)", "predicted = self.to_x0(self.network(x_t, t), x_t, t, self.predicts)"),
          ("(self.network(x_t, t) - target)", "(predicted - x0)")],
    says="""You turn every prediction into x₀ and compare there. That is a loss too, but it weights the steps differently for each kind;
    here the prediction itself is compared with its own target.""",
    source="Salimans and Ho 2022, section 4: one loss, different weights",
)
answer(
    "ddpm.loss",
    "wrong-way",
    swap=[("self.from_x0(x0, x_t, t, self.predicts)", "self.to_x0(x0, x_t, t, self.predicts)")],
    says="""Your target is what x₀ would be if x₀ were a prediction. Of the two conversions you took the one that goes the other way.""",
    source="plausible",
)
answer(
    "ddpm.loss",
    "arguments-swapped",
    swap=[("self.from_x0(x0, x_t, t, self.predicts)", "self.from_x0(x_t, x0, t, self.predicts)")],
    says="""Data and noisy data seem to have changed places on the way to the target. Look at the order of the arguments.""",
    source="plausible",
)
answer(
    "ddpm.loss",
    "v-sign",
    swap=[("    return (self.network", "    target = -target if self.predicts == \"v\" else target\n    return (self.network")],
    says="""For v your target has the wrong sign. The velocity points the way in which x_t moves when noise takes over from the signal.""",
    source="plausible",
)
answer(
    "ddpm.loss",
    "score-sign",
    swap=[("    return (self.network", "    target = -target if self.predicts == \"score\" else target\n    return (self.network")],
    says="""For the score your target has the wrong sign: it points along the noise. The score points back to where the data are.""",
    source="plausible",
)
answer(
    "ddpm.loss",
    "score-weighted",
    swap=[("    return (self.network(x_t, t) - target).square().sum(1).mean()",
           """    weight = (1 - self.alpha_bar[t]) if self.predicts == "score" else 1.0
    return (weight * (self.network(x_t, t) - target).square().sum(1)).mean()""")],
    says="""Your loss for a score is weighted with a variance, as in notebook 03. Here the plain squared error of the prediction is
    asked for, for every kind.""",
    source="Song et al. 2021, eq. 7 and notebook 03",
)
answer(
    "ddpm.loss",
    "mean-over-dimensions",
    swap=[(".square().sum(1).mean()", ".square().mean()")],
    says="""Your loss is smaller by the factor d: it averages over the dimensions too. Only the rows are averaged.""",
    source="plausible",
)
answer(
    "ddpm.loss",
    "sum-over-rows",
    swap=[(".square().sum(1).mean()", ".square().sum()")],
    says="""Your loss grows with the size of the batch: the rows are summed. Only the dimensions are.""",
    source="plausible",
)
answer(
    "ddpm.loss",
    "per-row",
    swap=[(".square().sum(1).mean()", ".square().sum(1)")],
    says="""You return one loss for each row. An optimizer needs a single number for the batch.""",
    source="plausible",
)
answer(
    "ddpm.loss",
    "one-t-per-batch",
    swap=[("torch.randint(1, self.T + 1, (len(x0),), generator=generator)",
           "torch.randint(1, self.T + 1, (1,), generator=generator).expand(len(x0))")],
    says="""The mean of your loss is right, but it scatters from call to call far more than independent rows would: the whole batch has one t.""",
    source="plausible",
)
answer(
    "ddpm.loss",
    "one-noise-per-batch",
    swap=[("torch.randn(x0.shape, generator=generator)", "torch.randn(1, x0.shape[1], generator=generator).expand(x0.shape)")],
    says="""The mean of your loss is right, but it scatters from call to call far more than independent rows would: all rows share one
    noise.""",
    source="plausible",
)
answer(
    "ddpm.loss",
    "never-one",
    swap=[("torch.randint(1, self.T + 1,", "torch.randint(2, self.T + 1,")],
    says="""t = 1 never comes up, so the prediction that sampling ends with is never trained. The handout draws t like this; the docstring
    here says otherwise, and the notebook says why.""",
    source="handout P: t uniform on 2..T",
)
answer(
    "ddpm.loss",
    "never-T",
    swap=[("torch.randint(1, self.T + 1,", "torch.randint(1, self.T,")],
    says="""The last step t = T never comes up, the one that sampling begins with. Look at which end of its range randint leaves out.""",
    source="plausible: torch.randint leaves its upper end out",
)
answer(
    "ddpm.loss",
    "step-before-to-network",
    swap=[("(self.network(x_t, t) - target)", "(self.network(x_t, t - 1) - target)")],
    says="""The network is told another t than the one its x_t was made with. In this notebook t = 1 belongs to the first noise step,
    for the tables and for the network.""",
    source="plausible: 0-based indices of most published DDPM code",
)
answer(
    "ddpm.loss",
    "no-gradient",
    swap=[("    target = self", "    with torch.no_grad():\n        predicted = self.network(x_t, t)\n    target = self"),
          ("(self.network(x_t, t) - target)", "(predicted - target)")],
    says="""The value of your loss is right, but no gradient reaches the network: its prediction is made where gradients are off.""",
    source="plausible",
)

answer(
    "ddpm.train_epochs",
    "running-mean",
    swap=[("    history = []\n", "    history, total, seen = [], 0.0, 0\n"),
          ("        total = 0.0\n", ""),
          ("            total += loss.item() * len(rows)\n", "            total += loss.item() * len(rows)\n            seen += len(rows)\n"),
          ("total / len(train)", "total / seen")],
    says="""From the second epoch on your training loss is a mean over all epochs so far, which hides what the network can do by now. It
    starts anew in each epoch.""",
    source="handout E's training script",
)
answer(
    "ddpm.train_epochs",
    "mean-of-batches",
    swap=[("        total = 0.0\n", "        total, batches = 0.0, 0\n"),
          ("loss.item() * len(rows)\n", "loss.item()\n            batches += 1\n"), ("total / len(train)", "total / batches")],
    says="""Your training loss is the mean over the batches, in which each row of a smaller last batch counts more than the others. Asked
    for is the mean per row.""",
    source="plausible",
)
answer(
    "ddpm.train_epochs",
    "sum-of-batches",
    swap=[("loss.item() * len(rows)", "loss.item()"), ("(total / len(train), ", "(total, ")],
    says="""Your training loss is a sum over the batches, so it depends on how many there are, and cannot be set beside the validation loss.""",
    source="plausible",
)
answer(
    "ddpm.train_epochs",
    "last-batch",
    swap=[("(total / len(train), ", "(loss.item(), ")],
    says="""You report the loss of the last batch alone. The mean over the whole epoch is asked for.""",
    source="plausible",
)
answer(
    "ddpm.train_epochs",
    "with-replacement",
    swap=[("torch.randperm(len(train), generator=generator).split(batch_size)",
           "torch.randint(len(train), (len(train),), generator=generator).split(batch_size)")],
    says="""Within an epoch some rows come more than once and others not at all. An epoch shows each row exactly once.""",
    source="plausible",
)
answer(
    "ddpm.train_epochs",
    "one-order",
    swap=[("    history = []\n", "    history, order = [], torch.randperm(len(train), generator=generator)\n"),
          ("torch.randperm(len(train), generator=generator).split(batch_size)", "order.split(batch_size)")],
    says="""All epochs have the same batches: the random order is drawn once and used again. Draw a new one for each epoch.""",
    source="plausible",
)
answer(
    "ddpm.train_epochs",
    "not-shuffled",
    swap=[("torch.randperm(len(train), generator=generator)", "torch.arange(len(train))")],
    says="""The batches walk through the data in their own order. Neighbours in a file are often alike, and batches should be mixed.""",
    source="plausible",
)
answer(
    "ddpm.train_epochs",
    "shuffles-batches-only",
    swap=[("torch.randperm(len(train), generator=generator).split(batch_size)",
           "(lambda parts: [parts[i] for i in torch.randperm(len(parts), generator=generator)])(torch.arange(len(train)).split(batch_size))")],
    says="""Each batch holds the same neighbouring rows in every epoch, whichever batch comes first. It is the rows that should be mixed.""",
    source="plausible",
)
answer(
    "ddpm.train_epochs",
    "drops-last",
    swap=[("            loss = ddpm.loss(train[rows])\n",
           "            if len(rows) < min(batch_size, len(train)):\n                continue\n            loss = ddpm.loss(train[rows])\n")],
    says="""The rows that do not fill a batch are left out. Each row should come in every epoch; the last batch may be smaller.""",
    source="plausible: drop_last of a DataLoader",
)
answer(
    "ddpm.train_epochs",
    "no-zero-grad",
    swap=[("            optimizer.zero_grad()\n", "")],
    says="""From the second step on your parameters move too far: PyTorch adds each gradient to the one that is there already.""",
    source="plausible",
)
answer(
    "ddpm.train_epochs",
    "zero-grad-once-per-epoch",
    swap=[("            optimizer.zero_grad()\n", ""), ("        total = 0.0\n", "        total = 0.0\n        optimizer.zero_grad()\n")],
    says="""Within an epoch the gradients pile up, so the steps get longer from batch to batch. How often do they have to be cleared?""",
    source="plausible",
)
answer(
    "ddpm.train_epochs",
    "step-per-epoch",
    swap=[("            optimizer.step()\n", ""), ("        with torch.no_grad():\n", "        optimizer.step()\n        with torch.no_grad():\n")],
    says="""Your parameters move once per epoch, with the last batch's gradient. Every batch is followed by a step.""",
    source="plausible",
)
answer(
    "ddpm.train_epochs",
    "validation-with-gradients",
    swap=[("        with torch.no_grad():\n            history.append((total / len(train), ddpm.loss(valid).item()))",
           "        history.append((total / len(train), ddpm.loss(valid).item()))")],
    says="""The validation loss is computed while PyTorch records for a gradient that nobody asks for. That costs time and, with much
    validation data, memory: switch it off there.""",
    source="plausible",
)
answer(
    "ddpm.train_epochs",
    "validation-before-epoch",
    swap=[("        total = 0.0\n", "        total = 0.0\n        with torch.no_grad():\n            before = ddpm.loss(valid).item()\n"),
          ("        with torch.no_grad():\n            history.append((total / len(train), ddpm.loss(valid).item()))",
           "        history.append((total / len(train), before))")],
    says="""Your validation loss belongs to the parameters at the beginning of the epoch: it comes one epoch late.""",
    source="plausible",
)
answer(
    "ddpm.train_epochs",
    "trains-on-validation",
    swap=[("        with torch.no_grad():\n            history.append((total / len(train), ddpm.loss(valid).item()))",
           """        loss = ddpm.loss(valid)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        history.append((total / len(train), loss.item()))""")],
    says="""The parameters move on the validation data too. They are there to tell how the network does on data it was not trained on.""",
    source="plausible",
)
answer(
    "ddpm.train_epochs",
    "validation-in-batches",
    swap=[("ddpm.loss(valid).item()))", "sum(ddpm.loss(part).item() for part in valid.split(batch_size)) / len(valid.split(batch_size))))")],
    says="""The validation data are cut into batches whose losses are averaged. All of them at once are asked for: then no row counts more
    than another.""",
    source="plausible",
)
answer(
    "ddpm.train_epochs",
    "graph-kept",
    swap=[("loss.item() * len(rows)", "loss * len(rows)")],
    says="""Your training losses still hold the graph of every step, so memory grows with each batch. Only the numbers are needed.""",
    source="plausible",
)
answer(
    "ddpm.train_epochs",
    "pair-swapped",
    swap=[("(total / len(train), ddpm.loss(valid).item())", "(ddpm.loss(valid).item(), total / len(train))")],
    says="""Your numbers are right, but the pairs are the other way round: the training loss comes first.""",
    source="plausible",
)
answer(
    "ddpm.train_epochs",
    "trained-state-loss",
    swap=[("total += loss.item() * len(rows)", "total += ddpm.loss(train[rows]).item() * len(rows)")],
    says="""Your training loss is computed a second time, after the step has moved the parameters. The loss that was minimised is there
    already.""",
    source="plausible",
)
answer(
    "ddpm.train_epochs",
    "drops-last-from-the-mean-too",
    swap=[
        ("        total = 0.0\n", "        total, used = 0.0, 0\n"),
        ("            loss = ddpm.loss(train[rows])\n", "            if len(rows) < batch_size:\n                continue\n            loss = ddpm.loss(train[rows])\n"),
        ("total += loss.item() * len(rows)", "total, used = total + loss.item() * len(rows), used + len(rows)"),
        ("total / len(train)", "total / max(used, 1)"),
    ],
    says="""You train on whole batches only: the rows that are left at the end of an epoch are never used, and where there are fewer rows than fit in a
    batch nothing is trained at all. Each row should come once in every epoch.""",
    source="plausible: len(train) // batch_size, or drop_last=True of a DataLoader",
)

answer(
    "ddpm.posterior_mean",
    "coefficients-swapped",
    swap=[("alpha_bar_prev.sqrt() * beta * x0 + alpha.sqrt() * (1 - alpha_bar_prev) * x_t",
           "alpha_bar_prev.sqrt() * beta * x_t + alpha.sqrt() * (1 - alpha_bar_prev) * x0")],
    says="""The two coefficients have changed places: yours of x_t belongs to x₀. At t = 1 all of the weight should be on x₀.""",
    source="plausible",
)
answer(
    "ddpm.posterior_mean",
    "alpha-bar-at-t",
    swap=[("self.alpha_bar[t - 1][:, None]", "self.alpha_bar[t][:, None]")],
    says="""Your coefficients take ᾱ at t everywhere. The mean is that of x at t - 1: in the formula one of the two ᾱ belongs there.""",
    source="plausible",
)
answer(
    "ddpm.posterior_mean",
    "alpha-bar-for-alpha",
    swap=[("alpha.sqrt() * (1 - alpha_bar_prev) * x_t", "alpha_bar.sqrt() * (1 - alpha_bar_prev) * x_t")],
    says="""x_t has a coefficient with ᾱ_t where the α of a single step belongs. From x_{t-1} to x_t it is one step.""",
    source="plausible",
)
answer(
    "ddpm.posterior_mean",
    "no-roots",
    swap=[("alpha_bar_prev.sqrt() * beta", "alpha_bar_prev * beta"), ("alpha.sqrt() * (1", "alpha * (1")],
    says="""Your coefficients have no roots: x₀ and x_t are scaled by variances' factors instead of amplitudes.""",
    source="handout P's erratum: variance for standard deviation",
)
answer(
    "ddpm.posterior_mean",
    "not-normalised",
    swap=[("return mean / (1 - alpha_bar)", "return mean")],
    says="""Your mean is too small by one factor in both coefficients: something that both of them are divided by is missing.""",
    source="plausible",
)
answer(
    "ddpm.posterior_mean",
    "broadcast",
    swap=[("beta, alpha = self.beta[t][:, None], self.alpha[t][:, None]", "beta, alpha = self.beta[t], self.alpha[t]"),
          ("alpha_bar, alpha_bar_prev = self.alpha_bar[t][:, None], self.alpha_bar[t - 1][:, None]",
           "alpha_bar, alpha_bar_prev = self.alpha_bar[t], self.alpha_bar[t - 1]")],
    says="""With as many rows as dimensions the columns, not the rows, get their own coefficients; otherwise the shapes do not fit. A table at
    t has shape (B,), x has (B, d).""",
    source="handout E's validation loss: [B] against [B, 1]",
)
answer(
    "ddpm.posterior_mean",
    "first-t-for-all",
    swap=[("beta, alpha = self.beta[t][:, None]", "t = t[:1].expand(len(t))\n    beta, alpha = self.beta[t][:, None]")],
    says="""All rows get the coefficients of the first row's t. t holds one number for each row.""",
    source="plausible",
)
answer(
    "ddpm.posterior_mean",
    "x0-as-noise",
    cell='''
@attach(DDPM)
def posterior_mean(self, x_t, x0, t):
    beta, alpha, alpha_bar = (table[t][:, None] for table in (self.beta, self.alpha, self.alpha_bar))
    return (x_t - beta / (1 - alpha_bar).sqrt() * x0) / alpha.sqrt()
''',
    says="""This is the mean as a function of x_t and the noise, with x₀ put where the noise belongs. What you are given is x₀.""",
    source="Ho et al. 2020, eq. 11 in place of eq. 7",
)
answer(
    "ddpm.posterior_mean",
    "table-shifted",
    swap=[("beta, alpha = self.beta[t][:, None], self.alpha[t][:, None]", "beta, alpha = self.beta[t - 1][:, None], self.alpha[t - 1][:, None]")],
    says="""Your β and α are one step early. Entry t of our tables belongs to t; only code without an entry 0 has to subtract 1.""",
    source="plausible: 0-based indices of most published DDPM code",
)
answer(
    "ddpm.posterior_mean",
    "prior-of-the-step-before",
    cell='''
@attach(DDPM)
def posterior_mean(self, x_t, x0, t):
    return self.alpha_bar[t - 1][:, None].sqrt() * x0 + 0 * x_t
''',
    says="""Your mean does not depend on x_t: it is where x_{t-1} is expected from x₀ alone. Knowing x_t as well moves it.""",
    source="plausible",
)
answer(
    "ddpm.posterior_mean",
    "step-undone",
    cell='''
@attach(DDPM)
def posterior_mean(self, x_t, x0, t):
    return x_t / self.alpha[t][:, None].sqrt() + 0 * x0
''',
    says="""Your mean does not depend on x₀: it undoes the scaling of one step, as if its noise had been 0.""",
    source="plausible",
)
answer(
    "ddpm.posterior_mean",
    "no-root-at-x-t",
    swap=[("alpha.sqrt() * (1", "alpha * (1")],
    says="""The part of x₀ is right, that of x_t is too small. What stands before x_{t-1} in q(x_t | x_{t-1}), a share of the variance or of the amplitude?""",
    source="plausible",
)
answer(
    "ddpm.posterior_mean",
    "no-root-at-x0",
    swap=[("alpha_bar_prev.sqrt() * beta", "alpha_bar_prev * beta")],
    says="""The part of x_t is right, that of x₀ is too small: a share of the variance stands where one of the amplitude belongs.""",
    source="plausible",
)

answer(
    "ddpm.sample",
    "beta-tilde",
    swap=[("x = x + self.beta[t].sqrt()",
           "x = x + ((1 - self.alpha_bar[t - 1]) / (1 - self.alpha_bar[t]) * self.beta[t]).sqrt()")],
    says="""Your noise has the posterior's variance, often called β̃. That is a good choice too, but here the other of Ho et al.'s two is
    asked for: look at the docstring.""",
    source="Ho et al. 2020, section 3.2: two choices of the variance",
)
answer(
    "ddpm.sample",
    "variance-as-sd",
    swap=[("self.beta[t].sqrt() * torch.randn", "self.beta[t] * torch.randn")],
    says="""The noise of your steps is too weak: it is multiplied by a variance where a standard deviation belongs.""",
    source="handout P's erratum: the sampling noise scaled by the posterior variance",
)
answer(
    "ddpm.sample",
    "noise-in-last-step",
    swap=[("        if t > 1:\n            x = x", "        if t > 0:\n            x = x")],
    says="""The last step adds noise too, so your samples are blurred by one dose of it. Nothing comes after that step to take it out.""",
    source="plausible",
)
answer(
    "ddpm.sample",
    "stops-early",
    swap=[("range(self.T, 0, -1)", "range(self.T, 1, -1)")],
    says="""The last step, at t = 1, is missing, so some noise is left in your samples. Look at the end of the range.""",
    source="plausible",
)
answer(
    "ddpm.sample",
    "starts-late",
    swap=[("range(self.T, 0, -1)", "range(self.T - 1, 0, -1)")],
    says="""The first step, at t = T, is missing. Look at the beginning of the range.""",
    source="plausible",
)
answer(
    "ddpm.sample",
    "forwards",
    swap=[("range(self.T, 0, -1)", "range(1, self.T + 1)")],
    says="""Your steps go from t = 1 up to T. Sampling starts where the noise is largest.""",
    source="plausible",
)
answer(
    "ddpm.sample",
    "step-before-to-network",
    swap=[("torch.full((len(x),), t))", "torch.full((len(x),), t - 1))")],
    says="""The network is told t - 1 in the step from t. In this notebook t = 1 belongs to the first noise step, for the tables and for the
    network.""",
    source="plausible: 0-based indices of most published DDPM code",
)
answer(
    "ddpm.sample",
    "uniform-start",
    swap=[("torch.randn(shape, generator=generator) if", "torch.rand(shape, generator=generator) if")],
    says="""Given a start, your steps are right, but your own start lies between 0 and 1. Which law do the data have at t = T?""",
    source="plausible",
)
answer(
    "ddpm.sample",
    "ignores-start",
    swap=[(" if x_T is None else x_T", "")],
    says="""The given start x_T is not used: your samples begin at fresh noise in any case.""",
    source="plausible",
)
answer(
    "ddpm.sample",
    "shared-noise",
    swap=[("torch.randn(x.shape, generator=generator)", "torch.randn(x.shape[1], generator=generator)")],
    says="""All samples get the same noise in a step, so they move together. Every row needs its own.""",
    source="plausible",
)
answer(
    "ddpm.sample",
    "noise-drawn-once",
    swap=[("    for t in range", "    z = torch.randn(x.shape, generator=generator)\n    for t in range"),
          ("self.beta[t].sqrt() * torch.randn(x.shape, generator=generator)", "self.beta[t].sqrt() * z")],
    says="""Every step adds the same noise again, so it piles up in one direction instead of averaging out. Each step draws its own.""",
    source="plausible",
)
answer(
    "ddpm.sample",
    "mean-only",
    swap=[("        if t > 1:\n            x = x + self.beta[t].sqrt() * torch.randn(x.shape, generator=generator)\n", "")],
    says="""No step adds noise, so your samples are drawn together too much. This is the sampler without noise; Algorithm 2 has some in
    every step but one.""",
    source="handout P, where this is called DDIM, which it is not",
)
answer(
    "ddpm.sample",
    "no-root-below",
    swap=[("(1 - self.alpha_bar[t]).sqrt() * eps", "(1 - self.alpha_bar[t]) * eps")],
    says="""Too much of the predicted noise is taken out: what stands under it is a variance where a standard deviation belongs.""",
    source="handout P's erratum: variance for standard deviation",
)
answer(
    "ddpm.sample",
    "alpha-bar-scale",
    swap=[("/ self.alpha[t].sqrt()", "/ self.alpha_bar[t].sqrt()")],
    says="""Each of your steps scales x up by what all t steps together have scaled it down, ᾱ for α.""",
    source="plausible",
)
answer(
    "ddpm.sample",
    "not-scaled",
    swap=[(") / self.alpha[t].sqrt()\n", ")\n")],
    says="""Your steps take noise out, but do not scale x up again: each forward step made the signal smaller.""",
    source="plausible",
)
answer(
    "ddpm.sample",
    "all-noise-at-once",
    swap=[("self.beta[t] / (1 - self.alpha_bar[t]).sqrt() * eps", "(1 - self.alpha_bar[t]).sqrt() * eps")],
    says="""Every step takes out all of the predicted noise. The network predicts the total noise in x_t, as it should; a step removes only
    its own share.""",
    source="handout E's text: predicting the total noise \"is not what we want\"",
)
answer(
    "ddpm.sample",
    "clipped",
    swap=[("        if t > 1:\n", "        x = x.clamp(-1, 1)\n        if t > 1:\n")],
    says="""Your points never leave [-1, 1] before noise is added. That is a habit from images; these data have no such limits.""",
    source="plausible: clip_denoised in published image code",
)

answer(
    "ddpm.sample_and_track",
    "history-normalised",
    swap=[("torch.stack(history) * std + mean", "torch.stack(history)")],
    says="""Your samples are in the data's units, the history is not: its end is not sample 0 any more.""",
    source="plausible",
)
answer(
    "ddpm.sample_and_track",
    "samples-normalised",
    swap=[("return x[:, 0] * std + mean, ", "return x[:, 0], ")],
    says="""Your history is in the data's units, the samples are not.""",
    source="plausible",
)
answer(
    "ddpm.sample_and_track",
    "nothing-denormalised",
    swap=[("x[:, 0] * std + mean, torch.stack(history) * std + mean", "x[:, 0], torch.stack(history)")],
    says="""Samples and history are still in units of standard deviations around the mean. Both are asked for in the data's own units.""",
    source="plausible",
)
answer(
    "ddpm.sample_and_track",
    "shifted-then-scaled",
    swap=[("x[:, 0] * std + mean, torch.stack(history) * std + mean", "(x[:, 0] + mean) * std, (torch.stack(history) + mean) * std")],
    says="""Your way back to the data's units does its two parts in the wrong order: what was done last has to be undone first.""",
    source="plausible",
)
answer(
    "ddpm.sample_and_track",
    "history-backwards",
    swap=[("torch.stack(history) * std", "torch.stack(history[::-1]) * std")],
    says="""Your history begins at the data and ends in the noise. It is asked for in the order in which it was made.""",
    source="plausible",
)
answer(
    "ddpm.sample_and_track",
    "start-missing",
    swap=[("history = [x[0, 0]]", "history = []")],
    says="""Your history has one entry too few: the start belongs to it, before the first step.""",
    source="plausible",
)
answer(
    "ddpm.sample_and_track",
    "recorded-before-step",
    swap=[("    history = [x[0, 0]]\n", "    history = []\n"),
          ("        beta, bar =", "        history.append(x[0, 0])\n        beta, bar ="),
          ("            x = x + beta.sqrt() * torch.randn(count, 1, generator=generator)\n        history.append(x[0, 0])\n",
           "            x = x + beta.sqrt() * torch.randn(count, 1, generator=generator)\n")],
    says="""Your history has one entry too few: each step's beginning is there, but where the last step ends is not.""",
    source="plausible",
)
answer(
    "ddpm.sample_and_track",
    "recorded-without-noise",
    swap=[("        if t > 1:\n", "        history.append(x[0, 0])\n        if t > 1:\n"),
          ("generator=generator)\n        history.append(x[0, 0])\n", "generator=generator)\n")],
    says="""Your history holds the means of the steps, before their noise comes in. The points themselves are asked for.""",
    source="plausible",
)
answer(
    "ddpm.sample_and_track",
    "mean-tracked",
    swap=[("history = [x[0, 0]]", "history = [x.mean()]"), ("history.append(x[0, 0])", "history.append(x.mean())")],
    says="""Your history follows the mean of all samples. With many of them it hardly moves; sample 0 is asked for.""",
    source="plausible",
)
answer(
    "ddpm.sample_and_track",
    "all-tracked",
    swap=[("history = [x[0, 0]]", "history = [x[:, 0]]"), ("history.append(x[0, 0])", "history.append(x[:, 0])")],
    says="""Your history holds all samples at every step. One of them, sample 0, is asked for.""",
    source="plausible",
)
answer(
    "ddpm.sample_and_track",
    "column",
    swap=[("return x[:, 0] * std", "return x * std")],
    says="""Your samples are a column, (count, 1). A flat (count,) is asked for: a column beside a row broadcasts to a table.""",
    source="handout E's validation loss: [B] against [B, 1]",
)
answer(
    "ddpm.sample_and_track",
    "last-sample-tracked",
    swap=[("history = [x[0, 0]]", "history = [x[-1, 0]]"), ("history.append(x[0, 0])", "history.append(x[-1, 0])")],
    says="""Your history is that of the last sample. That of sample 0 is asked for.""",
    source="plausible",
)
answer(
    "ddpm.sample_and_track",
    "beta-tilde",
    swap=[("x = x + beta.sqrt()", "x = x + (beta * (1 - bars[t - 2]) / (1 - bar)).sqrt()")],
    says="""Your noise has the posterior's variance, often called β̃. That is a good choice too, but the exercise takes the other of Ho et
    al.'s two.""",
    source="Ho et al. 2020, section 3.2: two choices of the variance",
)
answer(
    "ddpm.sample_and_track",
    "variance-as-sd",
    swap=[("beta.sqrt() * torch.randn", "beta * torch.randn")],
    says="""The noise of your steps is too weak: it is multiplied by a variance where a standard deviation belongs.""",
    source="handout P's erratum",
)
answer(
    "ddpm.sample_and_track",
    "noise-in-last-step",
    swap=[("        if t > 1:\n", "        if t > 0:\n")],
    says="""The last step adds noise too: history and samples end with one dose of it that nothing takes out.""",
    source="plausible",
)
answer(
    "ddpm.sample_and_track",
    "entry-off-by-one",
    swap=[("betas[t - 1], bars[t - 1]", "betas[min(t, T - 1)], bars[min(t, T - 1)]")],
    says="""Your steps take β and ᾱ of the next step. Here betas comes without an entry 0, so its first entry belongs to t = 1.""",
    source="plausible: index conventions",
)
answer(
    "ddpm.sample_and_track",
    "zero-based-t",
    swap=[("g(x, torch.full((count,), t))", "g(x, torch.full((count,), t - 1))")],
    says="""The predictor is told t - 1 in the step from t. It was trained with t from 1 to T.""",
    source="plausible: 0-based indices of most published DDPM code",
)
answer(
    "ddpm.sample_and_track",
    "product-of-betas",
    swap=[("torch.cumprod(1 - betas, 0)", "1 - torch.cumsum(betas, 0).clamp(max=0.999)")],
    says="""Your ᾱ falls by β in every step, along a line. What is left of the signal shrinks by a factor in every step.""",
    source="plausible",
)

answer(
    "ddpm.sample_posterior",
    "variance-as-sd",
    swap=[("x = x + variance.sqrt() *", "x = x + variance *")],
    says="""Without noise your sampler is right; with it the noise is too weak: it is multiplied by the posterior's variance where the standard
    deviation belongs.""",
    source="handout P's erratum: the sampling noise scaled by the posterior variance",
)
answer(
    "ddpm.sample_posterior",
    "beta-for-tilde",
    swap=[("variance = (1 - self.alpha_bar[step - 1]) / (1 - self.alpha_bar[step]) * self.beta[step]",
           "variance = self.beta[step] * (step > 1)")],
    says="""Without noise your sampler is right; with it the variance is that of the forward step, β, where the posterior's smaller one is
    asked for.""",
    source="Ho et al. 2020, section 3.2: two choices of the variance",
)
answer(
    "ddpm.sample_posterior",
    "ratio-inverted",
    swap=[("(1 - self.alpha_bar[step - 1]) / (1 - self.alpha_bar[step])", "(1 - self.alpha_bar[step]) / (1 - self.alpha_bar[step - 1]).clamp(min=0.1)")],
    says="""Your noise is stronger than that of a forward step: the ratio in the posterior's variance is upside down. Knowing x₀ makes
    x_{t-1} more certain, not less.""",
    source="plausible",
)
answer(
    "ddpm.sample_posterior",
    "output-as-x0",
    swap=[("self.to_x0(self.network(x, t), x, t, self.predicts)", "self.network(x, t)")],
    says="""The network's output goes into the posterior mean as it is. That is right only for a network that predicts x₀.""",
    source="handout P, whose network predicts x_0",
)
answer(
    "ddpm.sample_posterior",
    "always-noise",
    swap=[("self.to_x0(self.network(x, t), x, t, self.predicts)", "self.to_x0(self.network(x, t), x, t, \"eps\")")],
    says="""Every prediction is taken for the noise, whatever the network predicts.""",
    source="plausible",
)
answer(
    "ddpm.sample_posterior",
    "flag-ignored",
    swap=[("        if stochastic:\n            x = x", "        if step > 1:\n            x = x")],
    says="""Noise comes in although it is switched off: two runs from one start end in different places.""",
    source="plausible",
)
answer(
    "ddpm.sample_posterior",
    "never-noise",
    swap=[("        if stochastic:\n            x = x + variance.sqrt() * torch.randn(x.shape, generator=generator)\n", "")],
    says="""No noise comes in even when it is asked for: all samples from one start are the same.""",
    source="plausible",
)
answer(
    "ddpm.sample_posterior",
    "flag-turned-round",
    swap=[("        if stochastic:\n", "        if not stochastic:\n")],
    says="""With and without noise have changed places.""",
    source="plausible",
)
answer(
    "ddpm.sample_posterior",
    "shifted-variance",
    swap=[("variance = (1 - self.alpha_bar[step - 1]) / (1 - self.alpha_bar[step]) * self.beta[step]",
           "variance = (1 - self.alpha_bar[max(step - 2, 0)]) / (1 - self.alpha_bar[step - 1]).clamp(min=1e-3) * self.beta[step - 1]")],
    says="""Without noise your sampler is right; with it each step has the variance of the step after it, so the noise comes one step late.""",
    source="plausible: index conventions",
)
answer(
    "ddpm.sample_posterior",
    "ddim",
    swap=[("        x = self.posterior_mean(x, x0, t)\n",
           """        a, s = self.alpha_bar[step].sqrt(), (1 - self.alpha_bar[step]).sqrt()
        keep = (1 - self.alpha_bar[step - 1] - stochastic * variance).clamp(min=0).sqrt()
        x = self.alpha_bar[step - 1].sqrt() * x0 + keep * (x - a * x0) / s
""")],
    says="""Without noise these are the steps of DDIM, which keeps the predicted noise in x at its full size. The mean of the posterior is
    another point: handout P mixes up the two names, too.""",
    source="handout P calls the mean-only sampler DDIM; Song, Meng and Ermon 2020, eq. 12",
)
answer(
    "ddpm.sample_posterior",
    "noised-again",
    swap=[("        x = self.posterior_mean(x, x0, t)\n        if stochastic:\n            x = x + variance.sqrt() * torch.randn(x.shape, generator=generator)\n",
           "        x = self.q_sample(x0, t - 1, torch.randn(x.shape, generator=generator) * stochastic)\n")],
    says="""Your steps jump to the predicted x₀ and noise it afresh, so they forget where they were. The posterior knows x_t as well as x₀.""",
    source="plausible; Bansal et al. 2022, Algorithm 1",
)
answer(
    "ddpm.sample_posterior",
    "one-jump",
    swap=[("range(self.T, 0, -1)", "range(self.T, self.T - 1, -1)"),
          ("x = self.posterior_mean(x, x0, t)", "return x0")],
    says="""You return the x₀ predicted from pure noise, after a single step. A prediction from there is a mean over all data.""",
    source="plausible",
)
answer(
    "ddpm.sample_posterior",
    "stops-early",
    swap=[("range(self.T, 0, -1)", "range(self.T, 1, -1)")],
    says="""The last step, at t = 1, is missing. Look at the end of the range.""",
    source="plausible",
)
answer(
    "ddpm.sample_posterior",
    "arguments-swapped",
    swap=[("self.posterior_mean(x, x0, t)", "self.posterior_mean(x0, x, t)")],
    says="""x_t and the predicted x₀ have changed places on their way into the posterior mean. Look at the order of its arguments.""",
    source="plausible",
)
answer(
    "ddpm.sample_posterior",
    "shared-noise",
    swap=[("torch.randn(x.shape, generator=generator)", "torch.randn(x.shape[1], generator=generator)")],
    says="""All samples get the same noise in a step, so they move together. Every row needs its own.""",
    source="plausible",
)

answer(
    "ddpm.kl_term",
    "distance-only",
    swap=[("kl = squares + d / 2 * (variance / beta - 1 - torch.log(variance.clamp(min=1e-30) / beta))", "kl = squares")],
    says="""From t = 2 on your term is 0 for a network that knows x₀. The two normals have different variances, so some KL is left even
    then.""",
    source="Ho et al. 2020, eq. 8, with its constant C",
)
answer(
    "ddpm.kl_term",
    "no-constants",
    swap=[("kl = squares + d / 2 * (variance / beta - 1 - torch.log(variance.clamp(min=1e-30) / beta))", "kl = squares"),
          ("first = squares + d / 2 * torch.log(2 * math.pi * beta)", "first = squares")],
    says="""Your terms hold the squared distance alone. It is all that training needs, but the bound itself has parts that do not depend on
    the network.""",
    source="Ho et al. 2020, eq. 8, with its constant C",
)
answer(
    "ddpm.kl_term",
    "constant-once",
    swap=[("kl = squares + d / 2 * (", "kl = squares + 1 / 2 * ("), ("first = squares + d / 2 *", "first = squares + 1 / 2 *")],
    says="""The distance is right in any dimension, the constant only in one. Each dimension has its own normal, and each brings its
    constant.""",
    source="plausible",
)
answer(
    "ddpm.kl_term",
    "log-sign",
    swap=[("- 1 - torch.log(", "- 1 + torch.log(")],
    says="""Your constant part is negative for t from 2 on, and a KL never is: look at the sign of the logarithm.""",
    source="plausible",
)
answer(
    "ddpm.kl_term",
    "reversed",
    swap=[("squares + d / 2 * (variance / beta - 1 - torch.log(variance.clamp(min=1e-30) / beta))",
           "squares * beta / variance.clamp(min=1e-30) + d / 2 * (beta / variance.clamp(min=1e-30) - 1 + torch.log(variance.clamp(min=1e-30) / beta))")],
    says="""This is the KL from p to q. The two directions differ: the bound averages over q, the forward process.""",
    source="plausible",
)
answer(
    "ddpm.kl_term",
    "same-variances",
    swap=[("    squares = gap.square().sum(1) / (2 * beta)\n    kl = squares + d / 2 * (variance / beta - 1 - torch.log(variance.clamp(min=1e-30) / beta))\n",
           "    squares = gap.square().sum(1) / (2 * beta)\n    kl = gap.square().sum(1) / (2 * variance.clamp(min=1e-30))\n")],
    says="""Your p has the posterior's variance, β̃, so that only the distance is left. Here p has the variance β.""",
    source="handout D3 with β̃ for both variances",
)
answer(
    "ddpm.kl_term",
    "missing-half",
    swap=[("/ (2 * beta)", "/ beta")],
    says="""What a wrong prediction adds is twice what it should be; the constants are right.""",
    source="plausible",
)
answer(
    "ddpm.kl_term",
    "beta-as-sd",
    swap=[("/ (2 * beta)", "/ (2 * beta**2)")],
    says="""The squared distance is divided by β squared, as if β were a standard deviation. It is the variance.""",
    source="handout P's erratum: variance for standard deviation",
)
answer(
    "ddpm.kl_term",
    "kl-at-one",
    swap=[("torch.where(t == 1, first, kl)", "kl")],
    says="""At t = 1 your term is huge: there q is a point, whose KL to a normal is infinite. That term of the bound is of another kind.""",
    source="plausible",
)
answer(
    "ddpm.kl_term",
    "density-not-normalised",
    swap=[("first = squares + d / 2 * torch.log(2 * math.pi * beta)", "first = squares")],
    says="""From t = 2 on all is right; at t = 1 the density's normalising factor is missing.""",
    source="plausible",
)
answer(
    "ddpm.kl_term",
    "log-likelihood",
    swap=[("torch.where(t == 1, first, kl)", "torch.where(t == 1, -first, kl)")],
    says="""From t = 2 on all is right; at t = 1 you return log p. The bound has minus that.""",
    source="plausible",
)
answer(
    "ddpm.kl_term",
    "no-pi",
    swap=[("torch.log(2 * math.pi * beta)", "torch.log(beta)")],
    says="""From t = 2 on all is right; at t = 1 a number is missing that depends on the dimension only. What stands before the exponential
    in a normal density?""",
    source="plausible",
)
answer(
    "ddpm.kl_term",
    "bits",
    swap=[("torch.where(t == 1, first, kl)", "torch.where(t == 1, first, kl) / math.log(2)")],
    says="""All your terms are too large by one factor, 1.44: they are in bits. Nats are asked for.""",
    source="plausible",
)
answer(
    "ddpm.kl_term",
    "predicts-noise",
    swap=[("self.to_x0(self.network(x_t, t), x_t, t, self.predicts)", "self.to_x0(self.network(x_t, t), x_t, t, \"eps\")")],
    says="""Every prediction is taken for the noise, whatever the network predicts.""",
    source="plausible",
)
answer(
    "ddpm.kl_term",
    "distance-of-x0",
    swap=[("gap = self.posterior_mean(x_t, x0, t) - self.posterior_mean(x_t, predicted, t)", "gap = x0 - predicted")],
    says="""Your distance is between x₀ and its prediction; at t = 1 this is right. For other t the means of x_{t-1} are compared, in which
    x₀ counts for only a part.""",
    source="handout P's loss, which leaves this factor out",
)
answer(
    "ddpm.kl_term",
    "mean-over-dimensions",
    swap=[("torch.where(t == 1, first, kl)", "torch.where(t == 1, first, kl) / d")],
    says="""Your terms are averages over the dimensions. The logarithm of a product is a sum.""",
    source="plausible",
)
answer(
    "ddpm.kl_term",
    "one-number",
    swap=[("torch.where(t == 1, first, kl)", "torch.where(t == 1, first, kl).mean()")],
    says="""You return one number for the batch. One for each row is asked for.""",
    source="plausible",
)

# ---- the size of the noise, and whose it is

answer(
    "ddpm.mixture",
    "heaps-from-uniforms",
    swap=[("centre + torch.randn(n, 1, generator=generator)", "centre + torch.rand(n, 11, generator=generator).sum(1, keepdim=True) - 5.5")],
    says="""Both heaps look normal and are a few per cent too narrow. If you build normal numbers from uniform ones: which variance has one
    uniform number, and so which has your sum?""",
    source="plausible: the sum of twelve uniforms minus 6 is an old recipe, here off by one",
)
for task, draw in (
    ("ddpm.negative_elbo", "noise = torch.randn(x0.shape, generator=generator)"),
    ("ddpm.loss", "x_t = self.q_sample(x0, t, torch.randn(x0.shape, generator=generator))"),
):
    half = "torch.randn((len(x0) + 1) // 2, x0.shape[1], generator=generator)"
    for name, noise, says, source in (
        (
            "neighbours-share-noise",
            half + ".repeat_interleave(2, 0)[: len(x0)]",
            """Two neighbouring rows of the batch get the same noise. Each loss is right on average, but half of the noise is missing. How many
            rows of noise does a batch need?""",
            "plausible",
        ),
        (
            "halves-share-noise",
            half + ".repeat(2, 1)[: len(x0)]",
            """The second half of the batch gets the same noise as the first. Each loss is right on average, but half of the noise is missing.
            (If the noise was meant to come in opposite pairs: something is left out.)""",
            "Song et al. 2021 (DDIM), public code: antithetic draws; here of the noise, and without their sign",
        ),
        (
            "noise-clamped",
            "torch.randn(x0.shape, generator=generator).clamp(-2, 2)",
            """The variance of your noise is a few per cent too small, and no number of it is far from 0: something holds them back.""",
            "plausible (a guard against outliers)",
        ),
    ):
        swap = [(draw, draw.replace("torch.randn(x0.shape, generator=generator)", noise))]
        answer(task, name, swap=swap, says=says, source=source)
answer(
    "ddpm.sample",
    "noise-truncated",
    swap=[("self.beta[t].sqrt() * torch.randn(x.shape, generator=generator)",
           "self.beta[t].sqrt() * torch.nn.init.trunc_normal_(torch.empty(x.shape), generator=generator)")],
    says="""The noise of your steps is too small, and none of it is far out: these are normal numbers without their ends. That makes samples
    look tidier than the data are. Which distribution does the algorithm add?""",
    source="Brock et al. 2019 (BigGAN): the truncation trick",
)
answer(
    "ddpm.sample_and_track",
    "noise-clamped",
    swap=[("beta.sqrt() * torch.randn(count, 1, generator=generator)", "beta.sqrt() * torch.randn(count, 1, generator=generator).clamp(-2, 2)")],
    says="""No step of yours is shaken harder than some bound, and the variance of its noise is a few per cent too small: the far numbers are held
    back. Do you want to tame them?""",
    source="plausible (a guard against outliers)",
)
answer(
    "ddpm.sample_posterior",
    "noise-dropped-out",
    swap=[("variance.sqrt() * torch.randn(x.shape, generator=generator)",
           "variance.sqrt() * torch.nn.functional.dropout(torch.randn(x.shape, generator=generator), 0.05)")],
    says="""In every step a few numbers get no noise at all and the others a little too much: there is a dropout behind the normal numbers. What
    does it do to their variance?""",
    source="plausible (dropout that is not switched off)",
)
answer(
    "ddpm.sample",
    "noise-standardised",
    swap=[("            x = x + self.beta[t].sqrt() * torch.randn(x.shape, generator=generator)", "            noise = torch.randn(x.shape, generator=generator)\n            x = x + self.beta[t].sqrt() * noise / noise.std()")],
    says="""With large batches your noise looks right, with a single point it does not: its numbers are divided by their own spread, so they depend
    on each other. Standard normal numbers have spread 1 on average, not each time.""",
    source="plausible: normalisation as a habit",
)
answer(
    "ddpm.sample",
    "step-before-to-network-but-last",
    swap=[("torch.full((len(x),), t))", "torch.full((len(x),), max(t - 1, 1)))")],
    says="""The network is told t - 1 in the step from t, except in the last step. In this notebook t = 1 belongs to the first noise step, for the
    tables and for the network.""",
    source="plausible: 0-based indices, held above 0 by force",
)
answer(
    "ddpm.sample",
    "noise-along-diagonal",
    swap=[("torch.randn(x.shape, generator=generator)", "torch.randn(len(x), 1, generator=generator)")],
    says="""On the line all is well, but in more dimensions all coordinates of a point get the same noise. Every coordinate needs a number of its own.""",
    source="plausible: broadcasting hides it",
)
answer(
    "ddpm.sample",
    "changes-x_T",
    swap=[("        x = (x - self.beta[t] / (1 - self.alpha_bar[t]).sqrt() * eps) / self.alpha[t].sqrt()\n",
           "        x -= self.beta[t] / (1 - self.alpha_bar[t]).sqrt() * eps\n        x /= self.alpha[t].sqrt()\n")],
    says="""The samples are right, but the start x_T that was handed in has turned into them: your sampler writes into the tensor that it was given, and
    whoever called it would start the next run from there.""",
    source="a fresh reader's answer: in-place operators on the caller's x_T",
)
answer(
    "ddpm.sample",
    "mirrored-halves",
    swap=[("self.beta[t].sqrt() * torch.randn(x.shape, generator=generator)",
           "self.beta[t].sqrt() * torch.cat([(half := torch.randn(len(x) // 2, *x.shape[1:], generator=generator)), -half, "
           "torch.randn(len(x) % 2, *x.shape[1:], generator=generator)])")],
    says="""The noise of some samples is that of others turned round. Each looks right, but the sum of a call's noise is 0 or nearly so: the samples are not
    independent of each other.""",
    source="antithetic draws, a way to reduce the variance of an average",
)

# ---------------------------------------------------------------------- generators, modes, extremes

# A seed of its own would give numbers that are known by heart; whatever the seed is, the numbers begin anew in each call.
SEED = "    torch.manual_seed(torch.initial_seed())\n"
SEEDED = """Two calls without a generator give the same random numbers: something in your code sets a seed, or keeps numbers of an earlier call.
    Seeds belong where a function is called."""

for task, line in {
    "ddpm.mixture": "    right = torch.rand(",
    "ddpm.negative_elbo": "    t = torch.randint(",
    "ddpm.loss": "    t = torch.randint(",
    "ddpm.train_epochs": "    history = []\n",
    "ddpm.sample": "    x = torch.randn(shape",
    "ddpm.sample_and_track": "    x = torch.randn(count, 1, generator=generator) if",
    "ddpm.sample_posterior": "    x = torch.randn(shape",
}.items():
    answer(task, "generator-copied", swap=[(line, GENERATOR_COPIED + line)], says=COPIED_SAYS, source="plausible: made to repeat its numbers")
    answer(task, "seeded", swap=[(line, SEED + line)], says=SEEDED, source="plausible: a seed copied in for reproducibility")

AGAIN = "None if generator is None else torch.Generator().manual_seed(generator.initial_seed())"
IN_EACH_STEP = """When a generator is given, all steps add the same noise: it comes from a copy that starts anew each time. Which object should all
    the steps draw from?"""

for task, shape in {"ddpm.sample": "x.shape", "ddpm.sample_and_track": "count, 1", "ddpm.sample_posterior": "x.shape"}.items():
    start = f"torch.randn({'count, 1' if shape == 'count, 1' else 'shape'}, generator=generator) if"
    answer(
        task,
        "generator-copied-in-each-step",
        swap=[
            (start, start.replace("=generator)", f"={AGAIN})")),
            (f"sqrt() * torch.randn({shape}, generator=generator)", f"sqrt() * torch.randn({shape}, generator={AGAIN})"),
        ],
        says=IN_EACH_STEP,
        source="plausible: made to repeat its numbers",
    )
answer(
    "ddpm.train_epochs",
    "generator-copied-in-each-epoch",
    swap=[("torch.randperm(len(train), generator=generator)", f"torch.randperm(len(train), generator={AGAIN})")],
    says="""When a generator is given, all epochs have the same order: it comes from a copy that starts anew each time. Which object should all the
    epochs draw from?""",
    source="plausible: made to repeat its numbers",
)
answer(
    "ddpm.train_epochs",
    "stays-in-eval-mode",
    swap=[("        with torch.no_grad():\n", "        ddpm.eval()\n        with torch.no_grad():\n")],
    says="""From the second epoch on the network is trained in eval mode, where dropout, for one, is off: the mode that belongs to the validation is left
    switched on.""",
    source="plausible: eval() without train()",
)
answer(
    "ddpm.train_epochs",
    "gradients-left-off",
    swap=[("    for _ in progress_bar(epochs, \"epochs\"):\n", "    for _ in progress_bar(epochs, \"epochs\"):\n        torch.set_grad_enabled(True)\n"),
          ("        with torch.no_grad():\n            history", "        torch.set_grad_enabled(False)\n        history")],
    says="""After your training gradients are switched off, for everything in the notebook that comes after it. Is there a way to switch them off that ends
    by itself?""",
    source="plausible: set_grad_enabled as a command",
)
answer(
    "ddpm.train_epochs",
    "stops-early",
    cell="""
def train_epochs(ddpm, train, valid, optimizer, epochs, batch_size, generator=None):
    history, rises = [], 0
    for _ in range(epochs):
        if rises >= 2:
            history.append(history[-1])
            continue
        total = 0.0
        for rows in torch.randperm(len(train), generator=generator).split(batch_size):
            loss = ddpm.loss(train[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            total += loss.item() * len(rows)
        with torch.no_grad():
            value = ddpm.loss(valid).item()
        rises = rises + 1 if history and value > history[-1][1] else 0
        history.append((total / len(train), value))
    return history
""",
    says="""Some of the epochs that were asked for are never trained: after the validation loss has gone up, nothing moves any more. That may be wise, but
    `epochs` epochs are promised here, and the curves are there to show what happens.""",
    source="plausible: early stopping as a habit",
)
answer(
    "ddpm.alpha_bar",
    "held-up",
    swap=[("torch.cumprod(1 - betas, 0)", "torch.cumprod(1 - betas, 0).clamp(min=1e-5)")],
    says="""Your ᾱ does not go below a small number, so long or strong schedules come out wrong. What is it kept up for? Nothing is divided here.""",
    source="plausible: a guard against a division by 0",
)
answer(
    "ddpm.alpha_bar",
    "always-float32",
    cell="""
def alpha_bars(betas):
    table = torch.ones(len(betas) + 1)
    for t in range(1, len(table)):
        table[t] = table[t - 1] * (1 - betas[t - 1])
    return table
""",
    says="""Your numbers are right, but always of type float32. Betas of float64 should give a table of float64: which type does the tensor have that you
    write into?""",
    source="plausible: torch.ones without a dtype",
)
answer(
    "ddpm.loss",
    "one-t-in-eval-mode",
    swap=[("    t = torch.randint(1, self.T + 1, (len(x0),), generator=generator)",
           "    t = torch.randint(1, self.T + 1, (len(x0),), generator=generator) if self.training else torch.full((len(x0),), (self.T + 1) // 2)")],
    says="""In eval mode your t is no longer random. Eval mode is for layers such as dropout; what the loss estimates is the same in both modes.""",
    source="plausible: a validation that can be repeated",
)
answer(
    "ddpm.negative_elbo",
    "t-in-turn-in-eval-mode",
    swap=[("    t = torch.randint(1, self.T + 1, (len(x0),), generator=generator)",
           "    t = torch.randint(1, self.T + 1, (len(x0),), generator=generator) if self.training else torch.arange(len(x0)) % self.T + 1")],
    says="""In eval mode a row's t is no longer random: it follows from its place in the batch. Eval mode is for layers such as dropout; what is
    estimated is the same in both modes.""",
    source="plausible: a validation that can be repeated",
)
answer(
    "ddpm.sample_and_track",
    "squeezed",
    swap=[("return x[:, 0] * std", "return x.squeeze() * std")],
    says="""With count = 1 your samples have no axis left: (count,) is (1,) there, not (). squeeze() without an argument takes away every axis of length 1.""",
    source="plausible: squeeze() without an argument",
)
for task, code in {
    "ddpm.q_sample": """
TABLES = {}

@attach(DDPM)
def q_sample(self, x0, t, noise):
    if self.T not in TABLES:
        TABLES[self.T] = self.alpha_bar.sqrt(), (1 - self.alpha_bar).sqrt()
    signal, spread = TABLES[self.T]
    return signal[t][:, None] * x0 + spread[t][:, None] * noise
""",
    "ddpm.posterior_mean": """
TABLES = {}

@attach(DDPM)
def posterior_mean(self, x_t, x0, t):
    if self.T not in TABLES:
        beta, alpha, now, before = self.beta[1:], self.alpha[1:], self.alpha_bar[1:], self.alpha_bar[:-1]
        TABLES[self.T] = before.sqrt() * beta / (1 - now), alpha.sqrt() * (1 - before) / (1 - now)
    of_x0, of_x_t = TABLES[self.T]
    return of_x0[t - 1][:, None] * x0 + of_x_t[t - 1][:, None] * x_t
""",
}.items():
    answer(
        task,
        "tables-of-another-schedule",
        cell=code,
        says="""Your first answers are right. With another schedule of as many steps they are not: numbers that belong to a schedule are kept from an earlier
    call and used again. Where could they be kept, so that each process has its own?""",
        source="plausible: a cache",
    )
answer(
    "ddpm.betas",
    "begun-at-the-end",
    swap=[("return torch.linspace(first, last, T)", "return torch.linspace(last, first, T).flip(0)"),
          ("return torch.linspace(first**0.5, last**0.5, T) ** 2", "return torch.linspace(last**0.5, first**0.5, T).flip(0) ** 2")],
    says="""With T = 1 your schedule holds `last`. The docstring says which of the two a single step gets.""",
    source="plausible: built downwards",
)
answer(
    "ddpm.cosine_betas",
    "floor-under-alpha-bar",
    swap=[("    return (1 - f[1:] / f[:-1]).clamp(max=largest).float()", "    f = (f / f[0]).clamp(min=1 - largest)\n    return (1 - f[1:] / f[:-1]).float()")],
    says="""The limit holds ᾱ up instead of holding β down, so your last betas are too small. What is it that may not be larger than `largest`?""",
    source="plausible",
)
answer(
    "ddpm.from_x0",
    "variance-held-up",
    swap=[("(1 - self.alpha_bar[t][:, None]).sqrt()", "(1 - self.alpha_bar[t][:, None]).clamp(min=1e-2).sqrt()")],
    says="""At the first steps, where 1 - ᾱ is small, your noise and score are too small, and later they are right: something keeps 1 - ᾱ from being as
    small as it is. Nothing is divided by 0 for t from 1 on.""",
    source="plausible: the epsilon habit",
)
answer(
    "ddpm.kl_term",
    "first-row-decides",
    swap=[("return torch.where(t == 1, first, kl)", "return first if t[0] == 1 else kl")],
    says="""In a batch with t = 1 and others, all rows get the formula of the first one. Each row has its own t.""",
    source="plausible: an if for a whole batch",
)
answer(
    "ddpm.loss",
    "evenly-spaced-steps",
    swap=[("torch.randint(1, self.T + 1, (len(x0),), generator=generator)",
           "torch.linspace(1, self.T, len(x0)).long()[torch.randperm(len(x0), generator=generator)]")],
    says="""The steps of a batch are spread evenly from 1 to T: T itself comes up for one row only, and a batch of one row always gets t = 1. In each row
    each of the T steps has to be as likely as the others.""",
    source="plausible: stratified times without the random part",
)
answer(
    "ddpm.loss",
    "one-noise-per-row",
    swap=[("torch.randn(x0.shape, generator=generator)", "torch.randn(len(x0), 1, generator=generator).expand(x0.shape)")],
    says="""All numbers of a row get the same noise. In one dimension nobody sees that; each number needs its own.""",
    source="plausible: written for d = 1",
)
answer(
    "ddpm.mixture",
    "rounded-counts-shuffled",
    swap=[("torch.rand(n, 1, generator=generator) < 2 / 3", "(torch.arange(n) >= round(n / 3))[torch.randperm(n, generator=generator)][:, None]")],
    like="fixed-counts-shuffled",
)
answer(
    "ddpm.noise_predictor",
    "layers-in-a-plain-list",
    cell="""
class NoisePredictor(nn.Module):
    def __init__(self):
        super().__init__()
        self.hidden = [nn.Linear(2, 128), nn.Linear(128, 128)]
        self.out = nn.Linear(128, 1)

    def forward(self, x, t):
        h = torch.cat([x, t[:, None].to(x.dtype)], dim=1)
        for layer in self.hidden:
            h = torch.tanh(layer(h))
        return self.out(h)
""",
    says="""Your network has all its layers, but learns the numbers of the last one only: the others are kept where the module does not look for them. What
    can hold several layers so that `parameters()` finds them?""",
    source="PyTorch documentation: nn.ModuleList",
)
answer(
    "ddpm.normalize",
    "in-place-both-ways",
    swap=[("return (x - mean) / std", "return x.sub_(mean).div_(std)"), ("return z * std + mean", "return z.mul_(std).add_(mean)")],
    like="in-place",
)
answer(
    "ddpm.posterior_mean",
    "never-at-zero",
    swap=[("self.alpha_bar[t - 1][:, None]", "self.alpha_bar[(t - 1).clamp(min=1)][:, None]")],
    says="""At t = 1 your mean still holds some of x_t. The step before the first one is x_0 itself: the table has an entry for it, and yours is never asked there.""",
    source="plausible: an index held at 1",
)
answer(
    "ddpm.posterior_mean",
    "shifted-along-the-batch",
    swap=[("self.alpha_bar[t - 1][:, None]", "torch.cat([torch.ones(1), self.alpha_bar[t][:-1]])[:, None]")],
    says="""The ᾱ of the step before is the ᾱ of the row above: your shift goes along the batch, whose rows have any t in any order, not along the table.""",
    source="plausible: alphas_cumprod_prev made from gathered numbers",
)
answer(
    "ddpm.q_sample",
    "same-noise-in-each-step",
    cell="""
@attach(DDPM)
def q_sample(self, x0, t, noise):
    x = x0
    for step in range(1, int(t.max()) + 1):
        moved = self.alpha[step].sqrt() * x + self.beta[step].sqrt() * noise
        x = torch.where((t >= step)[:, None], moved, x)
    return x
""",
    says="""Your noise is too large after more than one step: you go step by step with the same noise, whose sizes add up. Independent noises add their
    variances, and for those one table knows the whole way.""",
    source="plausible: the single step repeated",
)
answer(
    "ddpm.sample_posterior",
    "variance-clipped",
    swap=[("        variance = (1 - self.alpha_bar[step - 1])", "        i = max(step, min(2, self.T))\n        variance = (1 - self.alpha_bar[i - 1])"),
          ("/ (1 - self.alpha_bar[step]) * self.beta[step]", "/ (1 - self.alpha_bar[i]) * self.beta[i]")],
    says="""At t = 1 you still add noise: that with the variance of t = 2, as code does that needs a logarithm of it. What does the formula give at t = 1?""",
    source="Ho et al. 2020's code: posterior_log_variance_clipped",
)
answer(
    "ddpm.time_features",
    "wraps-at-the-end",
    swap=[("t[:, None] / T", "(t % T)[:, None] / T")],
    says="""t = T looks like t = 0 to your network, also where a rate is no whole number. A remainder is taken that the formula does not have.""",
    source="plausible: zero-based habits",
)
answer(
    "ddpm.to_x0",
    "always-clipped",
    swap=[("return (x_t - s * out) / a\n    if kind == \"v\"", "return ((x_t - s * out) / a).clamp(-1, 1)\n    if kind == \"v\""),
          ("return a * x_t - s * out", "return (a * x_t - s * out).clamp(-1, 1)"), ("return (x_t + s**2 * out) / a", "return ((x_t + s**2 * out) / a).clamp(-1, 1)"),
          ("    return out", "    return out.clamp(-1, 1)")],
    says="""Your x_0 never leaves the interval from -1 to 1. Samplers for images clip like this, since pixels end there; x_0 here may be any number.""",
    source="Ho et al. 2020's code: clip_denoised",
)
answer(
    "ddpm.betas",
    "always-rising",
    swap=[("return torch.linspace(first, last, T)", "return torch.linspace(min(first, last), max(first, last), T) if T > 1 else torch.tensor([first])"),
          ("return torch.linspace(first**0.5, last**0.5, T) ** 2", "return linear_betas(T, first**0.5, last**0.5) ** 2")],
    says="""A schedule that is asked to fall from first to last rises. The two arguments are the ends, in this order.""",
    source="plausible: a guard",
)
answer(
    "ddpm.normalize",
    "kept-from-the-first-call",
    swap=[("def statistics(train):", "def statistics(train, known={}):"),
          ("    return train.mean(0), train.std(0)", "    return known.setdefault(train.shape[1], (train.mean(0), train.std(0)))")],
    says="""The second data set gets the statistics of the first one: something is kept from an earlier call. When is the value of a default argument made?""",
    source="Python documentation: mutable default arguments",
)
answer(
    "ddpm.normalize",
    "outliers-cut",
    swap=[("return (x - mean) / std", "return ((x - mean) / std).clamp(-5, 5)")],
    says="""Rows that are far out are held back at a fixed number, so they do not come back on the way back. Normalising moves and scales, nothing else.""",
    source="plausible: a guard against outliers",
)
answer(
    "ddpm.noise_predictor",
    "x-cut-off",
    swap=[("torch.cat([x, t[:, None].to(x.dtype)], dim=1)", "torch.cat([x.detach(), t[:, None].to(x.dtype)], dim=1)")],
    says="""The answers are right, but no gradient reaches x. Where is it cut off from the result?""",
    source="plausible",
)
answer(
    "ddpm.noise_predictor",
    "layer-made-once",
    cell="""
class NoisePredictor(nn.Module):
    def __init__(self, middle=nn.Linear(128, 128)):
        super().__init__()
        self.layers = nn.Sequential(nn.Linear(2, 128), nn.Tanh(), middle, nn.Tanh(), nn.Linear(128, 1))

    def forward(self, x, t):
        return self.layers(torch.cat([x, t[:, None].to(x.dtype)], dim=1))
""",
    says="""Two networks have weights in common, so that training one changes the other. When is each of your layers made: with the class, or with each network?""",
    source="Python documentation: mutable default arguments",
)
answer(
    "ddpm.loss",
    "strata-too-short",
    swap=[("torch.randint(1, self.T + 1, (len(x0),), generator=generator)",
           "(torch.randperm(len(x0), generator=generator) * (width := max(self.T // len(x0), 1)) + torch.randint(width, (len(x0),), generator=generator)) % self.T + 1")],
    says="""In batches with fewer rows than steps the last steps never come up: your parts of the range are all of the same whole length, and T is not always a
    multiple of it.""",
    source="plausible: stratified times",
)
answer(
    "ddpm.loss",
    "switched-to-train-mode",
    swap=[("    t = torch.randint(1,", "    self.train()\n    t = torch.randint(1,")],
    says="""Your loss puts the network into train mode. Whoever measures a validation loss has put it into eval mode before, and finds it changed.""",
    source="plausible",
)
