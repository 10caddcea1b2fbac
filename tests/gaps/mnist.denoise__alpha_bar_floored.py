# 1 - alpha_bar is raised to 0.01: with the linear schedule the last step gives a grey picture.
@attach(DiffusionProcess)
@torch.no_grad()
def denoise(self, x_t, t, stochastic=True):
    """One denoising step for a whole batch, from noise level t to the one below it.

    The step draws from the posterior q(x_{t-1} | x_t, x_0) with self.predict_x0(x_t, t) in place of x_0; its variance is
    (1 - alpha_bar_{t-1}) / (1 - alpha_bar_t) beta_t. Below t = 0 there is no noise: alpha_bar_{-1} = 1.

    Args:
        x_t: images at noise level t, (B, channels, H, W).
        t: one whole number for all of them, 0 <= t <= T - 1.
        stochastic: if False, the posterior's mean instead of a draw.

    Returns:
        (B, channels, H, W).
    """
    beta, alpha_bar = self.betas[t], self.alpha_bar[t]
    before = self.alpha_bar[t - 1] if t > 0 else torch.ones(())
    x0 = self.predict_x0(x_t, torch.full((len(x_t),), t, device=x_t.device))
    mean = (before.sqrt() * beta * x0 + (1 - beta).sqrt() * (1 - before) * x_t) / (1 - alpha_bar).clamp(min=1e-2)
    if not stochastic or t == 0:
        return mean
    return mean + ((1 - before) / (1 - alpha_bar).clamp(min=1e-2) * beta).sqrt() * torch.randn_like(x_t)
