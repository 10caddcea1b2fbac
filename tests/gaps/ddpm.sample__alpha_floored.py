# At the end of the cosine schedule alpha is 0.001.
@attach(DDPM)
@torch.no_grad()
def sample(self, shape, *, x_T=None, generator=None):
    """Algorithm 2 of Ho et al. with sigma_t^2 = beta_t, for a network that predicts the noise; no noise in the last step.

    Args:
        shape: (n, d), how many samples in how many dimensions.
        x_T: (n, d) to start from; standard normal if None.
        generator: optional torch.Generator for the random numbers.

    Returns:
        The samples, (n, d).
    """
    x = torch.randn(shape, generator=generator) if x_T is None else x_T
    for t in range(self.T, 0, -1):
        eps = self.network(x, torch.full((len(x),), t))
        x = (x - self.beta[t] / (1 - self.alpha_bar[t]).sqrt() * eps) / self.alpha[t].clamp(min=0.1).sqrt()
        if t > 1:
            x = x + self.beta[t].sqrt() * torch.randn(x.shape, generator=generator)
    return x
