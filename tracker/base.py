"""What every tracker does with a frame before its own idea starts: check it and keep time."""

from __future__ import annotations

from abc import ABC, abstractmethod

from numpy.typing import ArrayLike

from models.types import Image
from tracker.camera import IDENTITY
from tracker.clock import Clock
from tracker.observation import Observation, observe
from tracker.types import EmbedRows, Float, Tracks


class OnlineTracker(ABC):
    """A tracker that answers each frame at once.

    A subclass has one idea of association: it implements ``_step``, which takes valid detections
    and the time since the frame before, and ``_clear``, which forgets its state. State is a
    subclass's own instance attributes, so that ``copy.deepcopy`` gives a tracker that goes on the
    same.
    """

    def __init__(self) -> None:
        self._clock = Clock()
        self._width: int | None = None
        self._motion = IDENTITY

    @property
    def motion(self) -> Float:
        """How the camera moved into the last frame: affine, float64 [2, 3], in pixels.

        The identity for a tracker that does not look at frames, or was given none.
        """
        return self._motion

    @property
    def fps(self) -> float | None:
        """Frames a second as far as timestamps tell; None without them."""
        return self._clock.fps

    def update(
        self,
        boxes: ArrayLike,
        scores: ArrayLike,
        classes: ArrayLike | None = None,
        embeddings: ArrayLike | EmbedRows | None = None,
        frame: Image | None = None,
        timestamp: float | None = None,
    ) -> Tracks:
        """Take the detections of the next frame.

        Parameters
        ----------
        boxes : float [N, 4]
            x1, y1, x2, y2 in pixels.
        scores : float [N]
            Confidence, 0 to 1.
        classes : int [N], optional
            Class ids; all of one class without.
        embeddings : float [N, D], or callable (rows int64 [K]) -> float [K, D], optional
            Appearance, compared by cosine. A callable is asked for the rows that are needed.
        frame : uint8 [H, W, 3], optional
            The picture, for the motion of the camera and the size of the image.
        timestamp : float, optional
            Seconds, later than the frame before. Without, every frame counts one.

        Raises
        ------
        models.errors.InvalidInput
            What was expected and what came. The tracker's state is as before the call, also where
            a callable raises.
        """
        observation = observe(boxes, scores, classes, embeddings, frame, self._width)
        before, self._motion = self._motion, IDENTITY
        try:
            tracks = self._step(observation, self._clock.since(timestamp))
        except Exception:
            self._motion = before
            raise
        self._clock.tick(timestamp)
        if observation.appearance is not None:
            self._width = observation.appearance.width
        return tracks

    def flush(self) -> list[Tracks]:
        """Nothing: each frame was answered at once."""
        return []

    def reset(self) -> None:
        """Forget everything; the next frame is the first, IDs start at 1 again."""
        self._clock = Clock()
        self._width = None
        self._motion = IDENTITY
        self._clear()

    @abstractmethod
    def _step(self, observation: Observation, dt: float) -> Tracks:
        """Follow the tracks into the next frame, ``dt`` frames after the one before.

        Embeddings are asked for, which may fail, before any state changes.
        """

    @abstractmethod
    def _clear(self) -> None:
        """Forget the tracks."""
