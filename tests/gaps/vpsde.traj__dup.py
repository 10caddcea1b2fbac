# ten times the same hundred trajectories (seed set in each chunk)
def draw_trajectories(flow):
    """1000 trajectories of `flow` in 2D."""
    parts = []
    for _ in range(10):
        parts.append(flow.sample_ode(100, 2, steps=60, generator=torch.Generator().manual_seed(0)))
    return torch.cat(parts, dim=1)
