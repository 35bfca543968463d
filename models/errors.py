"""The one tree of exceptions that Trackline raises on purpose.

::

    TracklineError
    ├── InvalidInput (also ValueError)     the caller sent something that cannot be used
    │   └── UnknownName (also KeyError)    no model, class, tracker or embedder of that name
    ├── WeightsError                       a file of weights is not to be had
    │   ├── WeightsUnavailable             no source has it; the message says where to put it
    │   └── WeightsCorrupt                 a file is there and its hash is wrong
    └── ModelError                         a network failed while it was built or run
        └── RuntimeUnavailable             the runtime asked for is not installed or has no device

Messages say what was expected, what came, and what to do.
"""

from __future__ import annotations


class TracklineError(Exception):
    """Base of every error that Trackline raises on purpose."""


class InvalidInput(TracklineError, ValueError):
    """An argument has the wrong shape, type or range."""


class UnknownName(InvalidInput, KeyError):
    """A model, class, tracker or embedder that does not exist was asked for."""

    def __str__(self) -> str:
        # KeyError would show the repr of the message, quotes and all.
        return str(self.args[0]) if self.args else ""


class WeightsError(TracklineError):
    """A file of weights is not to be had."""


class WeightsUnavailable(WeightsError):
    """None of the sources of a catalogue entry has the file."""


class WeightsCorrupt(WeightsError):
    """A file was found whose SHA-256 is not the one in the catalogue."""


class ModelError(TracklineError):
    """A network failed while it was built or run."""


class RuntimeUnavailable(ModelError):
    """The runtime asked for is not installed, or its device is not there."""
