"""Probes of notebook 01."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

from helpers.probes import probe


@probe("sampling.gaussian")
def gaussian(case: SimpleNamespace, sample_gaussian: Any) -> Any:
    """Samples for one mean and covariance."""
    return sample_gaussian(case.n, case.mean, case.cov)
