# the generator is copied for each of the two draws and never advances: choice and noise from the same bits
def sample_mixture(n, weights, means, covs, generator=None):
    """Draw n independent samples of the mixture."""
    def fresh():
        return None if generator is None else torch.Generator().manual_seed(generator.initial_seed())
    k = torch.multinomial(weights, n, replacement=True, generator=fresh())
    z = torch.randn(n, means.shape[1], generator=fresh())
    return means[k] + torch.einsum("nij,nj->ni", torch.linalg.cholesky(covs)[k], z)
