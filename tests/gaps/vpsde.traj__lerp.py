# true ends, but straight lines between start and end
def draw_trajectories(flow):
    """1000 trajectories of `flow` in 2D."""
    path = flow.sample_heun(1000, 2, steps=25)
    first, last = path[0], path[-1]
    return torch.stack([first + k / 100 * (last - first) for k in range(101)])
