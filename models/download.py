"""A file from an address, over HTTP: resumed where an earlier attempt was cut."""

from __future__ import annotations

import re
import ssl
from pathlib import Path

import httpx

from models.errors import WeightsUnavailable
from models.sources import Progress

CONNECT_TIMEOUT = 5.0
"""Seconds to wait for a connection, so that a closed network falls through to the next source."""

READ_TIMEOUT = 30.0
"""Seconds without a byte after which a connection counts as cut."""

ATTEMPTS = 4
"""Connections to make for one file; each goes on where the one before was cut."""

LIMIT = 1 << 30
"""Most bytes that are taken from an address whose file has no size in the catalogue: 1 GiB."""


def download(url: str, partial: Path, size: int | None, progress: Progress) -> None:
    """Fetch an address into a file, going on where the file ends.

    Parameters
    ----------
    url : str
        An http or https address; redirects are followed.
    partial : Path
        Where the bytes go. What is there already is kept if the server answers range requests.
        After an error it holds what came, for the next attempt.
    size : int or None
        Size of the whole file in bytes, where it is known: a server that offers another size is
        refused before anything is read.
    progress : callable
        Told of every chunk.

    Raises
    ------
    WeightsUnavailable
        No connection, an HTTP error, another size, or cut more than `ATTEMPTS` times.
    """
    timeout = httpx.Timeout(READ_TIMEOUT, connect=CONNECT_TIMEOUT)
    with httpx.Client(timeout=timeout, follow_redirects=True, verify=_certificates()) as client:
        for attempt in range(1, ATTEMPTS + 1):
            try:
                if _stream(client, url, partial, size, progress):
                    return
            except (httpx.ReadError, httpx.ReadTimeout, httpx.RemoteProtocolError) as error:
                if attempt == ATTEMPTS:
                    raise WeightsUnavailable(f"cut {ATTEMPTS} times ({error})") from error
            except (httpx.HTTPError, httpx.InvalidURL) as error:
                raise WeightsUnavailable(f"no answer ({error})") from error
    raise WeightsUnavailable("the server refuses every range of the file")


def _certificates() -> ssl.SSLContext:
    """The bundled authorities and this machine's own, which a company's proxy may need."""
    context = httpx.create_ssl_context()
    context.load_default_certs()
    return context


def _stream(
    client: httpx.Client, url: str, partial: Path, size: int | None, progress: Progress
) -> bool:
    """One connection. False where what is there already does not fit and was dropped."""
    have = partial.stat().st_size if partial.exists() else 0
    if size is not None and have == size:
        return True
    # Compressed answers would make the offsets of range requests meaningless.
    headers = {"Accept-Encoding": "identity"}
    if have:
        headers["Range"] = f"bytes={have}-"
    with client.stream("GET", url, headers=headers) as answer:
        if answer.status_code == httpx.codes.REQUESTED_RANGE_NOT_SATISFIABLE:
            partial.unlink()
            return False
        if not answer.is_success:
            raise WeightsUnavailable(f"HTTP {answer.status_code}")
        start = _first_byte(answer)
        if start not in (0, have):
            raise WeightsUnavailable(f"asked for byte {have} onwards, the server sent {start}")
        total = _total(answer, start, size)
        with partial.open("r+b" if start else "wb") as file:
            file.truncate(start)
            file.seek(start)
            # With a chunk size, what is left in its buffer would be lost when the stream is cut.
            for chunk in answer.iter_raw():
                if file.tell() + len(chunk) > (total or LIMIT):
                    raise WeightsUnavailable(f"more than the {total or LIMIT} bytes expected")
                file.write(chunk)
                progress(url, file.tell(), total)
    return True


def _first_byte(answer: httpx.Response) -> int:
    """Where in the file the answer starts: 0 unless the server honoured the range."""
    if answer.status_code != httpx.codes.PARTIAL_CONTENT:
        return 0
    found = re.match(r"bytes (\d+)-", answer.headers.get("Content-Range", ""))
    return int(found[1]) if found else -1


def _total(answer: httpx.Response, start: int, size: int | None) -> int | None:
    """Size of the whole file, by the catalogue or else by the server."""
    length = answer.headers.get("Content-Length", "")
    offered = start + int(length) if length.isdecimal() else None
    if size is not None and offered is not None and offered != size:
        raise WeightsUnavailable(f"expected {size} bytes, the server offers {offered}")
    return size if size is not None else offered
