"""Fixtures that several parts of the tests share."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
from hypothesis import settings

ROOT = Path(__file__).resolve().parent.parent
SHARED = ROOT.parent / "shared"
MOT = Path(os.environ.get("TRACKLINE_MOT_DIR", SHARED / "mot"))

if (SHARED / "weights").is_dir():
    # Weights whose publisher cannot be reached from everywhere; the catalogue checks their hash.
    os.environ.setdefault("TRACKLINE_WEIGHTS_PATH", str(SHARED / "weights"))

# How long an example takes says more of the machine than of the code. The examples are the same in
# every run, so that what fails fails again; `--hypothesis-profile=default` looks for new ones. What
# is loaded already stays: the mutants are tried with fewer examples.
settings.register_profile(
    "repeatable",
    settings.get_profile(settings.get_current_profile_name()),
    deadline=None,
    derandomize=True,
)
settings.load_profile("repeatable")


@pytest.fixture(scope="session")
def mot_dir() -> Path:
    """The folder of real sequences with ground truth, outside of the repository."""
    scorer = MOT / "score.py"
    if not scorer.is_file():
        pytest.skip(f"no MOT sequences here: {scorer} is missing (set TRACKLINE_MOT_DIR)")
    return MOT
