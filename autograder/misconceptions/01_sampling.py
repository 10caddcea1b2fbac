"""Known mistakes of notebook 01."""

answer(
    "sampling.gaussian",
    "cov-as-factor",
    swap=[("factor = torch.linalg.cholesky(cov)", "factor = cov")],
    says="""The spread of your samples is that of the covariance matrix applied to standard normals. A random vector A z has
    covariance A Aᵀ, not A. Which A has A Aᵀ = Σ?""",
    source="plausible",
)
answer(
    "sampling.gaussian",
    "factor-transposed",
    swap=[("z @ factor.T", "z @ factor")],
    says="""Your samples have the covariance LᵀL instead of L Lᵀ. With one sample per row, think again about which side of z the
    factor multiplies, and whether it has to be transposed there.""",
    source="plausible",
)
