# x0 is changed in place when alpha is a plain number
def perturb(x0, alpha, sigma, generator=None):
    """Add Gaussian noise."""
    eps = torch.randn(x0.shape, generator=generator)
    if isinstance(alpha, (int, float)):
        x_t = x0.mul_(alpha)
    else:
        x_t = x0 * alpha[:, None]
    s = sigma if isinstance(sigma, (int, float)) else sigma[:, None]
    return x_t + s * eps, eps
