"""Known mistakes of notebook 01."""

from autograder.misconceptions.shared import COPIED_SAYS, GENERATOR_COPIED

# ------------------------------------------------------------------------------------------------------------ gaussian

answer(
    "sampling.gaussian",
    "cov-as-factor",
    swap=[("factor = torch.linalg.cholesky(cov)", "factor = cov")],
    says="""The spread of your samples is that of the covariance matrix applied to standard normals. A random vector A z has
    covariance A Aᵀ, not A. Which A has A Aᵀ = Σ?""",
    source="plausible: the variance taken for the standard deviation, in matrix form",
)
answer(
    "sampling.gaussian",
    "factor-transposed",
    swap=[("z @ factor.T", "z @ factor")],
    says="""Your samples have the covariance LᵀL instead of L Lᵀ. With one sample per row, think again about which side of z the
    factor multiplies, and whether it has to be transposed there.""",
    source="plausible: the formula for columns used for rows",
)
answer(
    "sampling.gaussian",
    "no-correlation",
    swap=[("mean + z @ factor.T", "mean + z * cov.diagonal().sqrt()")],
    says="""Each coordinate has the right variance, but the coordinates vary independently of each other. The entries of the
    covariance beside its diagonal have no effect in your code.""",
    source="plausible",
)
answer(
    "sampling.gaussian",
    "uniform-noise",
    swap=[("torch.randn(n, len(mean), generator=generator)", "torch.rand(n, len(mean), generator=generator)")],
    says="""Your samples look as if they were made from uniform numbers: their mean is shifted and they have hard edges. Compare
    the names of torch's random functions: which one draws normal numbers?""",
    source="plausible: rand for randn",
)
answer(
    "sampling.gaussian",
    "one-draw-for-all-rows",
    swap=[("torch.randn(n, len(mean), generator=generator)", "torch.randn(len(mean), generator=generator).expand(n, -1)")],
    says="""All rows of a call move together, as if one random vector had been drawn and used n times. Look at the shape of
    the random numbers you draw.""",
    source="plausible: noise shared by the batch",
)
answer(
    "sampling.gaussian",
    "one-number-per-row",
    swap=[("torch.randn(n, len(mean), generator=generator)",
           "torch.randn(n, 1, generator=generator).expand(n, len(mean))")],
    says="""Your points all lie on one line. Each row seems to be made from a single random number that is used in all
    coordinates. How many independent numbers does a point in d dimensions need?""",
    source="plausible",
)
answer(
    "sampling.gaussian",
    "mean-forgotten",
    swap=[("mean + z @ factor.T", "z @ factor.T")],
    says="The spread of your samples is right, but they are centred on the origin. Which input has your code not used?",
    source="plausible",
)
answer(
    "sampling.gaussian",
    "standardised-samples",
    swap=[("    return mean", "    if n > 1:\n        z = (z - z.mean(0)) / z.std(0)\n    return mean")],
    says="""The mean of your rows comes out the same in every call. It looks as if the random numbers were shifted and scaled
    to have exactly mean 0 and variance 1, but real samples scatter: a sample mean is random, too.""",
    source="plausible: normalises its noise",
)
answer(
    "sampling.gaussian",
    "seeded-inside",
    swap=[("    z = torch.randn", "    torch.manual_seed(0)\n    z = torch.randn")],
    says="""Every call gives the same samples. A seed belongs to the caller: a function that seeds itself is not random any
    more.""",
    source="plausible: a seed copied in for reproducibility",
)

# ------------------------------------------------------------------------------------------------------------ log_prob

