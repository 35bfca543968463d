"""The outermost layer of the application: request ids, the access log, and the last resort."""

from __future__ import annotations

import logging
import re
import time
import uuid

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.http.logs import request_id
from service.http.metrics import Metrics
from service.http.responses import refusal_for

log = logging.getLogger(__name__)

SANE_ID = re.compile(r"[A-Za-z0-9._:-]{1,128}")
CLIENT_LEFT = 499  # as nginx logs it; never sent
DEFAULT_POLICY = "default-src 'none'; frame-ancestors 'none'"


class RequestContext:
    """ASGI middleware that gives each request an id, measures it and answers what nobody caught.

    It is no ``BaseHTTPMiddleware``, so streams pass through it in both directions as they come.

    Parameters
    ----------
    app : ASGIApp
        What it wraps.
    metrics : Metrics
        Where requests are counted.
    """

    def __init__(self, app: ASGIApp, metrics: Metrics) -> None:
        self._app = app
        self._metrics = metrics

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Serve one request or connection."""
        if scope["type"] not in ("http", "websocket"):
            await self._app(scope, receive, send)
            return
        offered = Headers(scope=scope).get("x-request-id", "")
        current = offered if SANE_ID.fullmatch(offered) else uuid.uuid4().hex
        scope.setdefault("state", {})["request_id"] = current
        token = request_id.set(current)
        try:
            if scope["type"] == "http":
                await self._serve(scope, receive, send, current)
            else:
                await self._app(scope, receive, send)
        finally:
            request_id.reset(token)

    async def _serve(self, scope: Scope, receive: Receive, send: Send, current: str) -> None:
        began = time.perf_counter()
        status = 0
        if scope["method"] == "HEAD":
            # As RFC 9110 section 9.3.2 wants it: a GET whose content the server does not send.
            scope = {**scope, "method": "GET"}

        async def send_marked(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                headers = MutableHeaders(scope=message)
                headers["X-Request-ID"] = current
                headers.setdefault("X-Content-Type-Options", "nosniff")
                headers.setdefault("Content-Security-Policy", DEFAULT_POLICY)
                headers.setdefault("Referrer-Policy", "no-referrer")
            await send(message)

        try:
            await self._app(scope, receive, send_marked)
        except ClientDisconnect:
            status = CLIENT_LEFT
        except Exception as error:
            if status:
                # The head is out: only a cut connection still tells the client.
                raise
            log.exception("a request failed")
            await refusal_for(scope, error)(scope, receive, send_marked)
        finally:
            self._note(scope, status, time.perf_counter() - began)

    def _note(self, scope: Scope, status: int, seconds: float) -> None:
        route = getattr(scope.get("route"), "path", "unmatched")
        self._metrics.requests.labels(scope["method"], route, str(status)).inc()
        self._metrics.request_seconds.labels(route).observe(seconds)
        log.info(
            "request",
            extra={
                "method": scope["method"],
                "path": scope["path"],
                "status": status,
                "ms": round(seconds * 1000, 2),
            },
        )
