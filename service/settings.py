"""Every setting of the server and every limit it keeps, read from ``TRACKLINE_…`` variables."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Any, Self

from pydantic import BeforeValidator, Field, SecretStr, field_validator, model_validator
from pydantic_settings import BaseSettings, NoDecode, SettingsConfigDict

MIB = 1024 * 1024
LEAST_KEY_LENGTH = 16
PLACEHOLDERS = ("changeme", "change-me", "secret", "password", "example", "your-key", "yourkey")


def _split(value: object) -> object:
    """A comma-separated text as a list; anything else as it is."""
    if isinstance(value, str):
        return [part.strip() for part in value.split(",") if part.strip()]
    return value


Names = Annotated[tuple[str, ...], NoDecode, BeforeValidator(_split)]
Keys = Annotated[tuple[SecretStr, ...], NoDecode, BeforeValidator(_split)]


def _limit(default: float, description: str, *, least: float = 1) -> Any:
    """A field that ``GET /v1/info`` shows among the limits in force."""
    return Field(default, ge=least, description=description, json_schema_extra={"limit": True})


class Settings(BaseSettings):
    """The server's settings; ``TRACKLINE_PORT=9000`` sets ``port``, lists are comma-separated."""

    model_config = SettingsConfigDict(env_prefix="TRACKLINE_", extra="ignore", frozen=True)

    host: str = Field(default="127.0.0.1", description="Address that the server listens on.")
    port: int = Field(
        default=8000, ge=0, le=65535, description="Port; 0 takes a free one and names it."
    )
    log_level: str = Field(
        default="info",
        pattern="^(debug|info|warning|error)$",
        description="Least level that is logged.",
    )
    shutdown_seconds: int = _limit(
        20, "Seconds that running work has to end in after SIGTERM.", least=0
    )

    models: Names = Field(
        default=("yolo26n",), description="Detectors loaded at start; the first one is the default."
    )
    embedder: str = Field(
        default="auto",
        description="Embedder of tracks where a request names none; `none` goes by motion alone.",
    )
    segmenters: Names = Field(
        default=("deeplabv3-mobilenet", "fcn-8s"),
        description="Semantic segmenters that may be asked for, loaded when they first are; the "
        "first one is the default.",
    )
    runtime: str = Field(default="auto", description="auto, torch, openvino or onnx.")
    device: str = Field(default="auto", description="auto, cpu or cuda.")
    threads: int | None = Field(
        default=None, ge=1, description="Threads of a CPU runtime; unset, the runtime chooses."
    )
    precision: str = Field(
        default="auto",
        pattern="^(auto|f32|bf16|f16|int8)$",
        description="What YOLO networks compute in: f32, bf16, f16, or int8 with OpenVINO. auto is "
        "the fastest that costs no accuracy: of pictures bf16 where the processor has it, of "
        "frames followed by appearance int8 where that was measured to be as good.",
    )
    spool_dir: Path | None = Field(
        default=None,
        description="Folder for uploads that must lie on disk before they can be decoded; "
        "unset, the system's folder for temporary files.",
    )

    jobs_dir: Path | None = Field(
        default=None,
        description="Folder of the jobs, their videos and their results; unset, "
        "`trackline/jobs` in the user's folder for data. One server at a time uses it.",
    )
    keep_jobs: bool = Field(
        default=True, description="Whether this server takes jobs, and so needs their folder."
    )
    database_url: str | None = Field(
        default=None,
        description="Database of the jobs as an SQLAlchemy URL; unset, an SQLite file in "
        "`jobs_dir`.",
    )

    api_keys: Keys = Field(
        default=(), description="Keys that callers must send; none set, every caller is let in."
    )
    admin_key: SecretStr | None = Field(
        default=None,
        description="Key that loading and unloading of models needs, where keys are set.",
    )
    cors_origins: Names = Field(
        default=(), description="Origins that browsers may call from; none set, CORS is off."
    )

    max_models: int = _limit(4, "Detectors that may be loaded at once.")
    forward_seconds: float = _limit(
        60.0, "Seconds after which a forward counts as hung and its model as not ready.", least=0.01
    )
    probe_seconds: float = _limit(
        5.0, "Seconds between trials of a model that has failed.", least=0.01
    )
    max_batch: int = _limit(16, "Images of one forward; a model may take fewer.")
    batch_delay_ms: float = _limit(
        5.0, "Milliseconds that a batch waits for company while the model is busy.", least=0
    )
    batch_pixels: int = _limit(
        64 * 640 * 640, "Pixels of one forward, as the network sees them.", least=1024
    )
    image_share: float = Field(
        default=0.75,
        gt=0,
        lt=1,
        description="Share of the places in forwards that single images get while videos wait too; "
        "the rest is theirs, however many images come.",
        json_schema_extra={"limit": True},
    )
    image_queue: int = _limit(64, "Single images that may wait for or be in one model.")
    deadline_seconds: float = _limit(
        30.0, "Seconds after which an image that still waits is given up.", least=0.01
    )
    frame_deadline_seconds: float = _limit(
        300.0,
        "Seconds after which a frame of a video that still waits is given up, and the video with "
        "it; a live frame has `deadline_seconds`.",
        least=0.01,
    )

    max_connections: int = _limit(
        512, "Connections at once; keep it below the descriptors that the process may have."
    )
    max_requests: int = _limit(64, "Image requests that may be under way at once.")
    max_image_bytes: int = _limit(20 * MIB, "Bytes of the body of an image request.")
    max_image_pixels: int = _limit(50_000_000, "Pixels of an image, width times height.")
    max_image_side: int = _limit(32_768, "Pixels of an image's longer side.")
    max_pixels_at_once: int = _limit(
        200_000_000,
        "Pixels of all pictures and live frames that are held decoded at once, 3 bytes each; "
        "others wait.",
    )
    max_images: int = _limit(16, "Images of one multipart request.")
    max_detections: int = _limit(1000, "Largest max_det that a request may ask for.")
    max_imgsz: int = _limit(1920, "Largest imgsz that a request may ask for.", least=32)
    decode_threads: int = _limit(2, "Threads that decode images.")
    stall_seconds: float = _limit(
        30.0, "Seconds without a byte sent or taken after which a caller is given up.", least=0.01
    )
    max_body_seconds: float = _limit(
        120.0,
        "Seconds in which the body of an image request must come; a video has max_video_seconds.",
        least=0.01,
    )

    max_video_bytes: int = _limit(2048 * MIB, "Bytes of the body of a video request.")
    max_video_pixels: int = _limit(7680 * 4320, "Pixels of a video's frame.")
    max_video_side: int = _limit(7680, "Pixels of the longer side of a video's frame.")
    max_video_seconds: float = _limit(6 * 3600.0, "Seconds that a video may last.")
    max_video_frames: int = _limit(1_000_000, "Frames that a video may have.")
    max_sessions: int = _limit(16, "Videos and live sessions that may run at once.")
    frames_in_flight: int = _limit(4, "Frames of one session in the model's queue.")
    decoder_memory_bytes: int = _limit(2048 * MIB, "Memory of one decoder process.")
    decoder_frame_seconds: float = _limit(
        10.0, "CPU seconds that the decoding of one frame may take.", least=0.01
    )

    max_queued_jobs: int = _limit(32, "Jobs that may wait; one more is refused.")
    max_running_jobs: int = _limit(1, "Jobs that run at once.")
    max_job_age_seconds: float = _limit(
        7 * 86400.0, "Seconds after which a job that has ended is removed."
    )
    max_refined_objects: int = _limit(
        2_000_000,
        "Objects of a job, or of `trackline track --refine`, that are refined at most, of all its "
        "frames; each takes some 1.5 KB of memory while they are.",
    )
    max_jobs_bytes: int = _limit(
        20 * 1024 * MIB, "Bytes of all jobs; over it, those that ended first are removed."
    )

    @field_validator("api_keys", "admin_key")
    @classmethod
    def _refuse_weak_keys(
        cls, value: tuple[SecretStr, ...] | SecretStr | None
    ) -> tuple[SecretStr, ...] | SecretStr | None:
        keys = value if isinstance(value, tuple) else [value] if value else []
        for key in keys:
            text = key.get_secret_value()
            if len(text) < LEAST_KEY_LENGTH:
                raise ValueError(
                    f"a key of at least {LEAST_KEY_LENGTH} characters was expected, got one of "
                    f"{len(text)}; `openssl rand -hex 24` makes a good one"
                )
            if any(word in text.lower() for word in PLACEHOLDERS):
                raise ValueError("a key looks like a placeholder: `openssl rand -hex 24` makes one")
        return value

    @model_validator(mode="after")
    def _need_a_model(self) -> Self:
        if len(self.models) > self.max_models:
            raise ValueError(
                f"models names {len(self.models)} detectors, max_models allows {self.max_models}"
            )
        return self

    @property
    def frame_queue(self) -> int:
        """Frames of all sessions and jobs together that may wait for or be in one model."""
        return (self.max_sessions + self.max_running_jobs) * self.frames_in_flight

    def limits(self) -> dict[str, float]:
        """Every limit in force, by its name."""
        return {
            name: getattr(self, name)
            for name, field in type(self).model_fields.items()
            if isinstance(field.json_schema_extra, dict) and field.json_schema_extra.get("limit")
        }