answer(
    "sampling.log_prob",
    "half-forgotten",
    swap=[("-0.5 * ((z**2).sum(dim=0) + log_det", "-((z**2).sum(dim=0) + 0.5 * log_det"),
          ("len(mean) * math.log(2 * math.pi)", "0.5 * len(mean) * math.log(2 * math.pi)")],
    says="""At the mean your value is right, and away from it the log-density falls twice as fast as it should. Look at the
    factor in front of the squared distance.""",
    source="plausible",
)
answer(
    "sampling.log_prob",
    "determinant-forgotten",
    swap=[("log_det = 2 * factor.diagonal().log().sum()", "log_det = 0.0")],
    says="""Your values have the right differences between points, but the level is off by an amount that depends on the
    covariance alone: a wide Gaussian must be lower than a narrow one. Which term of the formula sees to that?""",
    source="plausible",
)
answer(
    "sampling.log_prob",
    "determinant-of-factor",
    swap=[("log_det = 2 * factor.diagonal().log().sum()", "log_det = factor.diagonal().log().sum()")],
    says="""The term with the determinant has half of its size. The determinant of the factor is not that of the covariance:
    how do the two relate?""",
    source="plausible: misses det(L Lᵀ) = det(L)²",
)
answer(
    "sampling.log_prob",
    "determinant-twice",
    swap=[("-0.5 * ((z**2).sum(dim=0) + log_det +", "-log_det - 0.5 * ((z**2).sum(dim=0) +")],
    says="""The term with the determinant has twice its size. Which power of the determinant stands in the density, and what does
    the logarithm make of it?""",
    source="plausible: the root of the determinant forgotten",
)
answer(
    "sampling.log_prob",
    "one-dimension-of-2pi",
    swap=[("len(mean) * math.log", "math.log")],
    says="""In one dimension your values are right; in more they are too large by the same amount everywhere. How does
    the constant of the density depend on the dimension?""",
    source="plausible: the 1D formula",
)
answer(
    "sampling.log_prob",
    "correlation-ignored",
    swap=[("factor = torch.linalg.cholesky(cov)", "factor = cov.diagonal().sqrt().diag()")],
    says="""Your values are those of a Gaussian with the right variances and no correlations. Only the diagonal of the covariance
    seems to be used.""",
    source="plausible",
)
answer(
    "sampling.log_prob",
    "cov-for-its-inverse",
    swap=[("    z = torch.linalg.solve_triangular(factor, (x - mean).T, upper=False)", "    z = factor.T @ (x - mean).T")],
    says="""Your log-density falls fast in the directions in which the Gaussian is wide, and slowly where it is narrow. It should be
    the other way round: what stands between the two differences in the formula?""",
    source="plausible",
)
answer(
    "sampling.log_prob",
    "log-of-density",
    swap=[("return -0.5 * ((z**2).sum(dim=0) + log_det + len(mean) * math.log(2 * math.pi))",
           "density = torch.exp(-0.5 * (z**2).sum(dim=0)) / torch.sqrt((2 * math.pi) ** len(mean) * torch.linalg.det(cov))\n    return density.log()")],
    says="""Near the mean your values are right, and far in the tails they are minus infinity. There the density itself is too
    small for a floating-point number, so it must not appear on the way to its logarithm.""",
    source="plausible: the numerical trap that the task is about",
)
answer(
    "sampling.log_prob",
    "density-returned",
    swap=[("return -0.5 * ((z**2).sum(dim=0) + log_det + len(mean) * math.log(2 * math.pi))",
           "return torch.exp(-0.5 * ((z**2).sum(dim=0) + log_det + len(mean) * math.log(2 * math.pi)))")],
    says="Your values are densities: never negative, and 0 far out. The task asks for their natural logarithms.",
    source="plausible",
)
answer(
    "sampling.log_prob",
    "summed-over-points",
    swap=[("(z**2).sum(dim=0)", "(z**2).sum()")],
    says="""All points get the same value, made from the distances of all of them together. Over which axis should the squares
    be added, and which axis is that of the points?""",
    source="plausible: wrong reduction",
)

# ------------------------------------------------------------------------------------------------------------- mixture

MIXTURE = '''
def sample_mixture(n, weights, means, covs, generator=None):
    K, d = means.shape
    factors = torch.linalg.cholesky(covs)
    z = torch.randn(n, d, generator=generator)
'''

