"""Lines and zones on the page: drawn, moved, and counted as the server counts them."""

from __future__ import annotations

import json
import random
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import numpy as np
import pytest
from playwright import sync_api

from service.counting.counts import Counter
from service.counting.query import Counting
from tests.e2e.conftest import follow
from tests.service.clips import FPS, HEIGHT, WIDTH
from tests.service.gate import WAIT
from tracker.types import Tracks

pytestmark = pytest.mark.browser

TALLY = """async ({ region, frames, width, height }) => {
    const { Tally } = await import("/web/counting.js");
    const tally = new Tally(region, { width, height });
    const recording = { frames: [], added: 0 };
    return frames.map((frame) => {
        recording.frames.push(frame);
        recording.added += 1;
        tally.update(recording);
        return tally.at(frame.time, () => true);
    });
}"""
ON_PAGE = {"line": ["a_to_b", "b_to_a"], "zone": ["inside", "entered", "left"]}
ON_SERVER = {"line": ["a_to_b", "b_to_a"], "zone": ["occupancy", "entered", "left"]}
SCENES = 6
FRAMES = 80


def at(page: sync_api.Page, x: float, y: float) -> tuple[float, float]:
    """A place on the screen, by shares of the picture."""
    box = page.locator("#overlay").bounding_box()
    assert box is not None
    return box["x"] + x * box["width"], box["y"] + y * box["height"]


def draw_line(page: sync_api.Page, start: tuple[float, float], end: tuple[float, float]) -> None:
    page.get_by_role("button", name="Line", exact=True).click()
    page.mouse.move(*at(page, *start))
    page.mouse.down()
    page.mouse.move(*at(page, *end), steps=3)
    page.mouse.up()


def counts(page: sync_api.Page, item: int = 0) -> list[str]:
    return page.locator(".region").nth(item).locator("dd").all_inner_texts()


def sent_with_a_job(page: sync_api.Page) -> dict[str, str]:
    """The lines and zones as the page sends them."""
    with page.expect_request("**/v1/videos?*") as asked:
        page.get_by_role("button", name="Run as a job").click()
    query = parse_qs(urlsplit(asked.value.url).query)
    return {key: query[key][0] for key in ("lines", "zones") if key in query}


def test_a_drawn_line_counts_what_the_server_counts_for_it(
    page: sync_api.Page, address: str, moving: Path
) -> None:
    follow(page, moving)
    draw_line(page, (0.3, 0.9), (0.32, 0.1))
    draw_line(page, (0.65, 0.42), (0.99, 0.45))
    page.keyboard.press("End")
    sync_api.expect(page.locator("#frame")).to_have_text("frame 29")
    sync_api.expect(page.locator(".region").first).to_contain_text("1")
    sync_api.expect(page.locator(".region").nth(1).locator("dd").first).to_have_text("1")
    shown = [counts(page, item) for item in range(2)]
    sent = sent_with_a_job(page)
    answer = httpx.post(
        f"{address}/v1/track",
        params={"conf": 0.1, **sent},
        content=moving.read_bytes(),
        timeout=WAIT,
    )
    lines = json.loads(answer.text.splitlines()[-1])["counts"]["lines"]
    counted = [[str(line["a_to_b"]), str(line["b_to_a"])] for line in lines.values()]
    assert shown == counted == [["1", "0"], ["1", "0"]]


def test_counts_go_with_the_time_and_with_the_classes(page: sync_api.Page, moving: Path) -> None:
    follow(page, moving)
    draw_line(page, (0.3, 0.9), (0.32, 0.1))
    page.keyboard.press("End")
    counter = page.locator(".region dd").first
    sync_api.expect(counter).to_have_text("1")
    page.keyboard.press("Home")
    sync_api.expect(counter).to_have_text("0")
    page.keyboard.press("End")
    sync_api.expect(counter).to_have_text("1")
    page.locator("#classes").get_by_role("button", name="green").click()
    sync_api.expect(counter).to_have_text("0")


def test_a_zone_is_drawn_corner_by_corner(page: sync_api.Page, moving: Path) -> None:
    follow(page, moving)
    page.get_by_role("button", name="Zone", exact=True).click()
    for corner in [(0.25, 0.3), (0.65, 0.3), (0.65, 0.7), (0.25, 0.7)]:
        page.mouse.click(*at(page, *corner))
    page.keyboard.press("Enter")
    sync_api.expect(page.locator(".handle")).to_have_count(4)
    page.keyboard.press("End")
    sync_api.expect(page.locator(".region dd").first).to_have_text("1")
    assert counts(page)[:3] == ["1", "1", "0"]
    page.get_by_role("button", name="Remove this zone").click()
    sync_api.expect(page.locator(".handle")).to_have_count(0)


def test_a_line_is_made_and_moved_by_keys_alone(page: sync_api.Page, moving: Path) -> None:
    follow(page, moving)
    page.get_by_role("button", name="Line", exact=True).press("Enter")
    handle = page.get_by_role("button", name="Line 1, point 1 of 2")
    sync_api.expect(handle).to_be_focused()
    sync_api.expect(handle).to_have_accessible_name(
        "Line 1, point 1 of 2, 20.0 % across, 60.0 % down"
    )
    page.keyboard.press("Shift+ArrowRight")
    page.keyboard.press("ArrowUp")
    sync_api.expect(handle).to_have_accessible_name(
        "Line 1, point 1 of 2, 25.0 % across, 59.5 % down"
    )
    page.keyboard.press("Delete")
    sync_api.expect(page.locator(".region")).to_have_count(0)


