# The network that is trained is left in eval mode.
class EMA:
    """A moving average of a network's weights, which is sampled from instead of the last ones.

    Args:
        network: whose parameters are followed; it is not changed.
        decay: the share of the old average that stays at each update.

    Attributes:
        network: a copy of the network, which holds the average. At first the average is the network as it is. No gradients.
    """

    def __init__(self, network, decay=0.999):
        self.decay = decay
        self.network = copy.deepcopy(network.eval()).requires_grad_(False)

    @torch.no_grad()
    def update(self, network):
        """Move the average towards the network's present parameters: average <- decay * average + (1 - decay) * parameter."""
        for mean, parameter in zip(self.network.parameters(), network.parameters(), strict=True):
            mean.lerp_(parameter, 1 - self.decay)