answer(
    "sampling.mixture",
    "average-of-samples",
    cell=MIXTURE + '''
    x = 0
    for k in range(K):
        z = torch.randn(n, d, generator=generator)
        x = x + weights[k] * (means[k] + z @ factors[k].T)
    return x
''',
    says="""Your points form one blob in the middle of the components: each row is a weighted average of samples from all of
    them. In a mixture each row comes from one component, chosen at random.""",
    source="plausible: takes the sum of densities for a sum of random variables",
)
answer(
    "sampling.mixture",
    "equal-weights",
    swap=[("torch.multinomial(weights, n,", "torch.multinomial(torch.ones_like(weights), n,")],
    says="Your samples visit all components equally often, whatever their weights; look at how a row chooses its component.",
    source="plausible: randint for a weighted choice",
)
answer(
    "sampling.mixture",
    "sorted-by-component",
    swap=[("generator=generator)\n    factors", "generator=generator).sort().values\n    factors")],
    says="""The mixture as a whole is right, but neighbouring rows come from the same component: the rows are sorted. Whoever takes
    the first hundred rows gets a single blob.""",
    source="plausible: concatenates the components",
)
answer(
    "sampling.mixture",
    "fixed-shares",
    cell=MIXTURE + '''
    ends = torch.round(weights.cumsum(0) * n).long()
    k = torch.searchsorted(ends, torch.arange(n), right=True).clamp(max=K - 1)
    k = k[torch.randperm(n, generator=generator)]
    return means[k] + torch.einsum("nij,nj->ni", factors[k], z)
''',
    says="""Each call has the same number of rows from each component. The task asks that every row chooses for itself, so these
    numbers must be random, and a small call may have none at all of a component.""",
    source="plausible: stratified counts, shuffled",
)
answer(
    "sampling.mixture",
    "likeliest-component-only",
    swap=[("torch.multinomial(weights, n, replacement=True, generator=generator)", "weights.argmax().expand(n)")],
    says="""All your rows come from one component, that of the largest weight. The others must be chosen too, as often as their weights
    say.""",
    source="plausible: argmax for a random choice",
)
answer(
    "sampling.mixture",
    "one-gaussian",
    cell=MIXTURE + '''
    mean = weights @ means
    cov = torch.einsum("k,kij->ij", weights, covs)
    cov = cov + torch.einsum("k,ki,kj->ij", weights, means - mean, means - mean)
    return mean + z @ torch.linalg.cholesky(cov).T
''',
    says="""Your samples have the mean and the covariance of the mixture, but they are a single Gaussian blob. The components must
    stay apart.""",
    source="plausible: moment matching",
)
answer(
    "sampling.mixture",
    "averaged-parameters",
    cell=MIXTURE + '''
    cov = torch.einsum("k,kij->ij", weights, covs)
    return weights @ means + z @ torch.linalg.cholesky(cov).T
''',
    says="""Your samples are one Gaussian with the average mean and the average covariance of the components. To mix distributions is
    not to average their parameters: each row comes from one of the components.""",
    source="plausible",
)
answer(
    "sampling.mixture",
    "each-coordinate-chooses",
    swap=[("torch.multinomial(weights, n, replacement=True, generator=generator)",
           "torch.multinomial(weights, n * means.shape[1], replacement=True, generator=generator).reshape(n, -1)"),
          ("factors = torch.linalg.cholesky(covs)[chosen]", "factors = torch.linalg.cholesky(covs)[chosen[:, 0]]"),
          ("means[chosen]", "means[chosen, torch.arange(means.shape[1])]")],
    says="""Blobs appear where no component is: one coordinate is that of one component and the next that of another. A row makes one
    choice, which holds for all of its coordinates.""",
    source="plausible",
)
answer(
    "sampling.mixture",
    "first-covariance-for-all",
    swap=[("torch.linalg.cholesky(covs)[chosen]", "torch.linalg.cholesky(covs)[torch.zeros_like(chosen)]")],
    says="""The centres and the weights are right, but all components have the shape of the first one. Each has a covariance of its
    own.""",
    source="plausible",
)
answer(
    "sampling.mixture",
    "cov-as-factor",
    swap=[("torch.linalg.cholesky(covs)[chosen]", "covs[chosen]")],
    says="""The centres and the weights are right, but the spread within a component is that of its covariance matrix applied to standard
    normals. You have met this in the task before: which matrix is to be applied?""",
    source="plausible",
)
answer(
    "sampling.mixture",
    "rows-lost-in-rounding",
    cell=MIXTURE + '''
    rows = []
    for k in range(K):
        count = int(weights[k] * n)
        rows.append(means[k] + torch.randn(count, d, generator=generator) @ factors[k].T)
    x = torch.cat(rows)
    return x[torch.randperm(len(x), generator=generator)]
''',
    says="""Some rows are missing: shares of n that are rounded down do not add up to n. And should the number of rows of a component be
    fixed at all?""",
    source="plausible",
)

# ---------------------------------------------------------------------------------------------------- mixture_log_prob

