"""A real PostgreSQL server on 127.0.0.1, for as long as a block runs."""

from __future__ import annotations

import os
import pwd
import shutil
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import psycopg

from tests.service.gate import WAIT, until
from tests.service.ports import free_port

DEBIAN = Path("/usr/lib/postgresql")
UNPRIVILEGED = "nobody"


def programs() -> Path | None:
    """The folder of the newest server that is installed; None if there is none."""
    found = [path.parent for path in DEBIAN.glob("*/bin/postgres")]
    if found:
        return max(found, key=lambda path: int(path.parent.name))
    initdb = shutil.which("initdb")
    return None if initdb is None else Path(initdb).parent


@contextmanager
def postgresql(bin_dir: Path) -> Iterator[str]:
    """The URL of a fresh server's database ``postgres``; PostgreSQL refuses to run as root."""
    account = pwd.getpwnam(UNPRIVILEGED) if os.geteuid() == 0 else None
    user = account.pw_name if account else None
    with TemporaryDirectory(prefix="trackline-postgresql-") as folder:
        if account:
            os.chown(folder, account.pw_uid, account.pw_gid)
        data = f"{folder}/data"
        initdb: list[str | Path] = [
            bin_dir / "initdb",
            "-D",
            data,
            "-U",
            "trackline",
            "--auth=trust",
            "--no-sync",
        ]
        subprocess.run(initdb, check=True, user=user, stdout=subprocess.DEVNULL, cwd=folder)
        port = free_port()
        listening = ["-h", "127.0.0.1", "-p", str(port), "-k", folder]
        server = subprocess.Popen(
            [bin_dir / "postgres", "-D", data, *listening, "-c", "fsync=off"],
            user=user,
            cwd=folder,
            stderr=subprocess.PIPE,
        )
        assert server.stderr is not None
        reading = threading.Thread(target=server.stderr.read)
        reading.start()
        try:
            until(lambda: answers(port))
            yield f"postgresql+psycopg://trackline@127.0.0.1:{port}/postgres"
        finally:
            server.terminate()
            server.wait(WAIT)
            reading.join(WAIT)
            server.stderr.close()


def answers(port: int) -> bool:
    """Whether the server takes connections."""
    try:
        psycopg.connect(host="127.0.0.1", port=port, user="trackline", dbname="postgres").close()
    except psycopg.OperationalError:
        return False
    return True


@contextmanager
def database(server: str, name: str) -> Iterator[str]:
    """The URL of a new database of a server, dropped afterwards."""
    connection = psycopg.connect(server.replace("+psycopg", ""), autocommit=True)
    connection.execute(f'CREATE DATABASE "{name}"'.encode())
    try:
        yield server.removesuffix("postgres") + name
    finally:
        connection.execute(f'DROP DATABASE "{name}" WITH (FORCE)'.encode())
        connection.close()
