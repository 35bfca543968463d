"""The shapes of all answers: the server is described by them, the client reads with them."""

from __future__ import annotations

from service.schemas.counts import (
    Counts,
    Crossing,
    Crossings,
    Dwell,
    FrameCounts,
    Inside,
    LineCounts,
    Visit,
    Visits,
    ZoneCounts,
)
from service.schemas.jobs import ENDED, Job, JobError, JobLinks, JobList, QueuedJob, Status
from service.schemas.objects import (
    DECIMALS,
    Box,
    DetectedObject,
    Segments,
    TrackedObject,
    detections,
    objects,
)
from service.schemas.pictures import (
    DeepStackAnswer,
    DeepStackObject,
    Detected,
    DetectedSeveral,
    SegmentedClass,
    SegmentedPicture,
    SegmentTiming,
    Size,
    Timing,
)
from service.schemas.problem import ANY_REFUSAL, REFUSALS, ProblemDocument
from service.schemas.server import Info, ModelEntry, ModelList, SegmenterEntry
from service.schemas.tracks import LINE, End, Error, Frame, Header, Line

__all__ = [
    "ANY_REFUSAL",
    "DECIMALS",
    "ENDED",
    "LINE",
    "REFUSALS",
    "Box",
    "Counts",
    "Crossing",
    "Crossings",
    "DeepStackAnswer",
    "DeepStackObject",
    "Detected",
    "DetectedObject",
    "DetectedSeveral",
    "Dwell",
    "End",
    "Error",
    "Frame",
    "FrameCounts",
    "Header",
    "Info",
    "Inside",
    "Job",
    "JobError",
    "JobLinks",
    "JobList",
    "Line",
    "LineCounts",
    "ModelEntry",
    "ModelList",
    "ProblemDocument",
    "QueuedJob",
    "SegmentTiming",
    "SegmentedClass",
    "SegmentedPicture",
    "SegmenterEntry",
    "Segments",
    "Size",
    "Status",
    "Timing",
    "TrackedObject",
    "Visit",
    "Visits",
    "ZoneCounts",
    "detections",
    "objects",
]
