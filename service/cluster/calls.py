"""Calls of Ray Serve's replicas, repeated while replicas die."""

from __future__ import annotations

import asyncio
import logging
import threading
from collections.abc import Awaitable, Callable, Coroutine
from concurrent.futures import Future
from typing import Any, TypeVar

from ray.exceptions import NodeDiedError, ObjectLostError, RayActorError, RayTaskError
from ray.serve.exceptions import BackPressureError, DeploymentUnavailableError

from service.errors import ModelNotReady, QueueFull

T = TypeVar("T")

log = logging.getLogger(__name__)

TRIES = 20
PAUSE_SECONDS = 0.5
"""Between tries: Serve needs a moment to learn that a replica is gone."""
_GONE = (RayActorError, NodeDiedError, ObjectLostError, DeploymentUnavailableError)


class Calls:
    """Calls of replicas from any thread, on an event loop in a thread of its own."""

    def __init__(self) -> None:
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            target=self._loop.run_forever, name="ray-calls", daemon=True
        )
        self._thread.start()

    def start(self, work: Coroutine[Any, Any, T]) -> Future[T]:
        """Begin some work; cancelling the future cancels it."""
        return asyncio.run_coroutine_threadsafe(work, self._loop)

    def close(self) -> None:
        """Drop what is under way."""
        self.start(_cancel_others()).result()
        self._loop.call_soon_threadsafe(self._loop.stop)
        self._thread.join()
        self._loop.close()


async def _cancel_others() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)


async def answer(call: Callable[[], Awaitable[T]]) -> T:
    """What a replica answers; another one is asked while replicas die.

    Raises
    ------
    QueueFull
        All replicas have as much to do as they may.
    ModelNotReady
        There is no replica, and none comes.
    Exception
        What the replica's own code raised.
    """
    for _ in range(TRIES):
        try:
            return await call()
        except RayTaskError as error:
            raise error.cause from None
        except BackPressureError as error:
            raise QueueFull(
                "the replicas have as much to do as they may; try again later"
            ) from error
        except _GONE:
            log.warning("a replica is gone; its work goes to another one", exc_info=True)
            await asyncio.sleep(PAUSE_SECONDS)
    raise ModelNotReady("no replica answers")
