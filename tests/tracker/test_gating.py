"""The table of gates is the chi-square distribution's."""

from __future__ import annotations

import pytest
from scipy.stats import chi2

from tracker.gating import CHI_SQUARE_95, POSITION_AND_SIZE


@pytest.mark.parametrize("degrees", sorted(CHI_SQUARE_95))
def test_quantiles(degrees: int) -> None:
    assert CHI_SQUARE_95[degrees] == pytest.approx(chi2.ppf(0.95, degrees), rel=1e-4)


def test_a_box_has_four_degrees_of_freedom() -> None:
    assert POSITION_AND_SIZE in CHI_SQUARE_95
