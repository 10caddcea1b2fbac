# float32 inside and out, also for float64 betas
def alpha_bars(betas):
    """alpha_bar_0 ... alpha_bar_T."""
    out = torch.ones(len(betas) + 1)
    for i in range(len(betas)):
        out[i + 1] = out[i] * (1 - betas[i])
    return out
