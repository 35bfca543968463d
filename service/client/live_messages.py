"""The messages of a live connection in both directions; no I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, TypeAlias

import httpx
import numpy as np
import orjson
from numpy.typing import NDArray
from websockets.exceptions import ConnectionClosed, InvalidHandshake, InvalidStatus

from service.client.calls import Call, pixels
from service.client.errors import (
    AnswerTimeout,
    ConnectionLost,
    StreamCut,
    StreamFailed,
    refusal,
)
from service.client.options import CONNECT_SECONDS, Options, unreachable
from service.schemas import LINE, End, Error, Frame, Header

Image: TypeAlias = bytes | NDArray[np.uint8]
"""A picture as a file, or pixels [H, W, 3] blue, green, red, which are sent as a JPEG."""

NO_MORE = '{"type":"end"}'
CLOSE_SECONDS = 1.0
"""A server that still follows frames does not hear at once that nobody listens any more."""
CALL = Call("GET", "/v1/live", bytes)


class Heard:
    """What has come over a connection.

    Attributes
    ----------
    header, end : Header or None, End or None
        The first and the last message, once they have come.
    """

    def __init__(self) -> None:
        self.header: Header | None = None
        self.end: End | None = None
        self._next_frame = 0

    def take(self, text: str | bytes) -> Frame | None:
        """Note a message; gives it where it is a frame's.

        Raises
        ------
        StreamFailed
            It is an error.
        """
        message = LINE.validate_json(text)
        if isinstance(message, Frame):
            self._next_frame = message.frame + 1
            return message
        if isinstance(message, Error):
            raise StreamFailed.of(message)
        if isinstance(message, Header):
            self.header = message
        else:
            self.end = message
        return None

    @contextmanager
    def speaking(self) -> Iterator[None]:
        """Raise what fails on the connection as errors of the client."""
        try:
            yield
        except ConnectionClosed as error:
            raise StreamCut(_why(error), "cut", self._next_frame) from error
        except TimeoutError as error:
            raise AnswerTimeout("no frame came in time") from error


def _why(error: ConnectionClosed) -> str:
    """What is told of a connection that ended before all was said."""
    if error.rcvd is None and error.sent is None:
        return "the connection was lost: the server or the network between failed; open another"
    reason = error.rcvd.reason if error.rcvd else ""
    return f"the connection was closed: {reason or 'no reason was given'}"


def first_message(parameters: Mapping[str, Any]) -> str:
    """The parameters, as the server wants them first."""
    wanted = {name: value for name, value in parameters.items() if value is not None}
    if not isinstance(wanted.get("classes", ""), str):
        wanted["classes"] = ",".join(map(str, wanted["classes"]))
    return orjson.dumps(wanted).decode()


def picture(image: Image) -> bytes:
    """A frame as it is sent."""
    return image if isinstance(image, bytes) else pixels(image, ".jpg")


def connection(options: Options) -> dict[str, Any]:
    """The arguments of both of the package's ``connect``."""
    return {
        "uri": options.live_url,
        "additional_headers": options.headers,
        "ssl": options.context,
        "compression": None,  # pictures are compressed already
        "max_size": None,
        "open_timeout": CONNECT_SECONDS,
        "close_timeout": CLOSE_SECONDS,
        "proxy": None,
    }


@contextmanager
def opening(options: Options) -> Iterator[None]:
    """Raise what fails before there is a connection as errors of the client."""
    try:
        yield
    except InvalidStatus as error:
        answer = error.response
        retry_after = answer.headers.get("Retry-After")
        raise refusal(answer.status_code, bytes(answer.body), retry_after) from error
    except InvalidHandshake as error:
        raise ConnectionLost(f"the server does not take live frames: {error}") from error
    except (OSError, TimeoutError) as error:
        raise unreachable(httpx.URL(options.base_url), error) from error
