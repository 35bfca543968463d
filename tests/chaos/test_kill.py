"""Servers killed at random moments: a short form of `benchmarks.kill`."""

from __future__ import annotations

from pathlib import Path

from benchmarks.kill import Trial

KILLS = 3


def test_accepted_jobs_outlive_three_servers(tmp_path: Path) -> None:
    trial = Trial(tmp_path, seed=5, frames=(150, 100, 20))
    lives = trial.run(KILLS)
    assert len(lives) == KILLS
    assert len(trial.ledger.accepted) >= 3
    assert trial.ledger.images > 0
