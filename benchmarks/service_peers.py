"""Ultralytics, FastAPI and LitServe, in processes of the peers' environment."""

from __future__ import annotations

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from contextlib import AbstractContextManager, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory, TemporaryFile

from benchmarks.service_process import ROOT, Process, running
from models import catalog

PYTHON = ROOT / ".venv-service-peers" / "bin" / "python"
WORKER = Path(__file__).with_name("service_peer_worker.py")
LITSERVE = Path(__file__).with_name("service_peer_litserve.py")
QUIET = {"YOLO_AUTOINSTALL": "false", "YOLO_OFFLINE": "true", "YOLO_VERBOSE": "false"}
TIMEOUT_SECONDS = 300


class Peers:
    """The peers of one run, with a model in a folder of their own.

    Parameters
    ----------
    model : str
        Name of a YOLO detector in the catalogue; `export` makes it ready for OpenVINO.
    folder : Path
        Where they may write.
    """

    def __init__(self, model: str, folder: Path) -> None:
        if not PYTHON.is_file():
            raise SystemExit(
                f"the peers are not installed: {PYTHON} expected; "
                "run benchmarks/install_service_peers.sh"
            )
        self._settings = QUIET | {"YOLO_CONFIG_DIR": str(folder)}
        weights = catalog.fetch(model)
        self.checkpoint = Path(shutil.copy(weights, folder))
        self.openvino = folder / f"{weights.stem}_openvino_model"
        self.versions: dict[str, str] = json.loads(self._ask("versions"))
        self._ask("export", str(self.checkpoint))

    def _ask(self, *arguments: str) -> str:
        return subprocess.run(
            [PYTHON, WORKER, *arguments],
            check=True,
            stdout=subprocess.PIPE,
            text=True,
            env=os.environ | self._settings,
            timeout=TIMEOUT_SECONDS,
        ).stdout

    def fastapi(self) -> AbstractContextManager[Process]:
        """The service that most tutorials end with: ``POST /detect`` with a form."""
        port = free_port()
        command = [str(PYTHON), str(WORKER), "serve", str(self.checkpoint), str(port)]
        return running(command, self._settings, "/health", port)

    def litserve(self) -> AbstractContextManager[Process]:
        """LitServe: ``POST /predict`` with a form."""
        port = free_port()
        command = [str(PYTHON), str(LITSERVE), str(self.checkpoint), str(port)]
        return running(command, self._settings, "/health", port)

    @contextmanager
    def follower(self, model: Path) -> Iterator[Follower]:
        """``model.track``, in a process that keeps its model."""
        with TemporaryFile() as log:
            child = subprocess.Popen(
                [PYTHON, WORKER, "follow", model],
                env=os.environ | self._settings,
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
            try:
                yield Follower(child)
            finally:
                child.kill()
                child.wait()


class Follower:
    """A process that follows videos with Ultralytics."""

    def __init__(self, child: subprocess.Popen[str]) -> None:
        self._child = child

    def rate(self, video: Path, frames: int, classes: str | None) -> float:
        """Frames a second over the first frames of a video; ids of classes, comma-separated."""
        fields = [str(video), str(frames), *([classes] if classes else [])]
        assert self._child.stdin is not None
        assert self._child.stdout is not None
        self._child.stdin.write("\t".join(fields) + "\n")
        self._child.stdin.flush()
        for line in self._child.stdout:
            if line.startswith('{"frames"'):
                answer = json.loads(line)
                return float(answer["frames"] / answer["seconds"])
        raise SystemExit(f"Ultralytics ended at {video}: exit status {self._child.wait()}")


@contextmanager
def peers_of(model: str) -> Iterator[Peers]:
    """The peers, with a folder that goes afterwards."""
    with TemporaryDirectory() as folder:
        yield Peers(model, Path(folder))


def free_port() -> int:
    """A port of the loopback that nobody listens at."""
    with socket.create_server(("127.0.0.1", 0)) as sock:
        return int(sock.getsockname()[1])
