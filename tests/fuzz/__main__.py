"""Run targets under atheris, which looks for inputs that reach new code.

    python -m tests.fuzz [TARGET…] [--seconds 60]

Prints the executions of each target and what was found; an input that was is left in ``out/fuzz``.
"""

from __future__ import annotations

import argparse
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

FOUND = Path("out/fuzz")
LONGEST_INPUT = 32_768
SLOWEST = 10
"""Seconds that one input may take."""


def main(arguments: list[str]) -> None:
    """Run each target in a process of its own: the fuzzer ends the one that it runs in."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("targets", nargs="*", metavar="TARGET", help="all, where none is named")
    parser.add_argument("--seconds", type=int, default=60, help="for each target")
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    given = parser.parse_args(arguments)
    if given.inside:
        fuzz(given.targets[0], given.seconds)
    failed = [name for name in given.targets or names() if not run(name, given.seconds)]
    if failed:
        raise SystemExit(f"findings in {', '.join(failed)}: {FOUND}")


def names() -> list[str]:
    """All targets."""
    from tests.fuzz.targets import TARGETS

    return list(TARGETS)


def run(name: str, seconds: int) -> bool:
    """Fuzz a target, and print a line about it; False where something was found."""
    FOUND.mkdir(parents=True, exist_ok=True)
    command = [sys.executable, "-m", "tests.fuzz", name, "--seconds", str(seconds), "--inside"]
    # The fuzzer ends its process at once, and so cleans up nothing.
    with tempfile.TemporaryDirectory() as folder:
        done = subprocess.run(
            command,
            capture_output=True,
            text=True,
            errors="replace",
            env=os.environ | {"TMPDIR": folder},
        )
    counted = re.search(r"number_of_executed_units: (\d+)", done.stderr)
    covered = re.findall(r"cov: (\d+)", done.stderr)
    executions = int(counted[1]) if counted else 0
    sys.stdout.write(
        f"{name}: {executions} executions, {covered[-1] if covered else 0} places of code reached, "
        f"{'nothing found' if done.returncode == 0 else 'FOUND'}\n"
    )
    if done.returncode:
        sys.stdout.write(done.stdout[-4000:] + done.stderr[-4000:])
    sys.stdout.flush()
    return done.returncode == 0


def fuzz(name: str, seconds: int) -> None:
    """Fuzz a target in this process, which ends with it."""
    import atheris  # type: ignore[import-not-found,import-untyped,unused-ignore]

    with atheris.instrument_imports(include=["service", "models", "tracker", "tests.fuzz"]):
        from tests.fuzz.targets import TARGETS
    target = TARGETS[name]
    corpus = tempfile.mkdtemp()
    for number, seed in enumerate(target.seeds):
        Path(corpus, str(number)).write_bytes(seed)
    options = {
        "max_total_time": seconds,
        "max_len": LONGEST_INPUT,
        "timeout": SLOWEST,
        "artifact_prefix": f"{FOUND}/{name}-",
        "print_final_stats": 1,
    }
    flags = [f"-{option}={value}" for option, value in options.items()]
    atheris.Setup([sys.argv[0], *flags, corpus], target.feed)
    atheris.Fuzz()


if __name__ == "__main__":
    main(sys.argv[1:])
