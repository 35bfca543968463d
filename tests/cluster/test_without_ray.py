"""What a server says that has no Ray, or is told to leave the jobs to others."""

from __future__ import annotations

from pathlib import Path

import pytest

from models.errors import InvalidInput
from service.cli import serve as command
from tests.service.clips import clip
from tests.service.jobs_client import VIDEOS, job_server
from tests.service.test_track import TRACK


def test_the_engine_ray_says_how_to_install_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(command, "find_spec", lambda name: None)
    with pytest.raises(InvalidInput, match=r"pip install 'trackline\[ray\]'"):
        command.serve(models="fake", engine=command.Engine.RAY)


def test_a_server_that_keeps_no_jobs_leaves_their_folder_alone(tmp_path: Path) -> None:
    folder = tmp_path / "jobs"
    with job_server(folder, keep_jobs=False) as (http, _):
        refused = http.post(VIDEOS, content=clip("mp4", 5))
        assert refused.status_code == 503
        assert "TRACKLINE_KEEP_JOBS" in refused.json()["detail"]
        assert http.post(TRACK, content=clip("mp4", 5)).is_success
    assert not folder.exists()
