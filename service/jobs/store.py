"""The table of jobs: what each is, how far it is, how it ended. SQLAlchemy Core on any database."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sqlalchemy import (
    BigInteger,
    Column,
    Connection,
    Engine,
    Float,
    Integer,
    MetaData,
    String,
    Table,
    Text,
    create_engine,
    delete,
    event,
    func,
    insert,
    make_url,
    select,
    update,
)
from sqlalchemy.exc import SQLAlchemyError

from service.errors import ServiceError
from service.schemas import Status

log = logging.getLogger(__name__)

BUSY_MS = 5000

PATIENCE: dict[str, dict[str, int]] = {
    "postgresql": {"connect_timeout": BUSY_MS // 1000, "tcp_user_timeout": 2 * BUSY_MS}
}
"""What a driver is told, so that a host which does not answer holds nobody up for ever."""


class StoreFailed(ServiceError):
    """The table of jobs cannot be read or written now."""

    status, code = 503, "store-failed"


@dataclass(frozen=True, slots=True)
class JobRecord:
    """One row.

    Attributes
    ----------
    id : str
        128 random bits, hexadecimal.
    owner : str
        Who sent it, as `service.http.auth.require_key` names callers.
    query : str
        The `TrackQuery` as JSON, with the names of the model and the embedder filled in.
    created, finished : float
        Unix time in seconds.
    status : Status
        Where it is in its life.
    frames_done : int
        Frames whose lines are committed.
    frames_total : int or None
        Frames that there will be, where the file says it.
    fps : float or None
        Frames a second that are followed.
    error_code, error_message : str or None
        Why it failed.
    length : int
        Bytes of the file of its lines that are committed; whole lines.
    bytes : int
        Of all its files, once it has ended; of the video before.
    """

    id: str
    owner: str
    query: str
    created: float
    bytes: int
    status: Status = Status.QUEUED
    finished: float | None = None
    frames_done: int = 0
    frames_total: int | None = None
    fps: float | None = None
    error_code: str | None = None
    error_message: str | None = None
    length: int = 0


_META = MetaData()
_JOBS = Table(
    "jobs",
    _META,
    Column("number", Integer, primary_key=True, autoincrement=True),
    Column("id", String(32), unique=True, nullable=False),
    Column("owner", String(64), index=True, nullable=False),
    Column("query", Text, nullable=False),
    Column("created", Float, nullable=False),
    Column("bytes", BigInteger, nullable=False),
    Column("status", String(16), index=True, nullable=False),
    Column("finished", Float),
    Column("frames_done", Integer, nullable=False),
    Column("frames_total", Integer),
    Column("fps", Float),
    Column("error_code", String(64)),
    Column("error_message", Text),
    Column("length", BigInteger, nullable=False),
)
_FIELDS = [_JOBS.c[name] for name in JobRecord.__dataclass_fields__]


class JobStore:
    """The jobs of one server; all methods may be called from any thread.

    Parameters
    ----------
    url : str
        The database, as SQLAlchemy writes it. SQLite is put into WAL mode.

    Raises
    ------
    StoreFailed
        By every method: the database cannot be reached, is locked for too long, takes no writes,
        has no room, or is damaged.
    """

    def __init__(self, url: str) -> None:
        backend = make_url(url).get_backend_name()
        # A connection that the database has ended meanwhile is replaced, and not used in vain.
        self._engine = create_engine(
            url, pool_pre_ping=True, connect_args=PATIENCE.get(backend, {})
        )
        if self._engine.dialect.name == "sqlite":
            _prepare_sqlite(self._engine)
        with self._transaction() as connection:
            _META.create_all(connection)

    @classmethod
    def at(cls, path: Path) -> JobStore:
        """The store in an SQLite file."""
        return cls(f"sqlite:///{path}")

    def add(self, record: JobRecord) -> None:
        """Add a job behind all others."""
        values = {name: getattr(record, name) for name in JobRecord.__dataclass_fields__}
        with self._transaction() as connection:
            connection.execute(insert(_JOBS).values(values))

    def find(self, job_id: str, owner: str | None = None) -> JobRecord | None:
        """A job; None if there is none, or it belongs to another than ``owner``."""
        query = select(*_FIELDS).where(_JOBS.c.id == job_id)
        if owner is not None:
            query = query.where(_JOBS.c.owner == owner)
        with self._transaction() as connection:
            row = connection.execute(query).one_or_none()
        return None if row is None else _record(row)

    def newest(self, owner: str, most: int) -> list[JobRecord]:
        """The jobs of an owner, the last one sent first."""
        query = select(*_FIELDS).where(_JOBS.c.owner == owner)
        with self._transaction() as connection:
            rows = connection.execute(query.order_by(_JOBS.c.number.desc()).limit(most)).all()
        return [_record(row) for row in rows]

    def all(self, *statuses: Status) -> list[JobRecord]:
        """All jobs, or those in one of these states; those that ended first, then as they came."""
        query = select(*_FIELDS).order_by(_JOBS.c.finished, _JOBS.c.number)
        if statuses:
            query = query.where(_JOBS.c.status.in_(statuses))
        with self._transaction() as connection:
            return [_record(row) for row in connection.execute(query).all()]

    def total_bytes(self) -> int:
        """Bytes of all jobs together."""
        with self._transaction() as connection:
            return int(connection.execute(select(func.sum(_JOBS.c.bytes))).scalar() or 0)

    def update(self, job_id: str, **values: Any) -> bool:
        """Change a job; False if there is none any more."""
        with self._transaction() as connection:
            done = connection.execute(update(_JOBS).where(_JOBS.c.id == job_id).values(values))
        return done.rowcount > 0

    def remove(self, job_id: str) -> None:
        """Forget a job."""
        with self._transaction() as connection:
            connection.execute(delete(_JOBS).where(_JOBS.c.id == job_id))

    def close(self) -> None:
        """Close every connection."""
        self._engine.dispose()

    @contextmanager
    def _transaction(self) -> Iterator[Connection]:
        try:
            with self._engine.begin() as connection:
                yield connection
        except SQLAlchemyError as error:
            log.error("the database of the jobs cannot be used", exc_info=error)
            raise StoreFailed(
                "the server cannot reach its list of jobs now; try again later"
            ) from error


def _record(row: Any) -> JobRecord:
    values = dict(row._mapping)
    return JobRecord(**values | {"status": Status(values["status"])})


def _prepare_sqlite(engine: Engine) -> None:
    @event.listens_for(engine, "connect")
    def configure(connection: Any, _: Any) -> None:
        cursor = connection.cursor()
        cursor.execute("PRAGMA journal_mode=WAL")
        # A job that was accepted outlives a power cut too.
        cursor.execute("PRAGMA synchronous=FULL")
        cursor.execute(f"PRAGMA busy_timeout={BUSY_MS}")
        cursor.close()
