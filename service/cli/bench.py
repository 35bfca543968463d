"""``trackline bench``: the project's benchmarks, where its repository is checked out."""

from __future__ import annotations

import os
import subprocess
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from models.errors import InvalidInput

ROOT = Path(__file__).resolve().parents[2]
"""The repository, where this is one; benchmarks are not part of what is installed."""


class Benchmark(StrEnum):
    """A name, and the module of ``benchmarks`` that it stands for."""

    module: str

    def __new__(cls, name: str, module: str) -> Benchmark:
        """A member whose value is the name alone."""
        member = str.__new__(cls, name)
        member._value_ = name
        member.module = module
        return member

    RUNTIME = "runtime", "runtime"
    NMS = "nms", "nms"
    SLIDING_WINDOW = "sliding-window", "sliding_window"
    EMBEDDERS = "embedders", "embedders"
    TRACKER = "tracker", "tracker_speed"
    ACCURACY = "accuracy", "tracker_accuracy"
    ROBUSTNESS = "robustness", "tracker_robustness"
    CAMERA = "camera", "tracker_camera"
    MEMORY = "memory", "tracker_memory"
    PEERS = "peers", "tracker_peers"
    SERVICE = "service", "service"
    SERVICE_ACCURACY = "service-accuracy", "service_accuracy"
    ENGINES = "engines", "engines"


def register(app: typer.Typer) -> None:
    """Add the command to the application."""
    # What stands behind the name belongs to the benchmark, its --help too.
    app.command("bench", context_settings={"allow_interspersed_args": False})(bench)


def bench(
    name: Annotated[Benchmark, typer.Argument(help="Which benchmark.")],
    options: Annotated[
        list[str] | None, typer.Argument(help="Its own options; --help lists them.")
    ] = None,
) -> None:
    """Run a benchmark; benchmarks/README.md says what each one shows."""
    script = ROOT / "benchmarks" / f"{name.module}.py"
    if not script.is_file():
        raise InvalidInput(
            f"benchmarks are not installed with Trackline: {script} expected; check the "
            "repository out and run `make bench` there"
        )
    # A process of its own: some limit the threads of NumPy, which reads that when it is imported.
    path = os.pathsep.join(filter(None, (str(ROOT), os.environ.get("PYTHONPATH"))))
    done = subprocess.run(
        [sys.executable, "-m", f"benchmarks.{name.module}", *(options or [])],
        env=os.environ | {"PYTHONPATH": path},
        check=False,
    )
    # A benchmark that a signal ended has a negative status.
    raise typer.Exit(done.returncode if done.returncode >= 0 else 1)
