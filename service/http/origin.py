"""Which pages may use the server: its own, and those of the origins that the settings name.

A browser sends a form, or opens a WebSocket, to any address on behalf of any page; CORS only keeps
the page from reading the answer. A server on 127.0.0.1 would work for every page its user visits.
"""

from __future__ import annotations

from urllib.parse import urlsplit

from starlette.datastructures import Headers
from starlette.requests import HTTPConnection
from starlette.types import ASGIApp, Receive, Scope, Send

from service.errors import OriginForbidden
from service.http.responses import refusal_for
from service.settings import Settings

HARMLESS = ("GET", "HEAD", "OPTIONS")
OWN = ("same-origin", "none")
"""Of ``Sec-Fetch-Site``: a page of this server, or the user."""


class OwnPages:
    """ASGI middleware that refuses what a page of another site asks to be done.

    Parameters
    ----------
    app : ASGIApp
        What it wraps.
    settings : Settings
        The origins that are let in.
    """

    def __init__(self, app: ASGIApp, settings: Settings) -> None:
        self._app = app
        self._settings = settings

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request."""
        if scope["type"] == "http" and scope["method"] not in HARMLESS:
            try:
                refuse_foreign_origin(HTTPConnection(scope), self._settings)
            except OriginForbidden as error:
                await refusal_for(scope, error)(scope, receive, send)
                return
        await self._app(scope, receive, send)


def refuse_foreign_origin(connection: HTTPConnection, settings: Settings) -> None:
    """Let no page of another site in. What is no browser names no origin, and passes.

    Browsers say over https, and on this machine, whose page it is; that holds behind a proxy which
    changes the Host too. Elsewhere the Origin has to be the Host.

    Raises
    ------
    OriginForbidden
        The page is of another site, and not of one that the settings name.
    """
    origin = connection.headers.get("origin")
    if {origin, "*"} & set(settings.cors_origins):
        return
    if not _is_own(origin, connection.headers):
        raise OriginForbidden(
            f"pages of {origin} may not call this; TRACKLINE_CORS_ORIGINS names those that may"
        )


def _is_own(origin: str | None, headers: Headers) -> bool:
    site = headers.get("sec-fetch-site")
    if site is not None:
        return site in OWN
    return origin is None or urlsplit(origin).netloc == headers.get("host")