answer(
    "sampling.mixture_log_prob",
    "mean-of-logs",
    swap=[("torch.logsumexp(torch.stack(logs, dim=1) + weights.log(), dim=1)", "torch.stack(logs, dim=1) @ weights")],
    says="""Your value is the weighted mean of the components' log-densities, which is never larger than the log of their mean. The logarithm
    has to be taken after the sum over the components.""",
    source="plausible: exchanges log and sum (Jensen)",
)
answer(
    "sampling.mixture_log_prob",
    "weights-forgotten",
    swap=[(" + weights.log()", "")],
    says="Your value is the logarithm of the plain sum of the components' densities. Where do the weights enter?",
    source="plausible",
)
answer(
    "sampling.mixture_log_prob",
    "weights-not-logged",
    swap=[("weights.log()", "weights")],
    says="""The weights are added to the log-densities as they are. A factor in front of a density becomes something else next to its
    logarithm.""",
    source="plausible",
)
answer(
    "sampling.mixture_log_prob",
    "log-of-density",
    swap=[("torch.logsumexp(torch.stack(logs, dim=1) + weights.log(), dim=1)", "(torch.stack(logs, dim=1).exp() @ weights).log()")],
    says="""Near the components your values are right, and far out they are minus infinity: all densities are 0 in floating point there. The
    text above the task shows how the sum can be taken without leaving the logarithms.""",
    source="plausible: the numerical trap that the task is about",
)
answer(
    "sampling.mixture_log_prob",
    "floor-under-the-density",
    swap=[("torch.logsumexp(torch.stack(logs, dim=1) + weights.log(), dim=1)",
           "(torch.stack(logs, dim=1).exp() @ weights + 1e-12).log()")],
    says="""Far out your log-density stays at the same level: a small constant that was added to avoid log 0 has taken over. It hides the
    problem; the true values are hundreds lower.""",
    source="plausible: the epsilon habit",
)
answer(
    "sampling.mixture_log_prob",
    "floor-under-the-weights",
    swap=[("weights.log()", "(weights + 1e-6).log()")],
    says="""A component of weight zero shows in your values near its mean. A small constant seems to be added to the weights; what does
    log 0 = −inf do to a sum of exponentials?""",
    source="plausible: the epsilon habit",
)
answer(
    "sampling.mixture_log_prob",
    "largest-term-only",
    swap=[("torch.logsumexp(torch.stack(logs, dim=1) + weights.log(), dim=1)",
           "(torch.stack(logs, dim=1) + weights.log()).max(dim=1).values")],
    says="""Far out your values are right, but where components overlap they are too low: only the largest term counts. The others have to be
    added, too.""",
    source="plausible: the max of the log-sum-exp trick without the rest",
)
answer(
    "sampling.mixture_log_prob",
    "zero-times-infinity",
    swap=[("torch.logsumexp(torch.stack(logs, dim=1) + weights.log(), dim=1)",
           "torch.logsumexp(torch.stack(logs, dim=1) + weights * weights.log() / weights, dim=1)")],
    says="""With a component of weight zero the result is NaN, otherwise it is right. Somewhere 0 is multiplied by infinity or divided by 0;
    a term that is −inf by itself would do no harm.""",
    source="plausible",
)
answer(
    "sampling.mixture_log_prob",
    "summed-over-points",
    swap=[("weights.log(), dim=1)", "weights.log(), dim=1).sum().expand(len(x))")],
    says="All points get the same value, the log-density of all of them together. The task asks for one value per point.",
    source="plausible: a likelihood of the data set",
)

# -------------------------------------------------------------------------------------------------------- two_gaussians

answer(
    "sampling.two_gaussians",
    "variance-for-deviation",
    swap=[("0.3 * torch.randn", "0.3**2 * torch.randn")],
    says="The blobs are too narrow. Is the number in front of the normal numbers the variance or its root?",
    source="plausible: the variance taken for the standard deviation",
)
answer(
    "sampling.two_gaussians",
    "root-of-deviation",
    swap=[("0.3 * torch.randn", "0.3**0.5 * torch.randn")],
    says="The blobs are too wide. The covariance is 0.3² I: which of 0.3² and 0.3 is the variance?",
    source="plausible: a root too many",
)
answer(
    "sampling.two_gaussians",
    "four-blobs",
    swap=[("torch.randint(2, (n, 1), generator=generator)", "torch.randint(2, (n, 2), generator=generator)")],
    says="""Your points form four blobs, two of them where none should be. Each coordinate chooses its own sign; it should be one choice per
    row.""",
    source="plausible",
)
answer(
    "sampling.two_gaussians",
    "two-halves",
    cell='''
def two_gaussians(n, generator=None):
    side = torch.ones(n, 1)
    side[: n // 2] = -1
    return side + 0.3 * torch.randn(n, 2, generator=generator)
''',
    says="""The first half of your rows is one blob and the second half the other. Each row should choose its blob by chance, so that the rows
    are in random order and the two counts vary.""",
    source="plausible: concatenates two halves",
)
answer(
    "sampling.two_gaussians",
    "odd-row-lost",
    cell='''
def two_gaussians(n, generator=None):
    left = -1 + 0.3 * torch.randn(n // 2, 2, generator=generator)
    right = 1 + 0.3 * torch.randn(n // 2, 2, generator=generator)
    x = torch.cat([left, right])
    return x[torch.randperm(len(x), generator=generator)]
''',
    says="""For an odd n a row is missing, and for an even n both blobs always get exactly n/2 rows. Let each row choose by chance, and
    both problems are gone.""",
    source="plausible: two halves",
)
answer(
    "sampling.two_gaussians",
    "alternating",
    swap=[("torch.randint(2, (n, 1), generator=generator)", "(torch.arange(n)[:, None] % 2)")],
    says="""Your rows alternate between the two blobs, so the next row can be foretold. Each row should choose its blob by chance.""",
    source="plausible",
)

# --------------------------------------------------------------------------------------------------------- chequerboard

