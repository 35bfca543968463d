"""Downloads from an address: resumed, bounded, and refused with a reason."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from models import download as downloads
from models.download import ATTEMPTS, download
from models.errors import WeightsUnavailable
from tests.models.file_server import FileServer, serve_files
from tests.service.gate import until

CONTENT = bytes(range(256)) * 4000


@pytest.fixture
def server() -> Iterator[FileServer]:
    with serve_files() as running:
        running.add("/a.pt", CONTENT)
        yield running


@pytest.fixture
def partial(tmp_path: Path) -> Path:
    return tmp_path / "a.partial"


def quiet(source: str, done: int, total: int | None) -> None:
    """A progress callback for tests that do not look at it."""


def test_the_whole_file_arrives_and_progress_ends_at_its_size(
    server: FileServer, partial: Path
) -> None:
    seen: list[tuple[str, int, int | None]] = []
    url = server.url + "/a.pt"
    download(url, partial, len(CONTENT), lambda *step: seen.append(step))
    assert partial.read_bytes() == CONTENT
    assert seen[-1] == (url, len(CONTENT), len(CONTENT))
    assert [done for _, done, _ in seen] == sorted(done for _, done, _ in seen)


def test_a_cut_connection_is_resumed_where_it_was_cut(server: FileServer, partial: Path) -> None:
    server.cuts = [300_000, 200_000]
    download(server.url + "/a.pt", partial, len(CONTENT), quiet)
    assert partial.read_bytes() == CONTENT
    assert server.asked == [
        ("/a.pt", None),
        ("/a.pt", "bytes=300000-"),
        ("/a.pt", "bytes=500000-"),
    ]


def test_what_came_before_the_last_cut_is_kept_for_the_next_call(
    server: FileServer, partial: Path
) -> None:
    server.cuts = [1000] * ATTEMPTS
    with pytest.raises(WeightsUnavailable, match=f"cut {ATTEMPTS} times"):
        download(server.url + "/a.pt", partial, len(CONTENT), quiet)
    assert partial.read_bytes() == CONTENT[: 1000 * ATTEMPTS]
    download(server.url + "/a.pt", partial, len(CONTENT), quiet)
    assert partial.read_bytes() == CONTENT


def test_a_stalled_connection_counts_as_cut(
    server: FileServer, partial: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(downloads, "READ_TIMEOUT", 0.05)
    server.gate.clear()
    with pytest.raises(WeightsUnavailable, match="cut"):
        download(server.url + "/a.pt", partial, len(CONTENT), quiet)
    # The server may come to the last one only after it was given up.
    until(lambda: len(server.asked) == ATTEMPTS)


def test_a_server_without_ranges_starts_over(server: FileServer, partial: Path) -> None:
    server.ranges = False
    partial.write_bytes(b"x" * 1000)
    download(server.url + "/a.pt", partial, len(CONTENT), quiet)
    assert partial.read_bytes() == CONTENT


def test_a_partial_file_longer_than_the_file_is_dropped(server: FileServer, partial: Path) -> None:
    partial.write_bytes(b"x" * (len(CONTENT) + 1))
    download(server.url + "/a.pt", partial, len(CONTENT), quiet)
    assert partial.read_bytes() == CONTENT


def test_a_complete_partial_file_is_not_asked_for_again(server: FileServer, partial: Path) -> None:
    partial.write_bytes(CONTENT)
    download(server.url + "/a.pt", partial, len(CONTENT), quiet)
    assert server.asked == []


def test_a_range_that_starts_elsewhere_is_refused(server: FileServer, partial: Path) -> None:
    server.shift = 5
    partial.write_bytes(CONTENT[:1000])
    with pytest.raises(WeightsUnavailable, match="asked for byte 1000 onwards"):
        download(server.url + "/a.pt", partial, len(CONTENT), quiet)
    assert partial.read_bytes() == CONTENT[:1000]


def test_another_size_is_refused_before_a_byte_is_written(
    server: FileServer, partial: Path
) -> None:
    with pytest.raises(WeightsUnavailable, match=f"expected 10 bytes.*offers {len(CONTENT)}"):
        download(server.url + "/a.pt", partial, 10, quiet)
    assert not partial.exists()


def test_a_body_without_a_stated_size_is_bounded(server: FileServer, partial: Path) -> None:
    server.stated_size = False
    with pytest.raises(WeightsUnavailable, match="more than the 1000 bytes"):
        download(server.url + "/a.pt", partial, 1000, quiet)
    assert not partial.exists() or partial.stat().st_size <= 1000


def test_an_http_error_is_named_and_not_tried_again(server: FileServer, partial: Path) -> None:
    with pytest.raises(WeightsUnavailable, match="HTTP 404"):
        download(server.url + "/missing.pt", partial, None, quiet)
    assert len(server.asked) == 1


def test_no_connection_is_no_answer(partial: Path) -> None:
    with serve_files() as gone:
        url = gone.url + "/a.pt"
    with pytest.raises(WeightsUnavailable, match="no answer"):
        download(url, partial, None, quiet)
