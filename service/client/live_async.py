"""The same for asyncio: frames out one by one, and the answers to them in order."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable, Mapping
from types import TracebackType
from typing import Any, Self

from websockets.asyncio.client import ClientConnection, connect

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


class AsyncLive:
    """A live connection: ``async with client.live(fps=25) as live``."""

    _socket: ClientConnection

    def __init__(self, options: Options, parameters: Mapping[str, Any]) -> None:
        self._options = options
        self._parameters = parameters
        self._heard = Heard()
        self._unsent: Exception | None = None

    async def __aenter__(self) -> Self:
        first = first_message(self._parameters)  # before a connection that it could leave open
        pauses = Pauses(self._options.retries)
        while True:
            try:
                with opening(self._options):
                    self._socket = await connect(**connection(self._options))
                break
            except ClientError as error:
                if not worth_another(error, CALL):
                    raise
                await asyncio.sleep(pauses.after(error))
        with self._heard.speaking():
            await self._socket.send(first)
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        await self.aclose()

    @property
    def header(self) -> Header | None:
        """The first message; it comes with the first frame."""
        return self._heard.header

    @property
    def end(self) -> End | None:
        """The last message."""
        return self._heard.end

    async def send(self, image: Image) -> None:
        """Send a frame: a JPEG, PNG, WebP or BMP, or pixels uint8 [H, W, 3] in blue, green, red."""
        with self._heard.speaking():
            await self._socket.send(picture(image))

    async def finish(self) -> None:
        """Say that no more frames come; the answers to the last of them still do."""
        with self._heard.speaking():
            await self._socket.send(NO_MORE)

    async def receive(self, timeout: float | None = None) -> Frame | None:
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
                async with asyncio.timeout(timeout):
                    text = await self._socket.recv()
            if (frame := self._heard.take(text)) is not None:
                return frame
        return None

    async def __aiter__(self) -> AsyncIterator[Frame]:
        while (frame := await self.receive()) is not None:
            yield frame

    async def follow(
        self, images: Iterable[Image] | AsyncIterable[Image]
    ) -> AsyncGenerator[Frame, None]:
        """Send frames in a task of their own and give the answers as they come.

        Leaving the loop closes the connection.
        """
        sender = asyncio.create_task(self._send_all(images))
        try:
            while (frame := await self.receive()) is not None:
                yield frame
        except StreamCut:
            if self._unsent is not None:
                raise self._unsent from None
            raise
        finally:
            sender.cancel()
            await asyncio.wait([sender])
            await self.aclose()

    async def aclose(self) -> None:
        """Leave; what was sent and not answered is dropped."""
        await self._socket.close()

    async def _send_all(self, images: Iterable[Image] | AsyncIterable[Image]) -> None:
        try:
            if isinstance(images, AsyncIterable):
                async for image in images:
                    await self.send(image)
            else:
                for image in images:
                    await self.send(image)
            await self.finish()
        except StreamCut:
            return  # whoever receives is told why
        except Exception as error:
            self._unsent = error
            await self.aclose()
