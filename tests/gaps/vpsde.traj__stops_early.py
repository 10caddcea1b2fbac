# Gives an even grid from 1 to 0.02 only, so the last row still has noise of standard deviation 0.08 and is not the samples.
def draw_trajectories(flow):
    return flow.sample_ode(1000, 2, ts=torch.linspace(1.0, 0.02, 101))
