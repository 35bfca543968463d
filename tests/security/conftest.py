"""What the tests of closed doors share with those of the service."""

from __future__ import annotations

from tests.service.conftest import client, gate, jobs_dir

__all__ = ["client", "gate", "jobs_dir"]
