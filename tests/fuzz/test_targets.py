"""Every target of the fuzzer, for a moment and without it."""

from __future__ import annotations

import random
from collections.abc import Sequence
from urllib.parse import parse_qsl

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from benchmarks.fuzz_corpus import CHANGES
from models.entries import read_entries
from models.errors import InvalidInput
from service.live.query import LiveConfig
from service.tracks.query import TrackQuery
from tests.fuzz.targets import CATALOGUE, DETECTOR, SETTINGS, TARGETS, in_file

EXAMPLES = 60


@pytest.mark.parametrize("name", TARGETS)
def test_no_seed_is_a_finding(name: str) -> None:
    for seed in TARGETS[name].seeds:
        TARGETS[name].feed(seed)


def test_options_and_catalogue_begin_with_what_is_taken() -> None:
    """Behind a refusal there would be nothing that is fuzzed."""
    for seed in TARGETS["query"].seeds:
        asked = TrackQuery.model_validate(dict(parse_qsl(seed.decode())))
        asked.session_options(DETECTOR, SETTINGS)
        asked.make_tracker()
    with in_file(CATALOGUE) as path:
        assert read_entries(path, {"coco80": ("person",)}).keys() == {"mine", "packed"}


@pytest.mark.parametrize("name", TARGETS)
def test_a_parser_refuses_only_with_the_errors_that_it_documents(name: str) -> None:
    target = TARGETS[name]

    @settings(max_examples=EXAMPLES, deadline=None)
    @given(changed(target.seeds) | st.binary(max_size=200))
    @example(b"")
    def feed(data: bytes) -> None:
        target.feed(data)

    feed()


def changed(seeds: Sequence[bytes]) -> st.SearchStrategy[bytes]:
    """Seeds with some changes."""
    return st.builds(
        change,
        st.sampled_from(seeds),
        st.lists(st.sampled_from(tuple(CHANGES)), min_size=1, max_size=4),
        st.integers(0, 1 << 32),
    )


def change(data: bytes, names: list[str], seed: int) -> bytes:
    """The changes of these names, one after the other."""
    rng = random.Random(seed)  # noqa: S311
    for name in names:
        data = CHANGES[name](data, rng)
    return data


def test_numbers_beyond_64_bits_are_refused() -> None:
    with pytest.raises(InvalidInput):
        LiveConfig.parse(
            '{"lines":[{"name":"a","points":[[0,240],[6111111111111111111111111,240]]}]}'
        )
