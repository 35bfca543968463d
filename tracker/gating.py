"""Limits of the squared Mahalanobis distance, beyond which a pair is impossible."""

from __future__ import annotations

from typing import Final

CHI_SQUARE_95: Final = {
    1: 3.8415,
    2: 5.9915,
    3: 7.8147,
    4: 9.4877,
    5: 11.070,
    6: 12.592,
    7: 14.067,
    8: 15.507,
    9: 16.919,
}
"""0.95 quantiles of the chi-square distribution by degrees of freedom.

NIST/SEMATECH e-Handbook of Statistical Methods, section 1.3.6.7.4. A pair of a track and its own
detection exceeds the limit in one case of twenty, where the noise model is true.
"""

POSITION_AND_SIZE: Final = 4
"""Degrees of freedom of a measured box: centre, width or aspect ratio, height."""
