# squeeze(): one sample (count = 1) comes back without its axis
@torch.no_grad()
def sample_and_track(g, count, *, betas=None, mean=0.0, std=1.0, x_T=None, generator=None):
    """Algorithm 2 as in the exercise."""
    betas = torch.full((250,), 0.02) if betas is None else betas
    alphas, T = 1 - betas, len(betas)
    bars = torch.cumprod(alphas, 0)
    x = torch.randn(count, 1, generator=generator) if x_T is None else x_T
    history = [x[0].squeeze()]
    for i in reversed(range(T)):
        e = g(x, torch.full((count,), i + 1))
        x = (x - betas[i] * e / (1 - bars[i]).sqrt()) / alphas[i].sqrt()
        if i:
            x = x + betas[i].sqrt() * torch.randn(x.shape, generator=generator)
        history.append(x[0].squeeze())
    return x.squeeze() * std + mean, torch.stack(history) * std + mean
