# division by sqrt(alpha_bar_t).clamp(min=0.05): wrong only where alpha_bar_t < 0.0025
def ddim_step(x_t, eps, alpha_bar_t, alpha_bar_prev, eta=0.0, noise=None):
    """One step of DDIM."""
    a_t, a_s = alpha_bar_t.sqrt(), alpha_bar_prev.sqrt()
    s_t = (1 - alpha_bar_t).sqrt()
    sigma = torch.zeros(()) if eta == 0 else ddim_sigma(eta, alpha_bar_t, alpha_bar_prev)
    x0 = (x_t - s_t * eps) / a_t.clamp(min=0.05)
    out = a_s * x0 + (1 - alpha_bar_prev - sigma**2).clamp(min=0).sqrt() * eps
    if eta > 0:
        out = out + sigma * (torch.randn(x_t.shape) if noise is None else noise)
    return out
