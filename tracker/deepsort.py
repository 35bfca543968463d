"""The tracker that this package is for: DeepSORT's idea with what was learnt since."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from models.errors import InvalidInput
from models.types import Image
from tracker.base import OnlineTracker
from tracker.delay import Delay
from tracker.online import Online
from tracker.settings import Settings, changed
from tracker.types import EmbedRows, Float, Tracks


class DeepSort:
    """Follow objects through video by how they move and what they look like.

    Wojke et al. 2017 (arXiv 1703.07402) is the start: a Kalman filter says where a track may be,
    a cosine distance of embeddings who it is. ``DeepSort()`` has the settings that are
    benchmarked, ``DeepSort.paper()`` the algorithm as published.

    Parameters
    ----------
    settings : Settings, optional
        Thresholds and spans of the tracker; fields that are given by name replace single ones.
    delay : int
        Frames by which every answer is held back, to be smoothed and filled from both sides: then
        ``update`` answers for the frame ``delay`` calls earlier. 0 answers at once.
    engine : OnlineTracker, optional
        Another tracker behind the same delay; excludes ``settings``.
    **changes
        Fields of :class:`~tracker.settings.Settings`, as in ``DeepSort(reenter=True)``.

    Examples
    --------
    >>> tracker = DeepSort()
    >>> for _ in range(2):
    ...     tracks = tracker.update([[10, 20, 50, 120]], [0.9])
    >>> tracks.ids.tolist()
    [1]
    """

    def __init__(
        self,
        settings: Settings | None = None,
        *,
        delay: int = 0,
        engine: OnlineTracker | None = None,
        **changes: Any,
    ) -> None:
        if delay < 0:
            raise InvalidInput(f"delay: expected a number of frames from 0, got {delay}")
        if engine is not None and (settings is not None or changes):
            raise InvalidInput("engine: expected no settings beside it, it has its own")
        self._engine = engine or Online(changed(settings or Settings(), changes))
        self._delay = Delay(delay) if delay else None

    @classmethod
    def paper(cls, *, delay: int = 0, **settings: Any) -> DeepSort:
        """The algorithm as published: matching cascade, gallery of 100, cosine limit 0.2.

        ``settings`` are fields of :class:`tracker.presets.paper.PaperSettings`.
        """
        # The presets import this module: they offer this tracker by its name too.
        from tracker.presets.paper import PaperSettings, PaperTracker

        return cls(engine=PaperTracker(PaperSettings(**settings)), delay=delay)

    def update(
        self,
        boxes: ArrayLike,
        scores: ArrayLike,
        classes: ArrayLike | None = None,
        embeddings: ArrayLike | EmbedRows | None = None,
        frame: Image | None = None,
        timestamp: float | None = None,
    ) -> Tracks | None:
        """Take the detections of the next frame.

        Parameters
        ----------
        boxes : float [N, 4]
            x1, y1, x2, y2 in pixels.
        scores : float [N]
            Confidence, 0 to 1. Low ones help too: give all from 0.1.
        classes : int [N], optional
            Class ids.
        embeddings : float [N, D], or callable (rows int64 [K]) -> float [K, D], optional
            Appearance, compared by cosine. A callable is asked only for the rows that are needed.
        frame : uint8 [H, W, 3], optional
            The picture; with it the motion of the camera is taken out.
        timestamp : float, optional
            Seconds, later than the frame before. Without, every frame counts one.

        Returns
        -------
        Tracks or None
            The confirmed tracks of this frame, or with a delay those of the frame so many calls
            earlier; None before there is one.

        Raises
        ------
        models.errors.InvalidInput
            What was expected and what came.
        """
        tracks = self._engine.update(boxes, scores, classes, embeddings, frame, timestamp)
        if self._delay is None:
            return tracks
        measured = np.asarray(boxes, np.float64).reshape(-1, 4)
        return self._delay.push(tracks, timestamp, measured, self._engine.motion)

    @property
    def motion(self) -> Float:
        """How the camera moved into the last frame given, affine, float64 [2, 3], in pixels."""
        return self._engine.motion

    def flush(self) -> list[Tracks]:
        """What the delay still holds back, oldest frame first; nothing without one."""
        return [] if self._delay is None else self._delay.flush()

    def reset(self) -> None:
        """Forget everything; the next frame is the first, IDs start at 1 again."""
        self._engine.reset()
        if self._delay is not None:
            self._delay.reset()
