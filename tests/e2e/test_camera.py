"""The webcam: its pictures followed over a WebSocket, until it is stopped or refused."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright import sync_api

from tests.e2e.conftest import CHROMIUM, QUIET, Open, expect_said, painted
from tests.service.clips import clip
from tests.service.gate import until
from tests.service.serving import serving

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def filming(
    playwright: sync_api.Playwright, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[sync_api.Browser]:
    """A browser whose camera sees the clip, again and again."""
    path = tmp_path_factory.mktemp("camera") / "camera.mjpeg"
    path.write_bytes(clip("mjpeg", 30))
    camera = ("--use-fake-device-for-media-stream", f"--use-file-for-fake-video-capture={path}")
    running = playwright.chromium.launch(executable_path=CHROMIUM, args=[*QUIET, *camera])
    yield running
    running.close()


def test_what_the_camera_sees_is_followed_until_it_is_stopped(
    visit: Open, filming: sync_api.Browser
) -> None:
    with serving() as (address, app):
        page = visit(address, chosen=filming, permissions=("camera",))
        sync_api.expect(page.locator("#health")).to_have_text("ready")
        page.get_by_role("button", name="Use the camera").first.click()
        sync_api.expect(page.locator("#lanes li")).not_to_have_count(0)
        sync_api.expect(page.locator("#progress-text")).to_contain_text("ms behind")
        sync_api.expect(page.locator("#classes")).to_contain_text("red")
        assert app.state.sessions.count == 1
        until(lambda: painted(page) > 500)
        page.get_by_role("button", name="Line", exact=True).press("Enter")
        sync_api.expect(page.locator(".region")).to_have_count(1)
        page.keyboard.press("Escape")
        expect_said(page, "frames/s")
        until(lambda: app.state.sessions.count == 0)


def test_opening_something_else_lets_the_camera_go(
    visit: Open, filming: sync_api.Browser, still: Path
) -> None:
    with serving() as (address, app):
        page = visit(address, chosen=filming, permissions=("camera",))
        page.get_by_role("button", name="Use the camera").first.click()
        sync_api.expect(page.locator("#lanes li")).not_to_have_count(0)
        page.locator("#file").set_input_files(still)
        sync_api.expect(page.locator("#caption")).to_have_text("2 objects")
        until(lambda: app.state.sessions.count == 0)


def test_a_camera_that_may_not_be_used_is_said(page: sync_api.Page) -> None:
    page.get_by_role("button", name="Use the camera").first.click()
    sync_api.expect(page.locator("#message")).to_have_class("bad")
    expect_said(page, "camera")


def test_a_server_that_is_full_is_said(visit: Open, filming: sync_api.Browser) -> None:
    with serving(max_sessions=1) as (address, app), app.state.sessions.place():
        page = visit(address, chosen=filming, permissions=("camera",))
        page.get_by_role("button", name="Use the camera").first.click()
        expect_said(page, "all its places may be taken")


def test_a_camera_that_is_stopped_while_it_starts_is_not_used(
    visit: Open, filming: sync_api.Browser
) -> None:
    with serving() as (address, app):
        page = visit(address, chosen=filming, permissions=("camera",))
        sync_api.expect(page.locator("#health")).to_have_text("ready")
        page.evaluate(
            """() => {
                const real = navigator.mediaDevices.getUserMedia.bind(navigator.mediaDevices);
                navigator.mediaDevices.getUserMedia = async (wanted) => {
                    await new Promise((resolve) => { window.letIn = resolve; });
                    window.stream = await real(wanted);
                    return window.stream;
                };
            }"""
        )
        page.get_by_role("button", name="Use the camera").first.click()
        page.keyboard.press("Escape")
        page.evaluate("letIn()")
        expect_said(page, "Cancelled.")
        assert page.evaluate("stream.getTracks()[0].readyState") == "ended"
        assert app.state.sessions.count == 0
