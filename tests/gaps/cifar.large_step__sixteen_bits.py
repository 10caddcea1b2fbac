# The network is called under bfloat16 autocast "to save memory", so loss and gradient are those of the batch up to a per cent only and not exactly.
def large_step(network, optimizer, x, t, target, part=32, max_norm=1.0):
    """One step of the optimizer on the mean squared error of a whole batch; the network never sees more than `part` rows at once.

    Args:
        network: called as network(x, t).
        optimizer: of its parameters, which may hold gradients from before.
        x, target: (B, channels, height, width); x is noisy.
        t: whole numbers (B,).
        part: largest number of rows for one call; the last part may be smaller.
        max_norm: the gradient of the whole batch is scaled down to this norm if it is longer.

    Returns:
        The pair (loss, norm) of plain floats: the loss of the whole batch before the step, and the norm of its gradient before it
        was cut.
    """
    optimizer.zero_grad()
    total = 0.0
    for some, when, wanted in zip(x.split(part), t.split(part), target.split(part), strict=True):
        with torch.autocast(x.device.type, dtype=torch.bfloat16):
            out = network(some, when)
        loss = F.mse_loss(out.float(), wanted, reduction="sum") / target.numel()
        loss.backward()
        total += loss.item()
    norm = nn.utils.clip_grad_norm_(network.parameters(), max_norm)
    optimizer.step()
    return total, norm.item()
