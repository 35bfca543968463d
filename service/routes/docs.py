"""``/docs``: the routes, to read and to try. Swagger UI comes from a package, not from a CDN."""

from __future__ import annotations

from importlib.resources import files
from pathlib import Path

from fastapi import APIRouter, Request, Response
from fastapi.openapi.docs import get_swagger_ui_html
from starlette.staticfiles import StaticFiles

PATH = "/docs"
ASSETS = f"{PATH}/assets"
# The page's one script stands in it.
POLICY = (
    "default-src 'none'; connect-src 'self'; script-src 'self' 'unsafe-inline'; "
    "style-src 'self' 'unsafe-inline'; img-src 'self' data:; base-uri 'none'; "
    "form-action 'none'; frame-ancestors 'none'"
)

router = APIRouter(include_in_schema=False)


@router.get(PATH)
async def docs(request: Request) -> Response:
    """Show the routes, to read and to try."""
    shown = get_swagger_ui_html(
        openapi_url="/openapi.json",
        title=request.app.title,
        swagger_js_url=f"{ASSETS}/swagger-ui-bundle.js",
        swagger_css_url=f"{ASSETS}/swagger-ui.css",
        swagger_favicon_url="/web/icon.svg",
    )
    shown.headers["Content-Security-Policy"] = POLICY
    return shown


def assets() -> StaticFiles:
    """The files of Swagger UI."""
    return StaticFiles(directory=Path(str(files("fastapi_offline"))) / "static")
