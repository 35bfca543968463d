"""The command line, ``trackline``: one file a command, gathered here."""

from __future__ import annotations

import sys
from importlib import import_module

import typer

from models.errors import TracklineError

app = typer.Typer(
    name="trackline",
    help="Find objects in images and follow them through video.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
)

# Each of these modules defines register(app), which adds its command or group of commands and
# imports what it needs when the command runs, so that --help stays quick.
COMMANDS = ("serve", "detect", "track", "models", "evaluate", "train", "label", "bench", "openapi")

for _module in COMMANDS:
    import_module(f"service.cli.{_module}").register(app)


def main() -> None:
    """Run the command line: exit status 0, 1 with one line on stderr, or 2 for wrong usage."""
    try:
        app()
    except TracklineError as error:
        sys.stderr.write(f"trackline: {error}\n")
        sys.exit(1)
    except OSError as error:  # a file that cannot be read or written
        where = f"{error.filename}: " if error.filename else ""
        sys.stderr.write(f"trackline: {where}{error.strerror or error}\n")
        sys.exit(1)
    except KeyboardInterrupt:
        sys.stderr.write("trackline: interrupted\n")
        sys.exit(130)