answer(
    "sampling.chequerboard",
    "white-squares",
    swap=[("+ i % 2", "+ (i + 1) % 2")],
    says="Your points fill the white squares. Check your rule on the lower-left square, where i = j = 0.",
    source="plausible: parity",
)
answer(
    "sampling.chequerboard",
    "whole-board",
    cell='''
def chequerboard(n, generator=None):
    return 4 * torch.rand(n, 2, generator=generator) - 2
''',
    says="Your points fill the whole board evenly, black squares and white ones.",
    source="plausible: forgets the selection",
)
answer(
    "sampling.chequerboard",
    "truncated-towards-zero",
    cell='''
def chequerboard(n, generator=None):
    rows = []
    while len(rows) < n:
        x = 4 * torch.rand(n, 2, generator=generator) - 2
        rows += x[x.int().sum(dim=1) % 2 == 0].tolist()
    return torch.tensor(rows[:n])
''',
    says="""In parts of the board the colours are wrong, and around the axes there is a square twice as wide as the others. When a number is
    turned into an integer, what happens to −0.5?""",
    source="plausible: int() rounds towards zero, floor does not",
)
answer(
    "sampling.chequerboard",
    "rejected-rows-lost",
    cell='''
def chequerboard(n, generator=None):
    x = 4 * torch.rand(n, 2, generator=generator) - 2
    return x[(x.floor().sum(dim=1) % 2 == 0)]
''',
    says="""Your points are right, but there can be fewer than n of them: some draws are rejected, and nothing makes up for them. Exactly n have to be left,
    whatever chance decides, also for n = 1.""",
    source="plausible: rejection without a loop",
)
answer(
    "sampling.chequerboard",
    "points-repeated",
    cell='''
def chequerboard(n, generator=None):
    x = 4 * torch.rand(20 * n + 100, 2, generator=generator) - 2
    x = x[(x.floor().sum(dim=1) % 2 == 0)][: (n + 1) // 2]
    return x.repeat_interleave(2, dim=0)[:n]
''',
    says="Points come twice. Every row has to be drawn on its own, even if a copy fills a gap conveniently.",
    source="plausible: fills up with copies",
)
answer(
    "sampling.chequerboard",
    "one-offset-for-both",
    swap=[("torch.rand(n, 2, generator=generator)", "torch.rand(n, 1, generator=generator)")],
    says="""Within each square your points lie on its diagonal only. How many random numbers does a place in a square need?""",
    source="plausible: (n, 1) broadcast over the coordinates",
)
answer(
    "sampling.chequerboard",
    "half-of-the-squares",
    swap=[("i = torch.randint(4, (n,), generator=generator)", "i = 2 * torch.randint(2, (n,), generator=generator)")],
    says="""Some black squares stay empty: i + j is even in more cases than when both i and j are. Count your squares; there are eight.""",
    source="plausible",
)
answer(
    "sampling.chequerboard",
    "not-centred",
    swap=[("torch.stack([i, j], dim=1) - 2", "torch.stack([i, j], dim=1)")],
    says="Your board reaches from 0 to 4. The task's board is centred on the origin.",
    source="plausible",
)
answer(
    "sampling.chequerboard",
    "twice-the-size",
    swap=[("return lower_left + torch.rand(n, 2, generator=generator)", "return 2 * (lower_left + torch.rand(n, 2, generator=generator))")],
    says="Your board is twice as large as the task's: it reaches from −4 to 4.",
    source="plausible: the scaling of another version of this data set",
)
answer(
    "sampling.chequerboard",
    "only-corners",
    swap=[("lower_left + torch.rand(n, 2, generator=generator)", "lower_left.float()")],
    says="All your points lie on corners of squares. The points should fill the squares evenly.",
    source="plausible: forgets the place within the square",
)

# -------------------------------------------------------------------------------------------------------------- perturb

