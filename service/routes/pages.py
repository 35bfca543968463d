"""The web page and its files. It loads nothing from elsewhere."""

from __future__ import annotations

from os import PathLike, stat_result
from pathlib import Path

from fastapi import APIRouter, Response
from fastapi.responses import FileResponse
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

WEB = Path(__file__).resolve().parent.parent / "web"
PAGE_POLICY = (
    "default-src 'self'; img-src 'self' blob: data:; media-src 'self' blob:; object-src 'none'; "
    "base-uri 'none'; form-action 'self'; frame-ancestors 'none'"
)
REVALIDATE = {"Cache-Control": "no-cache"}
"""A browser asks whether its copy is still the one: modules of two versions never meet."""

router = APIRouter(include_in_schema=False)


@router.get("/")
async def page() -> Response:
    """Show the web page."""
    headers = {"Content-Security-Policy": PAGE_POLICY, **REVALIDATE}
    return FileResponse(WEB / "index.html", headers=headers)


class PageFiles(StaticFiles):
    """The page's scripts, styles and icons."""

    def __init__(self) -> None:
        super().__init__(directory=WEB)

    def file_response(
        self,
        full_path: str | PathLike[str],
        stat_result: stat_result,
        scope: Scope,
        status_code: int = 200,
    ) -> Response:
        """Answer a file, or that the browser's copy is still the one."""
        response = super().file_response(full_path, stat_result, scope, status_code)
        response.headers.update(REVALIDATE)
        return response
