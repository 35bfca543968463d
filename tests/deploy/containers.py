"""Builds the image and runs the compose file without a Docker engine, in a storage of its own."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.conftest import ROOT
from tests.deploy.programs import needed

BASE = "localhost/trackline-base"
PACKAGES = "ca-certificates,python-is-python3,python3-venv"
SUITE = "bookworm"
"""Debian's release whose Python is 3.11."""
WEIGHTS = "yolo26n mobilenet deeplabv3-mobilenet"
BUNDLE = Path("/etc/ssl/certs/ca-certificates.crt")
STORAGE = """
[storage]
driver = "overlay"
graphroot = "{root}"
runroot = "{run}"
"""
ENGINE = """
[containers]
default_ulimits = ["nofile=16384:16384", "nproc=16384:16384"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""


@dataclass(frozen=True)
class Containers:
    """Images and containers in a folder.

    Attributes
    ----------
    folder : Path
        Where they are.
    """

    folder: Path

    def run(self, *command: str | Path, **variables: str) -> str:
        """Run a program on this storage; answers what it said."""
        settings = {
            "CONTAINERS_STORAGE_CONF": self._file("storage.conf", self._storage()),
            "CONTAINERS_CONF": self._file("containers.conf", ENGINE),
        }
        environment = os.environ | settings | variables
        done = subprocess.run(command, env=environment, cwd=ROOT, text=True, capture_output=True)
        assert done.returncode == 0, f"{command}\n{done.stdout[-4000:]}\n{done.stderr[-4000:]}"
        return done.stdout

    def build_base(self) -> None:
        """Make an image that stands in for python:3.11-slim, of Debian's packages."""
        archive = self.folder / "base.tar"
        self.run(
            needed("mmdebstrap", "mmdebstrap"), "--variant=minbase", f"--include={PACKAGES}",
            SUITE, archive,
        )  # fmt: skip
        self.run(needed("podman", "podman"), "import", archive, BASE)
        archive.unlink()

    def build(self, tag: str, **arguments: str) -> int:
        """Build the image; answers its size in bytes."""
        mounts = [f"{BUNDLE}:{BUNDLE}:ro", *self._wheels()]
        arguments = {"PYTHON_IMAGE": BASE, **arguments}
        self.run(
            needed("buildah", "buildah"), "bud", "--layers", "--format", "docker",
            "--isolation", "chroot", "--network", "host",
            *(f"--volume={mount}" for mount in mounts),
            *(f"--build-arg={name}={value}" for name, value in arguments.items()),
            "--tag", tag, ".",
        )  # fmt: skip
        return int(self.run("podman", "image", "inspect", "--format={{.Size}}", tag))

    @contextmanager
    def compose(self, project: str, *services: str, **variables: str) -> Iterator[None]:
        """Services of the compose file as it is, in networks of their own, stopped at the end."""
        program = Path(sys.executable).with_name("podman-compose")
        command: list[str | Path] = [program, "--project-name", project, "--profile", "cluster"]
        self.run(*command, "up", "--detach", "--no-build", *services, **variables)
        try:
            yield
        finally:
            self.run(*command, "down")

    def remove(self) -> None:
        """Remove all images, containers and volumes."""
        self.run("podman", "system", "reset", "--force")
        shutil.rmtree(self.folder, ignore_errors=True)

    def _storage(self) -> str:
        return STORAGE.format(root=self.folder / "root", run=self.folder / "run")

    def _file(self, name: str, text: str) -> str:
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def _wheels(self) -> list[str]:
        """Folders of wheels that this machine's pip is told of, and a configuration that says so.

        They are where a machine without the open internet has its build of torch.
        """
        asked = [sys.executable, "-m", "pip", "config", "get", "global.find-links"]
        folder = subprocess.run(asked, capture_output=True, text=True).stdout.strip()
        if not folder:
            return []
        config = self._file("pip.conf", f"[global]\nfind-links = {folder}\n")
        return [f"{folder}:{folder}:ro", f"{config}:/etc/pip.conf:ro"]
