"""How many small mistakes in the tracker and in the box geometry the tests would find.

    python -m benchmarks.mutants [MODULE …] [--sample 25] [--seed 1] [--json FILE]

One recorded run says which test reaches which line. Then each mutant of a seeded sample of each
module takes the place of the module in a forked process, and the tests that reach its lines run,
quickest first, until one fails. Tests that take longer than SLOWEST, and those of other folders,
are left out, and properties are tried on few examples: the share is a lower bound.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import resource
import signal
import sys
import tempfile
from collections.abc import Callable, Generator
from dataclasses import asdict, dataclass
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_loader
from pathlib import Path
from time import process_time
from types import CodeType
from typing import Any

# What the tests import besides the code under test is loaded once, for all the forks; but for
# ONNX Runtime, which starts threads.
import cv2  # noqa: F401
import filterpy.kalman  # noqa: F401
import hypothesis.extra.numpy  # noqa: F401
import pytest
import scipy.optimize
import scipy.sparse.csgraph  # noqa: F401
import torch
import trackeval  # noqa: F401
from coverage import CoverageData
from hypothesis import HealthCheck, Phase, settings
from scipy.stats import binomtest

from benchmarks.mutations import Mutant, mutants

ROOT = Path(__file__).resolve().parent.parent
GEOMETRY = ("models/nms.py", "models/boxes.py")
TESTS = {
    "tracker": ["tests/tracker"],
    "models": ["tests/models/test_boxes.py", "tests/models/test_nms.py"],
}
SLOWEST = 3.0
"""Seconds of CPU time; slower tests are not run for mutants."""
EXAMPLES = 12
"""Of each property that does not name a number."""
CRASHED = 70
QUIET = ["-q", "-x", "--no-header", "-p", "no:cacheprovider"]

Reach = dict[str, dict[int, list[str]]]
"""By file and line: the tests that run it."""


@dataclass
class Survivor:
    """A mutant that no test told from the module."""

    line: int
    before: str
    after: str
    tests: int


@dataclass
class Result:
    """What became of the mutants of one module."""

    module: str
    mutants: int
    tried: int
    survivors: list[Survivor]

    @property
    def killed(self) -> int:
        """Mutants that failed a test, or did not come to an end."""
        return self.tried - len(self.survivors)

    def row(self) -> str:
        """Columns: mutants there are, tried, killed, the share and its 95 % interval (Wilson)."""
        low, high = binomtest(self.killed, self.tried).proportion_ci(method="wilson")
        share = f"{100 * self.killed / self.tried:.0f} % ({100 * low:.0f} to {100 * high:.0f})"
        return f"{self.module:26}{self.mutants:6}{self.tried:6}{self.killed:6}  {share}"


def forked(work: Callable[[], int], cpu_seconds: float) -> int:
    """What ``work`` answers in a process of its own; negative if a signal ended it."""
    sys.stdout.flush()
    child = os.fork()
    if not child:
        silence = os.open(os.devnull, os.O_RDWR)
        for stream in (0, 1, 2):
            os.dup2(silence, stream)
        limit = int(cpu_seconds) + 1
        resource.setrlimit(resource.RLIMIT_CPU, (limit, limit))
        resource.setrlimit(resource.RLIMIT_AS, (16 << 30, 16 << 30))
        # Wall time, for what waits without end: many times what a busy machine takes.
        signal.alarm(20 * limit)
        code = CRASHED
        try:
            code = work()
        finally:
            # Not by the interpreter's own way out: other libraries would wait for their threads.
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def run_tests(arguments: list[str], plugins: list[Any] | None = None) -> int:
    """Run pytest, with few and always the same examples of each property."""
    settings.register_profile(
        "mutants",
        max_examples=EXAMPLES,
        derandomize=True,
        database=None,
        deadline=None,
        phases=[Phase.explicit, Phase.generate],
        suppress_health_check=list(HealthCheck),
    )
    settings.load_profile("mutants")
    return int(pytest.main([*QUIET, *arguments], plugins=plugins))


class Stopwatch:
    """CPU time of each test."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.seconds: dict[str, float] = {}

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """Measure one test with its fixtures."""
        start = process_time()
        answer = yield
        self.seconds[item.nodeid] = process_time() - start
        return answer

    def pytest_sessionfinish(self) -> None:
        """Leave the times for the parent process."""
        self.path.write_text(json.dumps(self.seconds))


