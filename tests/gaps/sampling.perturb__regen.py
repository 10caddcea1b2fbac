# generator never advances: a fresh one with the same initial seed in every call
def perturb(x0, alpha, sigma, generator=None):
    """Add Gaussian noise."""
    if generator is not None:
        g = torch.Generator().manual_seed(generator.initial_seed())
    else:
        g = None
    eps = torch.randn(x0.shape, generator=g)
    col = lambda c: c.reshape(-1, 1) if torch.is_tensor(c) else c
    return col(alpha) * x0 + col(sigma) * eps, eps
