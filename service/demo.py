"""``make demo``: the main job on a photograph and a video, over HTTP, in one go.

Starts a server on a free loopback port, finds the objects of a photograph, follows those of a
video while it is sent, writes both with the objects drawn to ``out/``, and stops the server.
"""

from __future__ import annotations

import importlib.util
import re
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from threading import Thread
from typing import IO, Any

from rich.console import Console
from rich.table import Table

from models import catalog
from models.errors import TracklineError
from service.cli.progress import frames_bar
from service.client import Client
from service.decoding.decoders import Decoders
from service.drawing.annotate import annotate_video
from service.schemas import Frame

OUT = Path("out")
READY_SECONDS = 180.0  # the first start exports the network for its runtime
STOP_SECONDS = 15.0
SHOWN_IDS = 12
ADDRESS = re.compile(r"http://127\.0\.0\.1:\d+")
VEHICLES = ["car", "truck", "bus", "motorcycle"]


def main() -> int:
    """Run the demonstration; exit status 0 when all of it worked."""
    console = Console(highlight=False, soft_wrap=True)
    OUT.mkdir(exist_ok=True)
    try:
        with server(console) as address, Client(address) as client:
            show_photograph(client, console)
            show_video(client, console)
    except TracklineError as error:
        console.print(f"[red]The demonstration failed:[/] {error}")
        return 1
    console.print("The server is stopped. `make serve` leaves one running, with a page at /.")
    return 0


@contextmanager
def server(console: Console) -> Iterator[str]:
    """Run a server on a free port of the loopback; its address once it is ready."""
    command = [sys.executable, "-m", "service.cli", "serve", "--port", "0", "--models", "yolo26n"]
    console.print("Starting the server …")
    process = subprocess.Popen(
        command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True
    )
    try:
        address = _wait_until_ready(process)
        console.print(f"It listens on {address}")
        yield address
    finally:
        process.terminate()
        try:
            process.wait(STOP_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()


def show_photograph(client: Client, console: Console) -> None:
    """Find the objects of the usual test photograph and list them."""
    photograph = _bus()
    answer = client.detect(photograph)
    table = Table(title=f"POST /v1/detect  {photograph.name}, {answer.model}")
    for heading in ("object", "confidence", "x1", "y1", "x2", "y2"):
        table.add_column(heading, justify="left" if heading == "object" else "right")
    for item in answer.detections:
        corners = [f"{item.box[corner]:.0f}" for corner in ("x1", "y1", "x2", "y2")]
        table.add_row(item.name, f"{item.confidence:.2f}", *corners)
    console.print(table)
    (OUT / "bus.jpg").write_bytes(client.annotate(photograph))
    console.print(f"Drawn: {OUT / 'bus.jpg'}\n")


def show_video(client: Client, console: Console) -> None:
    """Follow the vehicles of a motorway and write the video with their IDs."""
    clip = catalog.fetch("sample-car-video")
    console.print(f"POST /v1/track  {clip.name}: every frame's track IDs, as they come")
    frames: list[dict[str, Any]] = []
    began = time.perf_counter()
    stream = client.track(clip, classes=VEHICLES)
    with frames_bar(console) as bar:
        task = bar.add_task("tracking", total=stream.header.frames)
        for frame in stream:
            if not frames:
                first = time.perf_counter() - began
            frames.append(frame.model_dump())
            bar.console.print(_frame_line(frame))
            bar.advance(task)
        # Containers may promise a frame more or less than they hold.
        bar.update(task, total=len(frames))
    assert stream.end is not None  # noqa: S101
    console.print(
        f"{stream.end.frames} frames, {stream.end.tracks} tracks, "
        f"{stream.end.fps or 0:.1f} frames a second, the first after {1000 * first:.0f} ms"
    )
    with frames_bar(console) as bar, Decoders() as decoders:
        drawn = annotate_video(clip, frames, OUT / "motorway.mp4", decoders)
        for _ in bar.track(drawn, total=len(frames), description="drawing"):
            pass
    console.print(f"Drawn: {OUT / 'motorway.mp4'}")


def _wait_until_ready(process: subprocess.Popen[str]) -> str:
    assert process.stderr is not None  # noqa: S101
    log = _ServerLog(process.stderr)
    deadline = time.monotonic() + READY_SECONDS
    while time.monotonic() < deadline and process.poll() is None:
        if log.address and _ready(log.address):
            return log.address
        time.sleep(0.1)
    raise TracklineError(f"the server did not become ready:\n{''.join(log.lines[-20:])}")


def _ready(address: str) -> bool:
    with Client(address) as client:
        return client.ready()


class _ServerLog:
    """Reads what the server says to its end, so that its pipe never fills; finds its address."""

    def __init__(self, stream: IO[str]) -> None:
        self.lines: list[str] = []
        self.address: str | None = None
        Thread(target=self._read, args=(stream,), daemon=True).start()

    def _read(self, stream: IO[str]) -> None:
        with stream:
            for line in stream:
                self.lines.append(line)
                if self.address is None and (found := ADDRESS.search(line)):
                    self.address = found.group()


def _bus() -> Path:
    """The photograph that comes with Ultralytics, found without importing it."""
    spec = importlib.util.find_spec("ultralytics")
    places = spec.submodule_search_locations if spec else None
    if not places:
        raise TracklineError("the package ultralytics is not installed: run `make setup`")
    return Path(places[0]) / "assets" / "bus.jpg"


def _frame_line(frame: Frame) -> str:
    ids = [str(item.track_id) for item in frame.objects]
    more = f" … {len(ids) - SHOWN_IDS} more" if len(ids) > SHOWN_IDS else ""
    return f"frame {frame.frame:4d}  {frame.time:6.2f} s  {' '.join(ids[:SHOWN_IDS])}{more}"


if __name__ == "__main__":
    sys.exit(main())