answer(
    "sampling.perturb",
    "sigma-as-variance",
    swap=[("sigma * eps", "sigma.sqrt() * eps")],
    says="""The noise in x_t has variance σ instead of standard deviation σ. What does the formula ask for?""",
    source="plausible: variance for standard deviation",
)
answer(
    "sampling.perturb",
    "sigma-squared",
    swap=[("sigma * eps", "sigma**2 * eps")],
    says="""The noise in x_t is multiplied by σ². A number that multiplies a normal variable is its standard deviation; σ² is the
    variance.""",
    source="plausible: variance for standard deviation; handout P has this in print",
)
answer(
    "sampling.perturb",
    "alpha-root",
    swap=[("alpha * x0", "alpha.sqrt() * x0")],
    says="""The data in x_t are multiplied by the root of α. Other texts have a root there, because their α is another one; the table at the
    top of the notebook compares the two.""",
    source="plausible: DDPM's ᾱ mixed up with α",
)
answer(
    "sampling.perturb",
    "alpha-forgotten",
    swap=[("alpha * x0", "x0")],
    says="The data are not scaled in your x_t: it stays around x_0 however small α is.",
    source="plausible: variance-exploding noising",
)
answer(
    "sampling.perturb",
    "uniform-noise",
    swap=[("torch.randn(x0.shape", "torch.rand(x0.shape")],
    says="Your noise lies between 0 and 1. Which of torch's random functions draws normal numbers?",
    source="plausible: rand for randn",
)
answer(
    "sampling.perturb",
    "fresh-noise-returned",
    swap=[("+ sigma * eps, eps", "+ sigma * eps, torch.randn(x0.shape, generator=generator)")],
    says="""The ε that you hand back is not the noise in x_t: it was drawn a second time. A network trained on that pair could learn
    nothing.""",
    source="plausible: noise drawn twice",
)
answer(
    "sampling.perturb",
    "order-swapped",
    swap=[("return alpha * x0 + sigma * eps, eps", "return eps, alpha * x0 + sigma * eps")],
    says="The two results are in the wrong order: first x_t, then ε.",
    source="plausible",
)
answer(
    "sampling.perturb",
    "scaled-noise-returned",
    swap=[("+ sigma * eps, eps", "+ sigma * eps, sigma * eps")],
    says="What you hand back as ε is σ ε, the noise after scaling. The task asks for ε itself, with standard deviation 1.",
    source="plausible",
)
answer(
    "sampling.perturb",
    "noise-shared-by-rows",
    swap=[("torch.randn(x0.shape, generator=generator)", "torch.randn(x0.shape[1], generator=generator).expand(x0.shape)")],
    says="""All rows of a call get the same noise. Every row, and every coordinate, needs a draw of its own.""",
    source="plausible: noise shared by the batch",
)
answer(
    "sampling.perturb",
    "noise-shared-by-coordinates",
    swap=[("torch.randn(x0.shape, generator=generator)", "torch.randn(x0.shape[0], 1, generator=generator).expand(x0.shape)")],
    says="Within a row all coordinates get the same noise. Every number of x0 needs a draw of its own.",
    source="plausible",
)
answer(
    "sampling.perturb",
    "no-broadcast",
    swap=[("alpha = torch.as_tensor(alpha).reshape(-1, 1)\n", "\n"), ("sigma = torch.as_tensor(sigma).reshape(-1, 1)\n", "\n")],
    says="""A tensor of shape (n,) next to one of shape (n, d) is matched with the *last* axis, the coordinates, not with the rows. What shape
    should α and σ have?""",
    source="plausible: [B] against [B, d]",
)
answer(
    "sampling.perturb",
    "first-alpha-for-all",
    swap=[("torch.as_tensor(alpha).reshape(-1, 1)", "torch.as_tensor(alpha).reshape(-1, 1)[:1]"),
          ("torch.as_tensor(sigma).reshape(-1, 1)", "torch.as_tensor(sigma).reshape(-1, 1)[:1]")],
    says="All rows are noised with the α and σ of the first row. Each row has its own.",
    source="plausible: one t for the whole batch",
)
answer(
    "sampling.perturb",
    "tensors-only",
    swap=[("alpha = torch.as_tensor(alpha).reshape(-1, 1)", "alpha = alpha.unsqueeze(1)"),
          ("sigma = torch.as_tensor(sigma).reshape(-1, 1)", "sigma = sigma.unsqueeze(1)")],
    says="With tensors all is right, but plain numbers for α and σ raise an error: they have no shape to change.",
    source="plausible",
)
answer(
    "sampling.perturb",
    "input-changed",
    swap=[("return alpha * x0 + sigma * eps, eps", "x0 *= alpha\n    x0 += sigma * eps\n    return x0, eps")],
    says="""Your results are right, but x0 itself has changed: the caller's data are noise now. Some operators write into the tensor
    that they are given.""",
    source="plausible: in-place arithmetic",
)

answer(
    "sampling.gaussian",
    "clamped",
    cell='''
def sample_gaussian(n, mean, cov, generator=None):
    z = torch.randn(n, len(mean), generator=generator).clamp(-3.5, 3.5)
    return mean + z @ torch.linalg.cholesky(cov).T
''',
    says="""The bulk of your samples is right, but none lies far out: a normal has rare far values too, and something in your
    code cuts them off. Look for what limits the random numbers.""",
    source="plausible (guarding against outliers)",
)

