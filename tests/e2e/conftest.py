"""The page of a real server in a real Chromium: what it may not do, and what is looked at in it."""

from __future__ import annotations

import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urlsplit

import cv2
import pytest
from playwright import sync_api

from tests.service.clips import clip, picture
from tests.service.serving import serving

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync")
WIDE = {"width": 1100, "height": 800}
WAIT_MS = 30_000
OWN_SCHEMES = ("blob", "data")

sync_api.expect.set_options(timeout=WAIT_MS)

Open = Callable[..., sync_api.Page]


@pytest.fixture(scope="package")
def playwright() -> Iterator[sync_api.Playwright]:
    if CHROMIUM is None:
        pytest.skip("no Chromium here (apt-get install chromium)")
    with sync_api.sync_playwright() as running:
        yield running


@pytest.fixture(scope="package")
def browser(playwright: sync_api.Playwright) -> Iterator[sync_api.Browser]:
    running = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
    yield running
    running.close()


@pytest.fixture(scope="package")
def address(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """A server with the fake detector."""
    with serving(jobs_dir=tmp_path_factory.mktemp("jobs")) as (address, _):
        yield address


@pytest.fixture
def visit(browser: sync_api.Browser) -> Iterator[Open]:
    """Opens a page of a server.

    At the end of the test none of them has met an error or asked another host for anything.
    """
    wrongs: list[str] = []
    contexts: list[sync_api.BrowserContext] = []

    def remember(said: sync_api.ConsoleMessage) -> None:
        # The browser itself reports every answer that is a refusal.
        refused = said.text.startswith(("Failed to load", "WebSocket connection to"))
        if said.type in ("error", "warning") and not refused:
            wrongs.append(said.text)

    def look(asked: sync_api.Request, host: str) -> None:
        parts = urlsplit(asked.url)
        if parts.scheme not in OWN_SCHEMES and parts.netloc != host:
            wrongs.append(f"a request to {asked.url}")

    def open_page(
        address: str,
        chosen: sync_api.Browser = browser,
        permissions: tuple[str, ...] = (),
        scheme: str = "light",
        width: int = WIDE["width"],
        stopped_clock: bool = False,
    ) -> sync_api.Page:
        context = chosen.new_context(
            viewport={"width": width, "height": WIDE["height"]},
            color_scheme="dark" if scheme == "dark" else "light",
            permissions=list(permissions),
        )
        context.set_default_timeout(WAIT_MS)
        contexts.append(context)
        page = context.new_page()
        page.on("pageerror", lambda error: wrongs.append(f"{error} {error.stack}"))
        page.on("console", remember)
        page.on("request", lambda asked: look(asked, urlsplit(address).netloc))
        if stopped_clock:
            page.clock.install()
        page.goto(address)
        return page

    yield open_page
    for context in contexts:
        context.close()
    assert wrongs == []


@pytest.fixture
def page(visit: Open, address: str) -> sync_api.Page:
    """The page of the server with the fake detector, ready."""
    page = visit(address)
    sync_api.expect(page.locator("#health")).to_have_text("ready")
    return page


@pytest.fixture(scope="package")
def still(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of a red and a green rectangle."""
    path = tmp_path_factory.mktemp("still") / "two.png"
    cv2.imwrite(str(path), picture(3))
    return path


@pytest.fixture(scope="package")
def moving(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A clip of 30 frames in which they move."""
    path = tmp_path_factory.mktemp("moving") / "moving.mp4"
    path.write_bytes(clip("mp4", 30))
    return path


def follow(page: sync_api.Page, path: Path, frames: int = 30) -> None:
    """Open a clip and wait until all of it is answered."""
    page.locator("#file").set_input_files(path)
    expect_said(page, f"{frames} frames, 2 tracks")


def expect_said(page: sync_api.Page, text: str) -> None:
    sync_api.expect(page.locator("#message")).to_contain_text(text)


def painted(page: sync_api.Page) -> int:
    """How many pixels of the overlay are not transparent."""
    count = page.locator("#overlay").evaluate(
        """canvas => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
            .data.filter((value, i) => i % 4 === 3 && value).length"""
    )
    return int(count)
