"""The page's files: what they may do in a browser, and how long it may keep them."""

from __future__ import annotations

import re
from pathlib import Path

import httpx
import pytest

from service.routes.pages import WEB

TYPES = {".js": "javascript", ".css": "text/css", ".svg": "image/svg+xml", ".html": "text/html"}


def test_the_page_may_load_nothing_from_elsewhere_and_run_nothing_inline(
    client: httpx.Client,
) -> None:
    answer = client.get("/")
    policy = answer.headers["content-security-policy"]
    assert "default-src 'self'" in policy
    assert "unsafe" not in policy
    assert not re.search(r"<style|<script(?! [^>]*src=)|\bstyle=|\bon\w+=", answer.text)
    assert not re.search(r"(?:src|href)=\"(?!/|#)", answer.text)


@pytest.mark.parametrize("path", sorted(WEB.iterdir()), ids=lambda path: path.name)
def test_each_file_is_asked_for_again_and_sent_only_once(client: httpx.Client, path: Path) -> None:
    answer = client.get(f"/web/{path.name}")
    assert answer.content == path.read_bytes()
    assert TYPES[path.suffix] in answer.headers["content-type"]
    assert answer.headers["cache-control"] == "no-cache"
    again = client.get(f"/web/{path.name}", headers={"If-None-Match": answer.headers["etag"]})
    assert (again.status_code, again.content) == (304, b"")
    assert again.headers["cache-control"] == "no-cache"


def test_modules_stay_short() -> None:
    long = {path.name for path in WEB.iterdir() if len(path.read_text().splitlines()) > 300}
    assert long == set()