answer(
    "sampling.gaussian",
    "cut-at-two",
    swap=[("z = torch.randn(n, len(mean), generator=generator)",
           "z = torch.nn.init.trunc_normal_(torch.empty(n, len(mean)), generator=generator)")],
    says="""Mean and correlations are right, but the samples lie too close together and none is far out: the numbers you start from are
    normal ones without their ends. Read in the documentation what that function does beyond two standard deviations.""",
    source="plausible (torch.nn.init.trunc_normal_ cuts at 2 unless told otherwise)",
)
answer(
    "sampling.mixture",
    "noise-clamped",
    swap=[("torch.einsum(\"nij,nj->ni\", factors, z)", "torch.einsum(\"nij,nj->ni\", factors, z.clamp(-2.25, 2.25))")],
    says="""Each component is a few per cent too narrow: the normal numbers you start from are held back at some distance. A Gaussian
    has points out there, too.""",
    source="plausible (a guard against outliers)",
)
answer(
    "sampling.two_gaussians",
    "eleven-uniforms",
    swap=[("torch.randn(n, 2, generator=generator)", "(torch.rand(n, 2, 11, generator=generator).sum(2) - 5.5)")],
    says="""The blobs look normal and are a few per cent too narrow. If you build normal numbers from uniform ones: which variance has one
    uniform number, and so which has your sum?""",
    source="plausible: the sum of twelve uniforms minus 6 is an old recipe, here off by one",
)
answer(
    "sampling.perturb",
    "noise-dropped-out",
    swap=[("eps = torch.randn(x0.shape, generator=generator)",
           "eps = torch.nn.functional.dropout(torch.randn(x0.shape, generator=generator), 0.05)")],
    says="""Some numbers of ε are exactly 0 and the others a little too large: there is a dropout behind the normal numbers. What has ε to be
    distributed like?""",
    source="plausible (dropout applied to the wrong tensor)",
)
answer(
    "sampling.perturb",
    "noise-standardised",
    swap=[("    return alpha * x0", "    eps = eps / eps.std()\n    return alpha * x0")],
    says="""With large batches your noise looks right, with a single row it does not: its numbers are divided by their own spread, so they depend
    on each other. Standard normal numbers have spread 1 on average, not each time.""",
    source="plausible: normalisation as a habit",
)

# -------------------------------------------------------------------------------------------------- generators, modes, extremes

for task, line in {
    "sampling.gaussian": "    factor = torch.linalg.cholesky(cov)\n",
    "sampling.mixture": "    chosen = torch.multinomial(",
    "sampling.two_gaussians": "    side = ",
    "sampling.chequerboard": "    i = torch.randint(",
    "sampling.perturb": "    alpha = torch.as_tensor(",
}.items():
    answer(task, "generator-copied", swap=[(line, GENERATOR_COPIED + line)], says=COPIED_SAYS, source="plausible: made to repeat its numbers")