def test_a_point_is_dragged_and_the_sides_are_swapped(page: sync_api.Page, moving: Path) -> None:
    follow(page, moving)
    draw_line(page, (0.3, 0.9), (0.31, 0.7))  # the red one passes above it
    page.keyboard.press("End")
    sync_api.expect(page.locator("#frame")).to_have_text("frame 29")
    assert counts(page) == ["0", "0"]
    page.locator(".handle").nth(1).hover()
    page.mouse.down()
    page.mouse.move(*at(page, 0.31, 0.1), steps=3)
    page.mouse.up()
    sync_api.expect(page.locator(".region dd").first).to_have_text("1")
    page.get_by_role("button", name="Swap the sides").click()
    sync_api.expect(page.locator(".region dd").nth(1)).to_have_text("1")
    assert counts(page) == ["0", "1"]


def test_a_click_chooses_an_object_but_a_line_that_ends_on_it_does_not(
    page: sync_api.Page, moving: Path
) -> None:
    follow(page, moving)
    page.keyboard.press("End")
    sync_api.expect(page.locator("#frame")).to_have_text("frame 29")
    on_red = (0.5, 0.3)
    draw_line(page, (0.5, 0.9), on_red)
    sync_api.expect(page.locator(".region")).to_have_count(1)
    sync_api.expect(page.locator("#rows tr.chosen")).to_have_count(0)
    page.mouse.click(*at(page, 0.45, 0.3))
    sync_api.expect(page.locator("#rows tr.chosen")).to_contain_text("red")


def test_escape_gives_up_what_is_drawn(page: sync_api.Page, moving: Path) -> None:
    follow(page, moving)
    page.keyboard.press("l")
    sync_api.expect(page.locator("#hint")).to_contain_text("Drag")
    page.keyboard.press("Escape")
    sync_api.expect(page.locator("#hint")).to_be_empty()
    sync_api.expect(page.locator(".region")).to_have_count(0)


def test_names_stay_apart(page: sync_api.Page, moving: Path) -> None:
    follow(page, moving)
    for _ in range(2):
        page.get_by_role("button", name="Line", exact=True).press("Enter")
    second = page.get_by_role("textbox", name="Name of line").nth(1)
    second.fill("gate")
    second.press("Enter")
    second.fill("Line 1")
    second.press("Enter")
    sync_api.expect(second).to_have_value("gate")


def walk(chance: random.Random) -> list[dict[str, Any]]:
    """Frames in which boxes wander, are hidden, are guessed, and come back."""
    places = {one: [chance.uniform(0, WIDTH), chance.uniform(20, HEIGHT)] for one in range(1, 7)}
    frames: list[dict[str, Any]] = []
    for number in range(FRAMES):
        objects: list[dict[str, Any]] = []
        for one, place in places.items():
            place[0] += chance.uniform(-8, 8)
            place[1] += chance.uniform(-8, 8)
            if chance.random() < 0.2:
                continue
            x, y = (round(value, 5) for value in place)
            box = {"x1": x - 5, "y1": y - 20, "x2": x + 5, "y2": y}
            objects.append(
                {"track_id": one, "class": 0, "name": "walker", "box": box}
                | {"confidence": 0.9, "predicted": chance.random() < 0.2}
            )
        # Now and then nothing comes for longer than it takes to leave a zone, or to be forgotten.
        pause = chance.choice([0.0] * 20 + [3.0, 70.0])
        time = round(frames[-1]["time"] + 1 / FPS + pause, 6) if frames else 0.0
        frames.append({"frame": number, "time": time, "objects": objects})
    return frames


def tracks_of(frame: dict[str, Any]) -> Tracks:
    objects = frame["objects"]
    boxes = [[one["box"][edge] for edge in ("x1", "y1", "x2", "y2")] for one in objects]
    return Tracks(
        ids=np.array([one["track_id"] for one in objects], np.int64),
        boxes=np.array(boxes, np.float32).reshape(-1, 4),
        scores=np.ones(len(objects), np.float32),
        classes=np.zeros(len(objects), np.int64),
        predicted=np.array([one["predicted"] for one in objects], bool),
        detection=np.arange(len(objects)),
    )


def counter_for(region: dict[str, Any]) -> Counter:
    shapes = json.dumps([{"name": "it", "points": region["points"], "normalized": True}])
    texts = (shapes, None) if region["kind"] == "line" else (None, shapes)
    counter = Counting.parse(*texts).counter(WIDTH, HEIGHT)
    assert counter is not None
    return counter


@pytest.mark.parametrize("kind", ["line", "zone"])
def test_the_page_counts_as_the_server_does(page: sync_api.Page, kind: str) -> None:
    chance = random.Random(kind)  # noqa: S311
    events = 0
    for _ in range(SCENES):
        points = [[chance.random(), chance.random()] for _ in range(2 if kind == "line" else 5)]
        region = {"kind": kind, "points": points}
        frames = walk(chance)
        counter = counter_for(region)
        expected = []
        for frame in frames:
            counter.update(tracks_of(frame), {0: "walker"}, frame["time"])
            expected.append(next(iter(counter.totals()[f"{kind}s"].values())))
        shown = page.evaluate(
            TALLY, {"region": region, "frames": frames, "width": WIDTH, "height": HEIGHT}
        )
        told = [[one[name] for name in ON_PAGE[kind]] for one in shown]
        assert told == [[one[name] for name in ON_SERVER[kind]] for one in expected]
        events += sum(told[-1])
    assert events > SCENES
