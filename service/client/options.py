"""What both clients are made with, and what httpx raises in their words."""

from __future__ import annotations

import ssl
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import httpx

from models.errors import InvalidInput
from service.client.errors import AnswerTimeout, ConnectionLost, ServerUnreachable, refusal

CONNECT_SECONDS = 5.0


@dataclass(frozen=True)
class Options:
    """How a server is called.

    Attributes
    ----------
    base_url : str
        Where it is.
    api_key : str or None
        The key, where it asks for one.
    timeout : float
        Seconds to wait for the next byte of an answer.
    retries, resumes : int
        How often a request is tried again, and how often in a row a stream is taken up again.

    Raises
    ------
    InvalidInput
        The address is not one.
    """

    base_url: str
    api_key: str | None
    timeout: float
    retries: int
    resumes: int

    def __post_init__(self) -> None:
        url = httpx.URL(self.base_url)
        if url.scheme not in ("http", "https") or not url.host:
            raise InvalidInput(
                f"the address of a server is expected, as in http://127.0.0.1:8000; "
                f"got {self.base_url!r}"
            )

    @cached_property
    def context(self) -> ssl.SSLContext | None:
        """What is trusted; the variables SSL_CERT_FILE and SSL_CERT_DIR add to it."""
        return ssl.create_default_context() if self.base_url.startswith("https") else None

    @property
    def headers(self) -> dict[str, str]:
        """What every request carries."""
        return {"Authorization": f"Bearer {self.api_key}"} if self.api_key else {}

    @property
    def for_httpx(self) -> dict[str, Any]:
        """The arguments of both of httpx's clients."""
        return {
            "base_url": self.base_url,
            "headers": self.headers,
            "timeout": httpx.Timeout(self.timeout, connect=CONNECT_SECONDS),
        }

    @property
    def for_pool(self) -> dict[str, Any]:
        """The arguments of both of httpx's transports; who calls is not held up by others."""
        limits = httpx.Limits(max_connections=None, max_keepalive_connections=20)
        return {"verify": self.context or False, "limits": limits}

    @property
    def live_url(self) -> str:
        """Where frames are sent one by one."""
        return self.base_url.replace("http", "ws", 1).rstrip("/") + "/v1/live"


def unreachable(url: httpx.URL, error: Exception) -> ServerUnreachable:
    """What is raised where no connection could be made."""
    place = f"{url.scheme}://{url.netloc.decode()}"
    return ServerUnreachable(f"no connection to {place}: {error}; is a server running there?")


@contextmanager
def speaking() -> Iterator[None]:
    """Raise what fails between client and server as errors of the client."""
    try:
        yield
    except (httpx.ConnectError, httpx.ConnectTimeout) as error:
        raise unreachable(error.request.url, error) from error
    except httpx.TimeoutException as error:
        raise AnswerTimeout(
            f"the server does not answer: {str(error) or 'nothing came'}"
        ) from error
    except httpx.TransportError as error:
        raise ConnectionLost(f"the connection broke: {error}") from error


def refuse(response: httpx.Response) -> None:
    """Raise what an answer that is no success says; its body must be read."""
    if not response.is_success:
        retry_after = response.headers.get("Retry-After")
        raise refusal(response.status_code, response.content, retry_after)
