"""The web page, its files, and the pages of the API.

The page loads nothing from elsewhere. The pages of the API are Swagger UI, which FastAPI loads
from a CDN; they are the only ones whose policy lets a browser do so.
"""

from __future__ import annotations

from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from fastapi.responses import FileResponse

WEB = Path(__file__).resolve().parent.parent / "web"
PAGE_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
DOCS_POLICY = (
    "default-src 'none'; connect-src 'self'; script-src 'unsafe-inline' https://cdn.jsdelivr.net; "
    "style-src 'unsafe-inline' https://cdn.jsdelivr.net; img-src 'self' data: "
    "https://fastapi.tiangolo.com; base-uri 'none'; frame-ancestors 'none'"
)

router = APIRouter(include_in_schema=False)


@router.get("/")
async def page() -> Response:
    """Show the web page."""
    return FileResponse(WEB / "index.html", headers={"Content-Security-Policy": PAGE_POLICY})


@router.get("/docs")
async def docs(request: Request) -> Response:
    """Show the routes, to read and to try."""
    shown = get_swagger_ui_html(openapi_url="/openapi.json", title=request.app.title)
    shown.headers["Content-Security-Policy"] = DOCS_POLICY
    return shown