def record(tests: list[str], package: str) -> tuple[Reach, dict[str, float]]:
    """Which of the tests reach which lines of a package, and the CPU time of each test."""
    with tempfile.TemporaryDirectory() as folder:
        data, times = Path(folder, "coverage"), Path(folder, "times.json")
        os.environ["COVERAGE_FILE"] = str(data)
        measure = [
            "-p",
            "pytest_cov",
            f"--cov={package}",
            "--cov-context=test",
            "--cov-report=",
            "--cov-fail-under=0",
        ]
        code = forked(lambda: run_tests([*tests, *measure], [Stopwatch(times)]), 1800)
        if code:
            sys.exit(f"the tests {' '.join(tests)} have to pass before they are tried: {code}")
        covered, seconds = CoverageData(str(data)), json.loads(times.read_text())
        covered.read()
        reach = {
            str(Path(file).relative_to(ROOT)): {
                line: sorted({context.rpartition("|")[0] for context in contexts if context})
                for line, contexts in covered.contexts_by_lineno(file).items()
            }
            for file in covered.measured_files()
        }
    return reach, seconds


class InPlace(SourceFileLoader):
    """Finds one module, and loads a mutant for it."""

    def __init__(self, module: str, tree: Any) -> None:
        self.module = module.removesuffix(".py").replace("/", ".").removesuffix(".__init__")
        self.code: CodeType = compile(tree, str(ROOT / module), "exec")
        super().__init__(self.module, str(ROOT / module))

    def find_spec(self, fullname: str, path: object, target: object = None) -> ModuleSpec | None:
        """Answer for the one module."""
        return spec_from_loader(fullname, self) if fullname == self.module else None

    def get_code(self, fullname: str) -> CodeType:
        """Code of the mutant."""
        return self.code


def survives(module: str, mutant: Mutant, tests: list[str], seconds: float) -> bool:
    """Whether all the tests pass on a mutant."""

    def work() -> int:
        sys.meta_path.insert(0, InPlace(module, mutant.tree))
        return run_tests(tests)

    return not forked(work, 5 * seconds + 10)


def tests_of(mutant: Mutant, lines: dict[int, list[str]], seconds: dict[str, float]) -> list[str]:
    """Tests that reach a mutant, quickest first; all that may use it if import runs it."""
    there = range(mutant.first, mutant.last + 1)
    reached = {test for line in there for test in lines.get(line, [])}
    if not reached and any(line in lines for line in there):
        # What import runs is of use to whoever imports it: those who reach the module, or all.
        reached = {test for tests in lines.values() for test in tests} or set(seconds)
    quick = [test for test in reached if seconds[test] <= SLOWEST]
    return sorted(quick, key=lambda test: (seconds[test], test))


def examine(module: str, reach: Reach, seconds: dict[str, float], sample: int, seed: int) -> Result:
    """Try a sample of the mutants of a module."""
    every = mutants((ROOT / module).read_text())
    chosen = random.Random(f"{seed} {module}").sample(every, min(sample, len(every)))  # noqa: S311
    survivors = []
    for mutant in chosen:
        tests = tests_of(mutant, reach.get(module, {}), seconds)
        spent = sum(seconds[test] for test in tests)
        if not tests or survives(module, mutant, tests, spent):
            survivors.append(Survivor(mutant.first, mutant.before, mutant.after, len(tests)))
            print(f"    {module}:{mutant.first}  {mutant.before}  ->  {mutant.after}", flush=True)
    return Result(module, len(every), len(chosen), survivors)


def main() -> None:
    """Try the mutants of the named modules, or of all."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").splitlines()[0])
    parser.add_argument("modules", nargs="*", metavar="MODULE", help="as tracker/kalman.py")
    parser.add_argument("--sample", type=int, default=25, help="mutants of a module")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--json", type=Path)
    options = parser.parse_args()
    os.chdir(ROOT)
    # Plugins that these tests do not need take longer to load than most of the tests.
    os.environ["PYTEST_DISABLE_PLUGIN_AUTOLOAD"] = "1"
    torch.set_num_threads(1)
    tracker = [str(path.relative_to(ROOT)) for path in sorted(ROOT.glob("tracker/**/*.py"))]
    modules = options.modules or [*GEOMETRY, *tracker]
    results = []
    for package, tests in TESTS.items():
        mine = [module for module in modules if module.startswith(package)]
        reach, seconds = record(tests, package) if mine else ({}, {})
        for module in mine:
            if mutants((ROOT / module).read_text()):
                results.append(examine(module, reach, seconds, options.sample, options.seed))
                print(results[-1].row(), flush=True)
    if options.json:
        options.json.write_text(json.dumps([asdict(result) for result in results], indent=1))
    sys.exit(sum(r.killed for r in results) < 0.8 * sum(r.tried for r in results))


if __name__ == "__main__":
    main()
