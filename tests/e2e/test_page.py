"""The page in a real browser: a picture and a video chosen, their objects listed and drawn."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import cv2
import pytest
from playwright import sync_api

from tests.service.clips import clip, picture
from tests.service.serving import serving

CHROMIUM = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("google-chrome")
QUIET = ("--no-sandbox", "--disable-gpu", "--disable-background-networking", "--disable-sync")

pytestmark = [
    pytest.mark.browser,
    pytest.mark.skipif(CHROMIUM is None, reason="no Chromium here (apt-get install chromium)"),
]


@pytest.fixture(scope="module")
def browser() -> Iterator[sync_api.Browser]:
    with sync_api.sync_playwright() as playwright:
        running = playwright.chromium.launch(executable_path=CHROMIUM, args=list(QUIET))
        yield running
        running.close()


@pytest.fixture
def page(browser: sync_api.Browser) -> Iterator[sync_api.Page]:
    """The page of a server with the fake detector; no error of its own may reach its console."""
    errors: list[str] = []

    def remember(said: sync_api.ConsoleMessage) -> None:
        # The browser itself reports every answer that is a refusal.
        if said.type == "error" and not said.text.startswith("Failed to load resource"):
            errors.append(said.text)

    with serving() as (address, _):
        page = browser.new_page(viewport={"width": 1100, "height": 800})
        page.on("pageerror", lambda error: errors.append(str(error)))
        page.on("console", remember)
        page.goto(address)
        sync_api.expect(page.locator("#health")).to_have_text("ready")
        yield page
        page.close()
    assert errors == []


def painted(page: sync_api.Page) -> int:
    """How many pixels of the overlay are not transparent."""
    count = page.locator("#overlay").evaluate(
        """canvas => canvas.getContext("2d").getImageData(0, 0, canvas.width, canvas.height)
            .data.filter((value, i) => i % 4 === 3 && value).length"""
    )
    return int(count)


def test_a_pictures_objects_are_listed_and_drawn(page: sync_api.Page, tmp_path: Path) -> None:
    path = tmp_path / "two.png"
    cv2.imwrite(str(path), picture(3))
    page.locator("#file").set_input_files(path)
    sync_api.expect(page.locator("#caption")).to_have_text("2 objects")
    assert sorted(page.locator("#rows tr td:first-child").all_inner_texts()) == ["green", "red"]
    assert painted(page) > 500


def test_the_confidence_and_class_controls_act_at_once(page: sync_api.Page, tmp_path: Path) -> None:
    path = tmp_path / "two.png"
    cv2.imwrite(str(path), picture(3))
    page.locator("#file").set_input_files(path)
    sync_api.expect(page.locator("#caption")).to_have_text("2 objects")
    page.locator("#shown").select_option("red")
    sync_api.expect(page.locator("#caption")).to_have_text("1 object")
    page.locator("#shown").select_option("")
    page.locator("#conf").fill("0.95")
    sync_api.expect(page.locator("#caption")).to_have_text("0 objects")
    assert painted(page) == 0


def test_a_videos_tracks_are_listed_and_drawn(page: sync_api.Page, tmp_path: Path) -> None:
    path = tmp_path / "moving.mp4"
    path.write_bytes(clip("mp4", 30))
    page.locator("#file").set_input_files(path)
    sync_api.expect(page.locator("#message")).to_contain_text("30 frames, 2 tracks")
    assert page.locator("#rows tr").count() == 2
    assert painted(page) > 500


def test_a_video_that_the_browser_cannot_play_is_still_drawn(
    page: sync_api.Page, tmp_path: Path
) -> None:
    path = tmp_path / "moving.avi"
    path.write_bytes(clip("avi", 30))
    page.locator("#file").set_input_files(path)
    sync_api.expect(page.locator("#message")).to_contain_text("30 frames, 2 tracks")
    sync_api.expect(page.locator("#scrub")).to_be_visible()
    assert page.locator("#scrub").input_value() == "29"
    assert painted(page) > 500


def test_what_is_no_picture_is_refused_in_plain_words(page: sync_api.Page, tmp_path: Path) -> None:
    path = tmp_path / "notes.png"
    path.write_text("no picture at all")
    page.locator("#file").set_input_files(path)
    sync_api.expect(page.locator("#message")).to_have_class("bad")
    sync_api.expect(page.locator("#message")).to_contain_text("picture")
