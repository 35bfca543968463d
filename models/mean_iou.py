"""Mean IoU: how well classes of pixels are told apart.

Source: Everingham et al., "The PASCAL Visual Object Classes Challenge", IJCV 2010, section 4.4.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from models.errors import InvalidInput


class MeanIou:
    """Counts pixels, picture by picture.

    Parameters
    ----------
    classes : int
        How many there are, the background included.
    """

    def __init__(self, classes: int) -> None:
        self._counts = np.zeros((classes, classes), np.int64)

    def add(self, truth: NDArray[np.integer], found: NDArray[np.integer]) -> None:
        """Count a picture. Where ``truth`` is no class, nothing is counted.

        Parameters
        ----------
        truth, found : integers [H, W]
            The class of each pixel.

        Raises
        ------
        InvalidInput
            They differ in shape.
        """
        if truth.shape != found.shape:
            raise InvalidInput(f"found: shape {truth.shape} expected, got {found.shape}")
        classes = len(self._counts)
        known = truth < classes
        pairs = truth[known].astype(np.int64) * classes + found[known]
        self._counts += np.bincount(pairs, minlength=classes**2).reshape(classes, classes)

    def classes(self) -> NDArray[np.float64]:
        """IoU of each class: pixels that are it and are found as it, over those that are either.

        NaN for a class that no picture has. A pixel that is wrongly found as that class still
        counts against the class that it belongs to.
        """
        right = np.diag(self._counts).astype(np.float64)
        there, found = self._counts.sum(axis=1), self._counts.sum(axis=0)
        shares = np.full_like(right, np.nan)
        np.divide(right, there + found - right, out=shares, where=there > 0)
        return shares

    def mean(self) -> float:
        """Mean IoU of the classes that some picture has."""
        return float(np.nanmean(self.classes()))
