"""When another try is worth it, and how long to wait for it."""

from __future__ import annotations

import random
from typing import Any

from service.client.calls import Call
from service.client.errors import (
    AnswerTimeout,
    ClientError,
    ConnectionLost,
    ServerBusy,
    ServerUnreachable,
)

FIRST_SECONDS = 0.5
LONGEST_SECONDS = 5.0
SPREAD = 0.25
"""Share by which pauses are longer at random, so that many clients do not come back at once."""
TOO_MANY_REQUESTS = 429


class Pauses:
    """The pauses between the tries of one request, each twice as long as the one before.

    Parameters
    ----------
    most : int
        How many tries may follow the first.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._taken = 0

    def after(self, error: ClientError) -> float:
        """Seconds to wait before the next try; raises the error where there is none."""
        if self._taken >= self._most:
            raise error
        grown = min(FIRST_SECONDS * 2.0**self._taken, LONGEST_SECONDS)
        asked = error.retry_after if isinstance(error, ServerBusy) else None
        self._taken += 1
        return max(grown, asked or 0.0) * random.uniform(1, 1 + SPREAD)  # noqa: S311


def worth_another(error: ClientError, call: Call[Any]) -> bool:
    """Whether a request that failed may be sent again: nothing of it may be done twice."""
    if call.body is not None and not call.body.again:
        return False
    if isinstance(error, ServerBusy):
        return error.status == TOO_MANY_REQUESTS
    if isinstance(error, ConnectionLost):
        return call.repeatable and not isinstance(error, AnswerTimeout)
    return isinstance(error, ServerUnreachable)
