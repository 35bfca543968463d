"""The pages of the API in a real browser, without anything from elsewhere."""

from __future__ import annotations

import pytest
from playwright import sync_api

from tests.e2e.conftest import Open
from tests.service.test_openapi import ROUTES

pytestmark = pytest.mark.browser


def test_every_route_is_shown_and_can_be_tried(visit: Open, address: str) -> None:
    page = visit(f"{address}/docs")
    sync_api.expect(page.locator(".opblock")).to_have_count(len(ROUTES))
    ready = page.locator("#operations-health-ready")
    ready.locator(".opblock-summary-control").click()
    ready.get_by_role("button", name="Try it out").click()
    ready.get_by_role("button", name="Execute").click()
    answer = ready.locator(".live-responses-table .response")
    sync_api.expect(answer).to_contain_text('"ready": true')