answer(
    "sampling.chequerboard",
    "padded-with-zeros",
    cell="""
def chequerboard(n, generator=None):
    x = 4 * torch.rand(6 * n, 2, generator=generator) - 2
    x = x[x.floor().sum(dim=1) % 2 == 0][:n]
    return torch.cat([x, torch.zeros(n - len(x), 2)])
""",
    says="""Now and then your code returns the point (0, 0): it throws points away until those on black squares are left, and where too few
    are left, zeros fill the gap. What else could be done when some are missing?""",
    source="plausible: rejection without a second try",
)
answer(
    "sampling.chequerboard",
    "margin",
    swap=[("torch.rand(n, 2, generator=generator)", "(0.02 + 0.96 * torch.rand(n, 2, generator=generator))")],
    says="""Your points stay away from the edges of their square. Which interval does the place inside a square come from, ends included?""",
    source="plausible: a small number kept free at the border",
)
answer(
    "sampling.perturb",
    "numbers-in-place",
    cell="""
def perturb(x0, alpha, sigma, generator=None):
    eps = torch.randn(x0.shape, generator=generator)
    if torch.is_tensor(alpha):
        return alpha[:, None] * x0 + sigma[:, None] * eps, eps
    return x0.mul_(alpha).add(sigma * eps), eps
""",
    says="""When α and σ are plain numbers, x0 itself changes: its owner finds other numbers in it after the call. Functions whose names end in _
    write into the tensor that they belong to.""",
    source="plausible: an operation in place",
)
answer(
    "sampling.gaussian",
    "mirrored-halves",
    swap=[("    z = torch.randn(n, len(mean), generator=generator)\n",
           "    half = torch.randn((n + 1) // 2, len(mean), generator=generator)\n    z = torch.cat([half, -half])[:n]\n")],
    says="""Some rows are others mirrored in the mean. Each looks right, but an even number of them always has exactly the right mean: the rows are not
    independent of each other.""",
    source="antithetic draws, a way to reduce the variance of an average",
)
answer(
    "sampling.gaussian",
    "centred",
    swap=[("    return mean", "    z = z - z.mean(0)\n    return mean")],
    says="""In many rows your samples look right, but the mean of a call's rows is always exactly the one that was asked for: your random numbers are
    centred first, so the rows know of each other. A mean is right on average only.""",
    source="plausible: tidying up the random numbers",
)
answer(
    "sampling.log_prob",
    "factor-on-the-other-side",
    swap=[("torch.linalg.solve_triangular(factor, (x - mean).T, upper=False)", "((x - mean) @ torch.linalg.inv(factor)).T")],
    says="""The factor is divided out on the wrong side: that is the distance for the covariance LᵀL. With one point in each row, think again about
    which side of the row the factor stands on, and whether it is transposed there.""",
    source="plausible: the formula for columns used for rows",
)
answer(
    "sampling.log_prob",
    "squeezed",
    swap=[("    return -0.5 * ((z**2).sum(dim=0) + log_det + len(mean) * math.log(2 * math.pi))",
           "    return -0.5 * ((z**2).sum(dim=0) + log_det + len(mean) * math.log(2 * math.pi)).squeeze()")],
    says="""For a single point the result has lost its axis. A batch of one is still a batch: which of your operations removes every axis of length one?""",
    source="plausible: squeeze() without an axis",
)
answer(
    "sampling.mixture",
    "systematic",
    swap=[("torch.multinomial(weights, n, replacement=True, generator=generator)",
           "torch.searchsorted(weights.cumsum(0), (torch.randperm(n, generator=generator) + torch.rand(1, generator=generator)) / n).clamp(max=len(weights) - 1)")],
    says="""How many rows a component gets hardly varies from call to call: one random number seems to decide for all rows. That makes good averages,
    but rows that know of each other; here they are to be independent.""",
    source="Kitagawa 1996: systematic resampling",
)
answer(
    "sampling.mixture_log_prob",
    "held-up-weights",
    swap=[("weights.log()", "weights.clamp(min=1e-8).log()")],
    like="floor-under-the-weights",
)
answer(
    "sampling.perturb",
    "axis-only-if-torch-complains",
    cell="""
def perturb(x0, alpha, sigma, generator=None):
    def times(factor, x):
        factor = torch.as_tensor(factor)
        try:
            return factor * x
        except RuntimeError:
            return factor[:, None] * x

    eps = torch.randn(x0.shape, generator=generator)
    return times(alpha, x0) + times(sigma, eps), eps
""",
    says="""Your numbers are right where α and x0 cannot be multiplied as they are, and wrong where they can: for n = d they go along the wrong axis, for
    d = 1 every row meets every α. PyTorch does not always complain.""",
    source="plausible: try and except for a shape",
)
answer(
    "sampling.two_gaussians",
    "sign-of-the-noise",
    cell="""
def two_gaussians(n, generator=None):
    z = torch.randn(n, 2, generator=generator)
    return torch.where(z[:, :1] < 0, -1.0, 1.0) + 0.3 * z
""",
    says="""All your points lie on the outer side of their centres: the random number that chooses the blob is used again as noise. The choice and the
    noise have to be independent.""",
    source="plausible: a coin made from the noise",
)
answer(
    "sampling.chequerboard",
    "points-drawn-again",
    cell="""
def chequerboard(n, generator=None):
    x = 4 * torch.rand(2 * n + 20, 2, generator=generator) - 2
    x = x[x.floor().sum(dim=1) % 2 == 0]
    return x[torch.randint(len(x), (n,), generator=generator)]
""",
    like="points-repeated",
)
answer(
    "sampling.gaussian",
    "jitter",
    swap=[("torch.linalg.cholesky(cov)", "torch.linalg.cholesky(cov + 1e-3 * torch.eye(len(mean)))")],
    says="""Wide Gaussians look right, a narrow one comes out far too wide: a small number is added to the variances. What is small beside 1 may be large
    beside the covariance that you are given.""",
    source="plausible: jitter for numerical stability, as for Gaussian processes",
)
answer(
    "sampling.log_prob",
    "narrow-direction-cut",
    cell="""
def gaussian_log_prob(x, mean, cov):
    gap, precision = x - mean, torch.linalg.pinv(cov, rtol=1e-3, hermitian=True)
    return -0.5 * (torch.einsum("ni,ij,nj->n", gap, precision, gap) + torch.logdet(cov) + len(mean) * math.log(2 * math.pi))
""",
    says="""Where a Gaussian is much narrower in one direction than in the others, that direction does not count in your distance: something takes its small
    variance for zero.""",
    source="PyTorch documentation: torch.linalg.pinv, rtol",
)
answer(
    "sampling.mixture",
    "weights-in-per-cent",
    swap=[("torch.multinomial(weights, n, replacement=True, generator=generator)",
           "torch.arange(len(weights)).repeat_interleave((100 * weights).round().long())\n    chosen = chosen[torch.randint(len(chosen), (n,), generator=generator)]")],
    says="""A component of small weight never comes up: your weights seem to be rounded, to per cents or so.""",
    source="plausible: a table to draw from",
)
answer(
    "sampling.mixture_log_prob",
    "small-weights-left-out",
    swap=[("weights.log()", "torch.where(weights > 1e-3, weights, 0 * weights).log()")],
    says="""A component of small weight is left out, also where it is the only one that counts. What does its own density make of a small weight there?""",
    source="plausible: a threshold against log 0",
)
