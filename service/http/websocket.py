"""Uvicorn's WebSocket protocol with bounds on what it would hold for a caller without any."""

from __future__ import annotations

from uvicorn.protocols.websockets.websockets_sansio_impl import WebSocketsSansIOProtocol
from websockets.frames import Frame

MOST_UNREAD = 1 << 20
"""Bytes of pongs that a caller may leave unread."""
MOST_PARTS = 10_000
"""Of one message; its bytes have a limit, but parts may be empty."""


class BoundedWebSocket(WebSocketsSansIOProtocol):
    """Drops a caller that sends pings and reads no pong, or a message that never gets whole."""

    def handle_ping(self) -> None:
        """Answer with a pong."""
        if self.transport.is_closing():
            return
        super().handle_ping()
        if self.transport.get_write_buffer_size() > MOST_UNREAD:
            self.transport.abort()

    def handle_cont(self, event: Frame) -> None:
        """Take the next part of a message."""
        super().handle_cont(event)
        if len(self.frames) > MOST_PARTS:
            self.transport.abort()
