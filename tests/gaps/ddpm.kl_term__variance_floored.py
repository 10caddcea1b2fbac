# Wrong where the betas are small.
@attach(DDPM)
def kl_term(self, x0, x_t, t):
    """Optional. One term of the real variational bound for each row, in nats.

    For t >= 2 it is KL(q(x_{t-1} | x_t, x_0) || p(x_{t-1} | x_t)), where p is normal with the posterior mean at the predicted x_0
    and variance beta_t; for t = 1 it is -log p(x_0 | x_1), with p normal with the same mean rule and variance beta_1.

    Args:
        x0, x_t: (B, d).
        t: integers (B,), 1 <= t <= T, one for each row.

    Returns:
        (B,): summed over the d dimensions.
    """
    d, beta = x0.shape[1], self.beta[t]
    variance = (1 - self.alpha_bar[t - 1]) / (1 - self.alpha_bar[t]) * beta
    predicted = self.to_x0(self.network(x_t, t), x_t, t, self.predicts)
    gap = self.posterior_mean(x_t, x0, t) - self.posterior_mean(x_t, predicted, t)
    squares = gap.square().sum(1) / (2 * beta)
    kl = squares + d / 2 * (variance / beta - 1 - torch.log(variance.clamp(min=1e-2) / beta))
    first = squares + d / 2 * torch.log(2 * math.pi * beta)
    return torch.where(t == 1, first, kl)
