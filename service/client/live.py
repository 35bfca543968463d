"""Live connections: frames out one by one, and the answers to them in order."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterable, Iterator, Mapping
from contextlib import ExitStack
from threading import Thread
from types import TracebackType
from typing import Any, Self

from websockets.sync.client import ClientConnection, connect

from service.client.errors import ClientError, StreamCut
from service.client.live_messages import (
    CALL,
    NO_MORE,
    Heard,
    Image,
    connection,
    first_message,
    opening,
    picture,
)
from service.client.options import Options
from service.client.pauses import Pauses, worth_another
from service.schemas import End, Frame, Header


class Live:
    """A live connection; `service.client.Client.live` opens one.

    Sending and receiving may be in two threads. `follow` does both at once.

    Raises
    ------
    RequestRefused
        The key is not taken, or all places are.
    """

    def __init__(self, options: Options, parameters: Mapping[str, Any]) -> None:
        self._heard = Heard()
        self._closing = ExitStack()
        first = first_message(parameters)  # before there is a connection that it could leave open
        self._socket = self._connect(options)
        with self._heard.speaking():
            self._socket.send(first)

    def _connect(self, options: Options) -> ClientConnection:
        pauses = Pauses(options.retries)
        while True:
            try:
                with opening(options):
                    socket: ClientConnection = connect(**connection(options))
                    return self._closing.enter_context(socket)
            except ClientError as error:
                if not worth_another(error, CALL):
                    raise
                time.sleep(pauses.after(error))

    @property
    def header(self) -> Header | None:
        """The first message; it comes with the first frame."""
        return self._heard.header

    @property
    def end(self) -> End | None:
        """The last message."""
        return self._heard.end

    def send(self, image: Image) -> None:
        """Send a frame: a JPEG, PNG, WebP or BMP, or pixels uint8 [H, W, 3] in blue, green, red."""
        with self._heard.speaking():
            self._socket.send(picture(image))

    def finish(self) -> None:
        """Say that no more frames come; the answers to the last of them still do."""
        with self._heard.speaking():
            self._socket.send(NO_MORE)

    def receive(self, timeout: float | None = None) -> Frame | None:
        """The next frame that is answered; None once all is said.

        Raises
        ------
        StreamFailed
            The connection ended with an error.
        AnswerTimeout
            No frame came in time.
        """
        while self.end is None:
            with self._heard.speaking():
                text = self._socket.recv(timeout)
            if (frame := self._heard.take(text)) is not None:
                return frame
        return None

    def __iter__(self) -> Iterator[Frame]:
        while (frame := self.receive()) is not None:
            yield frame

    def follow(self, images: Iterable[Image]) -> Generator[Frame, None, None]:
        """Send frames in a thread of their own and give the answers as they come.

        Leaving the loop closes the connection; the thread ends with its next frame.
        """
        sender = _Sender(self, images)
        sender.start()
        try:
            yield from self
        except StreamCut:
            if sender.failed is not None:
                raise sender.failed from None
            raise
        finally:
            self.close()

    def close(self) -> None:
        """Leave; what was sent and not answered is dropped."""
        self._closing.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


class _Sender(Thread):
    """Sends all frames; where that fails other than by the connection, closes it."""

    def __init__(self, live: Live, images: Iterable[Image]) -> None:
        super().__init__(name="trackline-live", daemon=True)
        self.failed: Exception | None = None
        self._live = live
        self._images = images

    def run(self) -> None:
        try:
            for image in self._images:
                self._live.send(image)
            self._live.finish()
        except StreamCut:
            return  # whoever receives is told why
        except Exception as error:
            self.failed = error
            self._live.close()
