"""Other right answers of notebook 01."""

answer(
    "sampling.gaussian",
    "distributions",
    cell='''
def sample_gaussian(n, mean, cov, generator=None):
    return torch.distributions.MultivariateNormal(mean, covariance_matrix=cov).sample((n,))
''',
)
answer(
    "sampling.gaussian",
    "eigenvectors",
    cell='''
def sample_gaussian(n, mean, cov, generator=None):
    values, vectors = torch.linalg.eigh(cov)
    A = vectors @ torch.diag(values.clamp(min=0).sqrt())
    z = torch.normal(0.0, 1.0, size=(len(mean), n), generator=generator)
    return (A @ z + mean.view(-1, 1)).t()
''',
)
answer(
    "sampling.gaussian",
    "numpy",
    cell='''
import numpy as np

def sample_gaussian(n, mean, cov, generator=None):
    """numpy does it all."""
    rng = np.random.default_rng()
    x = rng.multivariate_normal(mean.numpy().astype(float), cov.numpy().astype(float), size=n, check_valid="ignore")
    return torch.from_numpy(x).float()
''',
)
answer(
    "sampling.gaussian",
    "row-by-row",
    cell='''
def sample_gaussian(n, mean, cov, generator=None):
    L = torch.linalg.cholesky(cov)
    out = torch.empty(n, mean.shape[0])
    for i in range(n):
        out[i] = mean + L @ torch.randn(mean.shape[0], generator=generator)
    return out
''',
)
answer(
    "sampling.gaussian",
    "symmetric-root",
    cell='''
def sample_gaussian(n, mean, cov, generator=None):
    U, S, Vh = torch.linalg.svd(cov.double())
    root = (U * S.sqrt()) @ Vh
    x = torch.randn((n, len(mean)), generator=generator, dtype=torch.float64)
    x @= root
    x += mean
    return x.to(mean.dtype)
''',
)
answer(
    "sampling.gaussian",
    "box-muller",
    cell='''
def _normals(shape, generator):
    u = 1 - torch.rand(shape, generator=generator)
    v = torch.rand(shape, generator=generator)
    return torch.sqrt(-2 * u.log()) * torch.cos(2 * torch.pi * v)

def sample_gaussian(n, mean, cov, generator=None):
    return torch.einsum("ij,nj->ni", torch.linalg.cholesky(cov), _normals((n, len(mean)), generator)) + mean
''',
)
answer(
    "sampling.log_prob",
    "distributions",
    cell='''
def gaussian_log_prob(x, mean, cov):
    return torch.distributions.MultivariateNormal(mean, cov).log_prob(x)
''',
)
answer(
    "sampling.log_prob",
    "inverse-and-einsum",
    cell='''
def gaussian_log_prob(x, mean, cov):
    diff = x - mean
    maha = torch.einsum("ni,ij,nj->n", diff, torch.linalg.inv(cov), diff)
    return -0.5 * maha - 0.5 * torch.logdet(2 * torch.pi * cov)
''',
)
answer(
    "sampling.log_prob",
    "loop",
    cell='''
def gaussian_log_prob(x, mean, cov):
    import numpy as np
    d = mean.numel()
    result = []
    for row in x:
        delta = (row - mean)[:, None]
        distance = (delta.T @ torch.linalg.solve(cov, delta)).item()
        result.append(-0.5 * distance - 0.5 * np.log(np.linalg.det(cov.numpy())) - d / 2 * np.log(2 * np.pi))
    return torch.tensor(result)
''',
)
answer(
    "sampling.log_prob",
    "eigenvalues-float64",
    cell='''
def gaussian_log_prob(x, mean, cov):
    values, vectors = torch.linalg.eigh(cov.double())
    y = (x.double() - mean.double()) @ vectors
    per_axis = torch.distributions.Normal(torch.zeros_like(values), values.sqrt()).log_prob(y)
    return per_axis.sum(-1)
''',
)
answer(
    "sampling.mixture",
    "distributions",
    cell='''
from torch import distributions as D

def sample_mixture(n, weights, means, covs, generator=None):
    mixture = D.MixtureSameFamily(D.Categorical(probs=weights), D.MultivariateNormal(means, covs))
    return mixture.sample([n])
''',
)
answer(
    "sampling.mixture",
    "row-by-row",
    cell='''
def sample_mixture(n, weights, means, covs, generator=None):
    rows = []
    for k in torch.multinomial(weights, n, True, generator=generator).tolist():
        rows.append(sample_gaussian(1, means[k], covs[k], generator))
    return torch.cat(rows)
''',
)
answer(
    "sampling.mixture",
    "masks",
    cell='''
def sample_mixture(n, weights, means, covs, generator=None):
    u = torch.rand(n, generator=generator)
    k = torch.searchsorted(torch.cumsum(weights, 0), u, right=True).clamp(max=len(weights) - 1)
    x = torch.zeros(n, means.size(1))
    for j in range(len(weights)):
        mask = k == j
        x[mask] = sample_gaussian(int(mask.sum()), mean=means[j], cov=covs[j], generator=generator)
    return x
''',
)
answer(
    "sampling.mixture",
    "all-components-then-gather",
    cell='''
def sample_mixture(n, weights, means, covs, generator=None):
    every = torch.stack([sample_gaussian(n, m, c, generator) for m, c in zip(means, covs)])
    chosen = torch.distributions.Categorical(weights).sample((n,))
    return every[chosen, torch.arange(n)]
''',
)
answer(
    "sampling.mixture",
    "random-counts-shuffled",
    cell='''
import numpy as np

def sample_mixture(n, weights, means, covs, generator=None):
    p = weights.double().numpy()
    counts = np.random.multinomial(n, p / p.sum())
    x = torch.cat([sample_gaussian(int(c), means[k], covs[k], generator) for k, c in enumerate(counts) if c > 0])
    return x[torch.randperm(n, generator=generator)]
''',
)
answer(
    "sampling.mixture_log_prob",
    "distributions",
    cell='''
def mixture_log_prob(x, weights, means, covs):
    keep = weights > 0
    components = torch.distributions.MultivariateNormal(means[keep], covs[keep])
    return torch.distributions.MixtureSameFamily(torch.distributions.Categorical(weights[keep]), components).log_prob(x)
''',
)
answer(
    "sampling.mixture_log_prob",
    "max-by-hand",
    cell='''
def mixture_log_prob(x, weights, means, covs):
    terms = []
    for w, mean, cov in zip(weights, means, covs):
        if w == 0:
            continue
        terms.append(torch.log(w) + gaussian_log_prob(x, mean, cov))
    terms = torch.stack(terms)
    top = terms.max(dim=0, keepdim=True).values
    return (top + (terms - top).exp().sum(dim=0, keepdim=True).log()).squeeze(0)
''',
)
answer(
    "sampling.mixture_log_prob",
    "logaddexp",
    cell='''
def mixture_log_prob(x, weights, means, covs):
    total = torch.full((x.shape[0],), -torch.inf)
    for k in range(len(weights)):
        total = torch.logaddexp(total, weights[k].log() + gaussian_log_prob(x, means[k], covs[k]))
    return total
''',
)
answer(
    "sampling.mixture_log_prob",
    "batched",
    cell='''
def mixture_log_prob(x, weights, means, covs):
    d = x.shape[-1]
    diff = (x[:, None, :] - means[None]).double()
    inverse = torch.linalg.inv(covs.double())
    maha = torch.einsum("nki,kij,nkj->nk", diff, inverse, diff)
    logs = -0.5 * (maha + torch.linalg.slogdet(covs.double())[1] + d * math.log(2 * math.pi))
    m = logs.amax(1)
    # the largest log-density over the components of positive weight would do as well
    inside = (torch.exp(logs - m[:, None] + 0.0) * weights).sum(1)
    safe = torch.logsumexp(logs + weights.double().log(), 1)
    return torch.where(inside > 1e-30, m + inside.log(), safe).float()
''',
)
answer(
    "sampling.two_gaussians",
    "by-mixture",
    cell='''
def two_gaussians(n, generator=None):
    means = torch.tensor([[-1.0, -1.0], [1.0, 1.0]])
    return sample_mixture(n, torch.tensor([0.5, 0.5]), means, 0.09 * torch.eye(2).repeat(2, 1, 1), generator=generator)
''',
)
answer(
    "sampling.two_gaussians",
    "where",
    cell='''
def two_gaussians(n, generator=None):
    centre = torch.where(torch.rand(n, generator=generator) < 0.5, -1.0, 1.0)
    x = torch.normal(mean=centre[:, None].expand(n, 2), std=0.3, generator=generator)
    return x
''',
)
answer(
    "sampling.two_gaussians",
    "bernoulli-and-numpy",
    cell='''
import numpy as np

def two_gaussians(n, generator=None):
    x = np.random.normal(scale=0.3, size=(n, 2)).astype("float32")
    x += np.random.choice([-1, 1], size=n)[:, None]
    return torch.tensor(x)
''',
)
answer(
    "sampling.chequerboard",
    "rejection",
    cell='''
def chequerboard(n, generator=None):
    kept = torch.empty(0, 2)
    while len(kept) < n:
        x = torch.rand(n + 8, 2, generator=generator) * 4 - 2
        kept = torch.cat([kept, x[torch.floor(x).sum(1) % 2 == 0]])
    return kept[:n]
''',
)
answer(
    "sampling.chequerboard",
    "list-of-squares",
    cell='''
def chequerboard(n, generator=None):
    black = torch.tensor([(i, j) for i in range(4) for j in range(4) if (i + j) % 2 == 0], dtype=torch.float32)
    square = black[torch.randint(len(black), (n,), generator=generator)]
    return square - 2.0 + torch.rand(n, 2, generator=generator)
''',
)
answer(
    "sampling.chequerboard",
    "shift-when-white",
    cell='''
def chequerboard(n, generator=None):
    x1 = torch.rand(n, generator=generator) * 4 - 2
    x2 = torch.rand(n, generator=generator) - torch.randint(0, 2, (n,), generator=generator) * 2
    x2 = x2 + torch.floor(x1) % 2
    return torch.stack([x1, x2], 1)
''',
)
answer(
    "sampling.chequerboard",
    "point-by-point",
    cell='''
import random

def chequerboard(n, generator=None):
    points = []
    while len(points) < n:
        x, y = random.uniform(-2, 2), random.uniform(-2, 2)
        if (math.floor(x) + math.floor(y)) % 2 == 0:
            points.append([x, y])
    return torch.tensor(points)
''',
)
answer(
    "sampling.perturb",
    "column-when-tensor",
    cell='''
def perturb(x0, alpha, sigma, generator=None):
    if torch.is_tensor(alpha):
        alpha = alpha[:, None]
    if torch.is_tensor(sigma):
        sigma = sigma[:, None]
    noise = torch.randn(x0.size(), generator=generator)
    return x0.mul(alpha).add(noise * sigma), noise
''',
)
answer(
    "sampling.perturb",
    "transposed",
    cell='''
def perturb(x0, alpha, sigma, generator=None):
    eps = torch.empty_like(x0).normal_(generator=generator)
    return (alpha * x0.T + sigma * eps.T).T, eps
''',
)
answer(
    "sampling.perturb",
    "row-by-row",
    cell='''
def perturb(x0, alpha, sigma, generator=None):
    n = len(x0)
    a = torch.full((n,), float(alpha)) if isinstance(alpha, (int, float)) else alpha
    s = torch.full((n,), float(sigma)) if isinstance(sigma, (int, float)) else sigma
    x_t, noise = x0.clone(), []
    for i in range(n):
        e = torch.randn(x0.shape[1], generator=generator)
        x_t[i] *= a[i]
        x_t[i] += s[i] * e
        noise.append(e)
    return [x_t, torch.stack(noise)]
''',
)
answer(
    "sampling.perturb",
    "einsum-and-randn-like",
    cell='''
def perturb(x0, alpha, sigma, generator=None):
    ones = torch.ones(len(x0))
    eps = torch.randn_like(x0)
    x_t = torch.einsum("n,nd->nd", alpha * ones, x0) + torch.diag(sigma * ones) @ eps if len(x0) < 50 else \
        (alpha * ones).unsqueeze(-1) * x0 + (sigma * ones).unsqueeze(-1) * eps
    return x_t, eps
''',
)
