# At t = 0 of the linear schedule the noise is ten times too large.
@attach(DiffusionProcess)
def add_noise(self, x, t):
    """Images after t + 1 noise steps.

    Args:
        x: clean images (B, channels, H, W).
        t: integers (B,), 0 <= t <= T - 1, one for each image.

    Returns:
        The pair (noisy, noise), both of the shape of x; the noise is standard normal, different for every pixel and image.
    """
    alpha_bar = spread(self.alpha_bar[t], x)
    noise = torch.randn_like(x)
    return alpha_bar.sqrt() * x + (1 - alpha_bar).clamp(min=1e-2).sqrt() * noise, noise
