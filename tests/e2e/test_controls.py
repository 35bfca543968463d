"""What holds for all of the page: keys, colours, narrow screens, names, key and load."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import httpx
import pytest
from playwright import sync_api

from tests.e2e.conftest import Open, expect_said, follow
from tests.service.gate import WAIT
from tests.service.serving import serving

pytestmark = pytest.mark.browser

KEY = "correct-horse-battery-staple"
OPERATED = {"button", "link", "textbox", "combobox", "slider", "checkbox", "progressbar"}
LEAST_CONTRAST = 4.5
"""Of WCAG 2.2, 1.4.3, level AA, for text of the usual size."""

# The contrast of each text that is seen with the first ground below it that is not transparent.
CONTRASTS = """() => {
    const canvas = document.createElement("canvas");
    canvas.width = canvas.height = 1;
    const context = canvas.getContext("2d", { willReadFrequently: true });
    const rgba = (colour) => {
        context.clearRect(0, 0, 1, 1);
        context.fillStyle = colour;
        context.fillRect(0, 0, 1, 1);
        return [...context.getImageData(0, 0, 1, 1).data];
    };
    const light = (colour) => {
        const [r, g, b] = rgba(colour).slice(0, 3).map((value) => value / 255)
            .map((value) => (value <= 0.04045 ? value / 12.92 : ((value + 0.055) / 1.055) ** 2.4));
        return 0.2126 * r + 0.7152 * g + 0.0722 * b;
    };
    const ground = (element) => {
        for (let at = element; at; at = at.parentElement) {
            const colour = getComputedStyle(at).backgroundColor;
            if (rgba(colour)[3] === 255) return colour;
        }
        return "white";
    };
    const found = [];
    const walker = document.createTreeWalker(document.body, NodeFilter.SHOW_TEXT);
    while (walker.nextNode()) {
        const text = walker.currentNode.textContent.trim();
        const element = walker.currentNode.parentElement;
        if (!text || !element.checkVisibility({ visibilityProperty: true })) continue;
        if (element.closest(":disabled, .visually-hidden, .stale")) continue;
        const [one, other] = [light(getComputedStyle(element).color), light(ground(element))];
        found.push([text, (Math.max(one, other) + 0.05) / (Math.min(one, other) + 0.05)]);
    }
    return found;
}"""


def test_keys_go_through_the_video(page: sync_api.Page, moving: Path) -> None:
    follow(page, moving)
    frame = page.locator("#frame")
    page.keyboard.press("Home")
    sync_api.expect(frame).to_have_text("frame 0")
    page.keyboard.press("ArrowRight")
    page.keyboard.press("ArrowRight")
    sync_api.expect(frame).to_have_text("frame 2")
    page.keyboard.press("ArrowLeft")
    sync_api.expect(frame).to_have_text("frame 1")
    page.keyboard.press("Shift+ArrowRight")
    sync_api.expect(frame).to_have_text("frame 11")
    # Slowly, so that it has not come to its end before it is looked at.
    page.locator("#video").evaluate("video => { video.playbackRate = 0.2; }")
    page.keyboard.press("Space")
    sync_api.expect(page.locator("#play")).to_have_accessible_name("Pause")
    sync_api.expect(frame).not_to_have_text("frame 11")
    page.keyboard.press("Space")
    sync_api.expect(page.locator("#play")).to_have_accessible_name("Play")
    page.keyboard.press("End")
    sync_api.expect(frame).to_have_text("frame 29")


def test_the_slider_goes_frame_by_frame(page: sync_api.Page, moving: Path) -> None:
    follow(page, moving)
    page.keyboard.press("Home")
    slider = page.get_by_role("slider", name="Frame")
    slider.fill("7")
    sync_api.expect(page.locator("#frame")).to_have_text("frame 7")
    slider.press("ArrowRight")
    sync_api.expect(page.locator("#frame")).to_have_text("frame 8")
    sync_api.expect(slider).to_have_attribute("aria-valuetext", "Frame 8, 0:00.8 / 0:02.9")


def test_the_keys_are_listed_and_typing_is_not_taken_for_them(
    page: sync_api.Page, moving: Path
) -> None:
    page.keyboard.press("?")
    keys = page.get_by_role("dialog", name="Keys")
    sync_api.expect(keys).to_contain_text("Draw a line")
    page.keyboard.press("Escape")
    sync_api.expect(keys).to_be_hidden()
    follow(page, moving)
    page.get_by_role("button", name="Line", exact=True).press("Enter")
    name = page.get_by_role("textbox", name="Name of line")
    name.fill("")
    name.press_sequentially("zone d")
    name.press("Enter")
    sync_api.expect(name).to_have_value("zone d")
    sync_api.expect(page.locator("#hint")).to_be_empty()
    sync_api.expect(page.locator("html")).not_to_have_attribute("data-theme", "dark")


@pytest.mark.parametrize(("scheme", "other"), [("light", "dark"), ("dark", "light")])
def test_colours_follow_the_system_until_the_switch_is_used_and_remembered(
    visit: Open, address: str, scheme: str, other: str
) -> None:
    page = visit(address, scheme=scheme)
    ground = "getComputedStyle(document.body).backgroundColor"
    switch = page.get_by_role("button", name="Dark colours")
    sync_api.expect(switch).to_have_attribute("aria-pressed", str(scheme == "dark").lower())
    by_system = page.evaluate(ground)
    switch.click()
    sync_api.expect(page.locator("html")).to_have_attribute("data-theme", other)
    switched = page.evaluate(ground)
    assert switched != by_system
    page.reload()
    assert page.evaluate(ground) == switched
    sync_api.expect(switch).to_have_attribute("aria-pressed", str(other == "dark").lower())


def overhang(page: sync_api.Page) -> int:
    """Pixels by which the page is wider than the screen."""
    return int(page.evaluate("document.documentElement.scrollWidth - innerWidth"))


def test_it_fits_a_narrow_screen(visit: Open, address: str, still: Path, moving: Path) -> None:
    page = visit(address, width=400)
    sync_api.expect(page.locator("#health")).to_have_text("ready")
    assert overhang(page) <= 0
    page.locator("#file").set_input_files(still)
    sync_api.expect(page.locator("#caption")).to_have_text("2 objects")
    assert overhang(page) <= 0
    follow(page, moving)
    for kind in ("Line", "Zone"):
        page.get_by_role("button", name=kind, exact=True).press("Enter")
    assert overhang(page) <= 0
    page.get_by_role("button", name="Run as a job").click()
    row = page.get_by_role("listitem").filter(has_text="moving.mp4").first
    sync_api.expect(row.locator(".status")).to_have_text("Done")
    assert overhang(page) <= 0


def named(page: sync_api.Page) -> list[tuple[str, str]]:
    """Role and name of all that can be operated, as assistive technology is told them."""
    tree: dict[str, Any] = page.context.new_cdp_session(page).send("Accessibility.getFullAXTree")
    nodes = [node for node in tree["nodes"] if not node.get("ignored")]
    told = [(node["role"]["value"], node.get("name", {}).get("value", "")) for node in nodes]
    return [(role, name) for role, name in told if role in OPERATED]


def test_all_that_is_operated_has_a_name_and_is_reached_by_tab(
    page: sync_api.Page, moving: Path
) -> None:
    follow(page, moving)
    for kind in ("Line", "Zone"):
        page.get_by_role("button", name=kind, exact=True).press("Enter")
    page.locator("#classes button").first.wait_for()
    operated = named(page)
    assert len(operated) > 25
    assert [one for one in operated if not one[1].strip()] == []
    reached = set()
    page.locator("body").press("Tab")
    for _ in range(len(operated) + 5):
        reached.add(page.evaluate("document.activeElement.id || document.activeElement.className"))
        page.keyboard.press("Tab")
    assert {"play", "scrub", "lane", "handle", "model", "confidence", "chip"} <= reached
    assert {"add-line", "add-zone", "theme", "to-jobs", "swatched"} <= reached


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_texts_can_be_read_on_their_ground(
    visit: Open, address: str, moving: Path, scheme: str
) -> None:
    page = visit(address, scheme=scheme)
    sync_api.expect(page.locator("#health")).to_have_text("ready")
    texts = page.evaluate(CONTRASTS)
    follow(page, moving)
    page.get_by_role("button", name="Line", exact=True).press("Enter")
    page.locator("#classes button").first.click()
    texts += page.evaluate(CONTRASTS)
    page.get_by_role("button", name="Run as a job").click()
    row = page.get_by_role("listitem").filter(has_text="moving.mp4").first
    sync_api.expect(row.locator(".status")).to_have_text("Done")
    texts += page.evaluate(CONTRASTS)
    page.keyboard.press("?")
    texts += page.evaluate(CONTRASTS)
    assert len(texts) > 100
    assert [text for text in texts if text[1] < LEAST_CONTRAST] == []


def test_the_key_is_asked_for_and_used_for_everything(
    visit: Open, still: Path, moving: Path, tmp_path: Path
) -> None:
    with serving(api_keys=KEY, jobs_dir=tmp_path / "jobs") as (address, _):
        page = visit(address)
        dialog = page.get_by_role("dialog", name="This server wants a key")
        sync_api.expect(dialog).to_contain_text("a key that this server knows was expected")
        dialog.get_by_role("button", name="Not now").click()
        page.get_by_role("button", name="Enter a key").click()
        for given in ("wrong", KEY):
            dialog.get_by_label("Key", exact=True).fill(given)
            with page.expect_response(lambda answer: "/v1/" in answer.url):
                dialog.get_by_role("button", name="Use it").click()
            sync_api.expect(dialog).to_be_visible(visible=given != KEY)
        sync_api.expect(page.locator("#health")).to_have_text("ready")
        page.locator("#file").set_input_files(still)
        sync_api.expect(page.locator("#caption")).to_have_text("2 objects")
        follow(page, moving)
        page.get_by_role("button", name="Run as a job").click()
        row = page.get_by_role("listitem").filter(has_text="moving.mp4")
        sync_api.expect(row.locator(".status")).to_have_text("Done")
        with page.expect_download() as fetching:
            row.get_by_role("button", name="MOT").click()
        assert fetching.value.path().stat().st_size > 0
        page.reload()
        sync_api.expect(page.locator("#health")).to_have_text("ready")


def test_the_load_is_asked_for_only_while_the_page_is_seen(visit: Open, address: str) -> None:
    page = visit(address, stopped_clock=True)
    asked: list[str] = []
    page.on("request", lambda one: asked.append(one.url) if "/metrics" in one.url else None)
    sync_api.expect(page.locator("#load-sessions")).to_have_text(re.compile(r"^\d+ of \d+$"))
    page.clock.run_for(3000)
    sync_api.expect(page.locator("#load-rate")).to_have_text(re.compile(r"^\d+$"))
    page.evaluate(
        """() => {
            Object.defineProperty(document, "hidden", { get: () => true });
            document.dispatchEvent(new Event("visibilitychange"));
        }"""
    )
    seen = len(asked)
    page.clock.run_for(60_000)
    httpx.get(f"{address}/v1/info", timeout=WAIT)  # what the page had sent before has come by now
    assert len(asked) == seen >= 1


def test_a_server_that_goes_away_is_said(visit: Open, still: Path) -> None:
    with serving() as (address, _):
        page = visit(address)
        sync_api.expect(page.locator("#health")).to_have_text("ready")
        page.locator("#file").set_input_files(still)
        sync_api.expect(page.locator("#caption")).to_have_text("2 objects")
    page.locator("#file").set_input_files(still)
    expect_said(page, "The server cannot be reached")
