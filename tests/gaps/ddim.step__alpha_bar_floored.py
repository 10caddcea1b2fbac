# With the cosine schedule alpha_bar is far below 1e-4 at the first step.
def ddim_step(x_t, eps, alpha_bar_t, alpha_bar_prev, eta=0.0, noise=None):
    """One step of DDIM (eq. 12) for a whole batch, from the level alpha_bar_t to the level alpha_bar_prev.

    Args:
        x_t: at the level alpha_bar_t, (B, ...).
        eps: the noise in x_t as the network predicts it, of the same shape. The x_0 that follows from it is not cut to [-1, 1].
        alpha_bar_t, alpha_bar_prev: tensors without dimensions; alpha_bar_prev = 1 leads to the data. With eta = 0
            alpha_bar_prev may also be the smaller one, and alpha_bar_t may be 1: then the step leads towards noise.
        eta: how much of DDPM's fresh noise there is, 0 ... 1.
        noise: the standard normal numbers of the fresh noise, of the shape of x_t; drawn if None.

    Returns:
        x at the level alpha_bar_prev, of the shape of x_t.
    """
    sigma = ddim_sigma(eta, alpha_bar_t, alpha_bar_prev) if eta > 0 else torch.zeros(())
    x0 = (x_t - (1 - alpha_bar_t).sqrt() * eps) / alpha_bar_t.sqrt().clamp(min=1e-2)
    noise = torch.randn_like(x_t) if noise is None else noise
    return alpha_bar_prev.sqrt() * x0 + (1 - alpha_bar_prev - sigma**2).sqrt() * eps + sigma * noise
