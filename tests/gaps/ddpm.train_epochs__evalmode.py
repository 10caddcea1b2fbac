# switches to eval for validation and never back: dropout is off from the second epoch on
def train_epochs(ddpm, train, valid, optimizer, epochs, batch_size, generator=None):
    """Algorithm 1 of Ho et al."""
    history = []
    if hasattr(ddpm, "train"):
        ddpm.train()
    for epoch in range(epochs):
        order = torch.randperm(len(train), generator=generator)
        sums = 0.0
        for i in range(0, len(train), batch_size):
            batch = train[order[i : i + batch_size]]
            optimizer.zero_grad()
            value = ddpm.loss(batch)
            value.backward()
            optimizer.step()
            sums += float(value) * len(batch)
        if hasattr(ddpm, "eval"):
            ddpm.eval()
        with torch.no_grad():
            history.append((sums / len(train), float(ddpm.loss(valid))))
    return history
