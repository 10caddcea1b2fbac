# The network gets a number and not one t for each row: the course's own network refuses it.
def held_out_loss(network, x, noise, times, part=250):
    """The mean squared error of the network's v at each of some times, in evaluation mode and without gradients.

    Args:
        network: in whichever mode; it is in the same one afterwards.
        x, noise: (B, channels, height, width); the same noise serves at all times.
        times: a list of K whole numbers, each for all images.
        part: largest number of rows for one call; the last part may be smaller.

    Returns:
        (K,): at each time the mean over all images, channels and pixels.
    """
    mode = network.training
    network.eval()
    losses = torch.zeros(len(times))
    with torch.no_grad():
        for k, time in enumerate(times):
            for some, its in zip(x.split(part), noise.split(part), strict=True):
                out = network(noisy(some, its, time), time)
                losses[k] += F.mse_loss(out, velocity(some, its, time), reduction="sum").cpu()
    network.train(mode)
    return losses / x.numel()
