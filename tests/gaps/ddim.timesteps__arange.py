# np-style arange(T, 0, -T/n) in float32: extra element or wrong rounding for some (T, n)
def ddim_timesteps(T, n):
    """n of the times."""
    if n < 1 or n > T:
        raise ValueError("1 <= n <= T")
    return (torch.arange(T, 0, -T / n).round() - 1).long()
