"""The pictures of the page in README.md and docs/page.md, taken anew in a real Chromium.

    python -m benchmarks.page_pictures [--out docs/images]

Run it on a machine that does nothing else: the page shows how fast its server is. It needs
Chromium (``CHROMIUM`` names another than the one on the path), yolo26n and sample-car-video.
"""

from __future__ import annotations

import argparse
import importlib.util
import io
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import av
import httpx
import numpy as np
from PIL import Image
from playwright import sync_api
from playwright.sync_api import Page, expect

from benchmarks.service_process import ROOT, trackline
from models import catalog
from service.drawing.videowriter import VideoWriter

WAIT_MS = 300_000
QUALITY = 82
LONG, SHORT = 360, 120
"""Frames of the clips."""
DESK: sync_api.ViewportSize = {"width": 1360, "height": 880}
PHONE: sync_api.ViewportSize = {"width": 400, "height": 840}
JOBS_HEIGHT = 700

Point = tuple[float, float]
LINES: tuple[tuple[Point, Point], ...] = (((0.2, 0.68), (0.5, 0.68)), ((0.54, 0.66), (0.85, 0.66)))
ZONE: tuple[Point, ...] = ((0.005, 0.44), (0.2, 0.335), (0.26, 0.36), (0.005, 0.64))
NAMES = ("oncoming, left lane", "oncoming, right lane", "other carriageway")


def main() -> None:
    """Start a server, take the four pictures and write them as WebP."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--out", type=Path, default=ROOT / "docs" / "images")
    out: Path = parser.parse_args().out

    def save(name: str, png: bytes) -> None:
        picture = Image.open(io.BytesIO(png)).convert("RGB")
        picture.save(out / f"page-{name}.webp", "WEBP", quality=QUALITY, method=6)

    with TemporaryDirectory() as folder, trackline() as server:
        clips = Clips(Path(folder))
        address = server.address
        with page_of(address, DESK, "light", 1.5) as page:
            save("image", image(page))
            save("video", video(page, clips))
            save("jobs", jobs(page, clips))
        for job in httpx.get(f"{address}/v1/videos").json()["videos"]:
            httpx.delete(f"{address}/v1/videos/{job['id']}")
        with page_of(address, PHONE, "dark", 2) as page:
            save("phone", phone(page, clips))


class Clips:
    """The videos that are shown, and a file that is none.

    Parameters
    ----------
    folder : Path
        Where they are made.
    """

    def __init__(self, folder: Path) -> None:
        footage = catalog.fetch("sample-car-video")
        self.long, self.south = (folder / name for name in ("motorway.mp4", "motorway-south.mp4"))
        self.north, self.exit = (folder / f"motorway-{name}.mp4" for name in ("north", "exit"))
        self.broken = folder / "notes.mp4"
        _encode(footage, self.long, LONG)
        shutil.copyfile(self.long, self.south)
        _encode(footage, self.north, SHORT)
        shutil.copyfile(self.north, self.exit)
        self.broken.write_text("not a video\n", encoding="utf-8")


def _encode(source: Path, target: Path, frames: int) -> None:
    """The first frames of a video as an MP4 that a browser plays."""
    with av.open(str(source)) as file:
        stream = file.streams.video[0]
        context, rate = stream.codec_context, float(stream.average_rate or 25)
        with VideoWriter(target, context.width, context.height, rate) as writer:
            for number, frame in enumerate(file.decode(stream)):
                if number == frames:
                    return
                picture = np.asarray(frame.to_ndarray(format="bgr24"), np.uint8)
                writer.write(picture, number / rate)


@contextmanager
def page_of(address: str, size: sync_api.ViewportSize, scheme: str, scale: float) -> Iterator[Page]:
    """The page of a server that is ready, in a browser of its own."""
    program = (
        os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
    )
    with sync_api.sync_playwright() as running:
        browser = running.chromium.launch(
            executable_path=program, args=["--no-sandbox", "--disable-gpu"]
        )
        context = browser.new_context(
            viewport=size,
            color_scheme="dark" if scheme == "dark" else "light",
            device_scale_factor=scale,
        )
        context.set_default_timeout(WAIT_MS)
        page = context.new_page()
        page.goto(address)
        expect(page.locator("#health")).to_have_text("ready", timeout=WAIT_MS)
        yield page
        browser.close()


def image(page: Page) -> bytes:
    """A photograph and its objects."""
    package = importlib.util.find_spec("ultralytics")
    assert package is not None
    assert package.origin is not None
    page.locator("#file").set_input_files(Path(package.origin).parent / "assets" / "bus.jpg")
    wait_for_message(page, "took")
    return shot(page)


def video(page: Page, clips: Clips) -> bytes:
    """The motorway with two lines, a zone and the timeline of its tracks."""
    page.locator("#file").set_input_files(clips.long)
    wait_for_message(page, f"{LONG} frames")
    for start, end in LINES:
        line(page, start, end)
    page.keyboard.press("z")
    for corner in ZONE:
        page.mouse.click(*at(page, *corner))
    page.keyboard.press("Enter")
    names = page.get_by_role("textbox")
    for number, name in enumerate(NAMES):
        names.nth(number).fill(name)
        names.nth(number).press("Enter")
    page.locator("h1").click()
    go_to(page, 250)
    return shot(page)


def jobs(page: Page, clips: Clips) -> bytes:
    """Jobs that wait, run, are done and have failed."""
    page.locator("#to-jobs").click()
    for path, becomes in (
        (clips.north, "done"),
        (clips.broken, "failed"),
        (clips.south, "running"),
        (clips.exit, "queued"),
    ):
        page.locator("#job-files").set_input_files(path)
        expect(page.locator(f".status[data-status={becomes}]")).to_have_count(1, timeout=WAIT_MS)
    page.wait_for_timeout(3000)  # until some of its frames are done
    return page.screenshot(clip={"x": 0, "y": 0, "width": DESK["width"], "height": JOBS_HEIGHT})


def phone(page: Page, clips: Clips) -> bytes:
    """The same page on a phone, in dark colours."""
    page.locator("#file").set_input_files(clips.north)
    wait_for_message(page, f"{SHORT} frames")
    line(page, (0.15, 0.72), (0.86, 0.72))
    page.evaluate("scrollTo(0, 0)")
    go_to(page, 95)
    return shot(page)


def wait_for_message(page: Page, text: str) -> None:
    """Wait until the page says something."""
    expect(page.locator("#message")).to_contain_text(text, timeout=WAIT_MS)


def at(page: Page, x: float, y: float) -> Point:
    """A place in the picture, in pixels of the page."""
    box = page.locator("#overlay").bounding_box()
    assert box is not None
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def line(page: Page, start: Point, end: Point) -> None:
    """Draw a line with the mouse."""
    page.locator("#add-line").click()
    page.mouse.move(*at(page, *start))
    page.mouse.down()
    page.mouse.move(*at(page, *end), steps=3)
    page.mouse.up()


def go_to(page: Page, frame: int) -> None:
    """Show a frame, with nothing in focus."""
    page.keyboard.press("End")
    page.locator("#scrub").fill(str(frame))
    page.evaluate("document.activeElement.blur()")
    page.wait_for_timeout(1500)  # the browser seeks and paints


def shot(page: Page) -> bytes:
    """What is on the screen, once it is painted."""
    page.wait_for_timeout(600)
    return page.screenshot()


if __name__ == "__main__":
    main()
