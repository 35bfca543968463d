"""The queue of jobs: one after the other they are followed, taken up again, and removed."""

from __future__ import annotations

import logging
import shutil
import threading
import time
from collections import deque
from collections.abc import Iterator
from contextlib import contextmanager

from filelock import FileLock, Timeout
from platformdirs import user_data_path

from service.decoding.decoders import Decoders
from service.errors import QueueFull, ServiceError, ShuttingDown
from service.http.metrics import Metrics
from service.inference.registry import Models
from service.jobs.errors import JobCancelled, JobsUnavailable
from service.jobs.feed import Feed
from service.jobs.folder import JobFolder, is_of_a_job
from service.jobs.run import JobRun, Means
from service.jobs.store import JobRecord, JobStore, StoreFailed
from service.schemas import ENDED, Status
from service.settings import Settings

log = logging.getLogger(__name__)

SWEEP_SECONDS = 60.0
RETRY_SECONDS = 5.0
"""Pause of a worker after the database failed it."""
STOP_SECONDS = 10.0
"""How long a caller waits for a running job to stop; it does so on its own then."""


class Jobs:
    """The jobs of one server; but for `start` and `close`, methods may be called from any thread.

    Parameters
    ----------
    settings : Settings
        Folder, database and limits.
    models : Models
        Detectors and embedders.
    decoders : Decoders
        Where decoder processes come from.
    metrics : Metrics
        Where the stages of their frames are counted.
    """

    def __init__(
        self, settings: Settings, models: Models, decoders: Decoders, metrics: Metrics
    ) -> None:
        self.root = settings.jobs_dir or user_data_path("trackline") / "jobs"
        self._settings = settings
        self._means = Means(settings, models, decoders, metrics)
        self._store: JobStore | None = None
        self._lock = FileLock(self.root / "lock", thread_local=False)
        self._changed = threading.Condition()  # the event loop waits for it: never held for long
        self._picking = threading.Lock()
        self._queue: deque[str] = deque()
        self._running: dict[str, JobRun] = {}
        self._feeds: dict[str, Feed] = {}
        self._coming = 0
        self._stopping = False
        self._sweeping = threading.Lock()
        self._workers: list[threading.Thread] = []

    def start(self) -> None:
        """Take up what an earlier server left, and begin to work; may take a second."""
        if not self._settings.keep_jobs:
            return
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        try:
            self._lock.acquire(timeout=0)
        except Timeout:
            log.warning("another server keeps its jobs in %s; this one takes none", self.root)
            return
        url = self._settings.database_url
        self._store = JobStore(url) if url else JobStore.at(self.root / "jobs.sqlite")
        self._recover(self._store)
        self.sweep()
        for number in range(self._settings.max_running_jobs):
            worker = threading.Thread(target=self._work, name=f"jobs-{number}", daemon=True)
            self._workers.append(worker)
            worker.start()

    def stop(self) -> None:
        """Take no more and stop what runs, to be taken up at the next start; does not wait."""
        with self._changed:
            self._stopping = True
            for run in self._running.values():
                run.stop()
            for feed in self._feeds.values():
                feed.end(ShuttingDown("the server is shutting down; the job goes on afterwards"))
            self._changed.notify_all()

    def close(self) -> None:
        """Stop, wait until nothing runs any more, and let another server have the folder."""
        self.stop()
        for worker in self._workers:
            worker.join()
        if self._store is not None:
            self._store.close()
        self._lock.release()

    @property
    def store(self) -> JobStore:
        """Where jobs are looked up.

        Raises
        ------
        JobsUnavailable
            Another server has the folder.
        """
        if self._store is None:
            raise JobsUnavailable
        return self._store

    @property
    def queued(self) -> int:
        """Jobs that wait."""
        return len(self._queue)

    @property
    def running(self) -> int:
        """Jobs that run."""
        return len(self._running)

    @property
    def kept(self) -> bool:
        """Whether this server has the folder of the jobs."""
        return self._store is not None

    def folder(self, job_id: str) -> JobFolder:
        """The folder of a job."""
        return JobFolder(self.root / job_id)

    @contextmanager
    def place(self) -> Iterator[None]:
        """Hold a place in the queue while the video comes.

        Raises
        ------
        QueueFull
            All are taken.
        ShuttingDown, JobsUnavailable
            No job is taken.
        """
        most = self._settings.max_queued_jobs
        with self._changed:
            if self._stopping:
                raise ShuttingDown("the server is shutting down and takes no new job")
            if self._store is None:
                raise JobsUnavailable
            if len(self._queue) + self._coming >= most:
                raise QueueFull(f"{most} jobs wait already; try again later")
            self._coming += 1
        try:
            yield
        finally:
            with self._changed:
                self._coming -= 1

    def add(self, record: JobRecord, incoming: JobFolder) -> None:
        """Queue a job whose video is complete in the folder ``incoming``."""
        store = self.store
        folder = self.folder(record.id)
        incoming.path.rename(folder.path)
        try:
            store.add(record)
        except StoreFailed:
            folder.remove()
            raise
        self._enqueue(record)

    def feed(self, record: JobRecord) -> Feed:
        """Where the lines of a job can be followed; of one that has ended, all are there."""
        with self._changed:
            feed = self._feeds.get(record.id)
        if feed is None:
            record = self.store.find(record.id) or record
            feed = Feed(record.length)
            feed.end()
        return feed

    def remove(self, job_id: str) -> None:
        """Cancel a job and remove everything of it."""
        with self._changed:
            if job_id in self._queue:
                self._queue.remove(job_id)
            run = self._running.get(job_id)
            if run is not None:
                run.cancelled = True
        if run is None:
            self._erase(job_id)
            return
        self.store.update(job_id, status=Status.CANCELLED)
        run.stop()
        with self._changed:
            self._changed.wait_for(lambda: self._running.get(job_id) is not run, STOP_SECONDS)

    def sweep(self) -> None:
        """Remove jobs that ended too long ago, and the oldest of them while all need too much."""
        with self._sweeping:
            too_old = time.time() - self._settings.max_job_age_seconds
            total = self.store.total_bytes()
            for record in self.store.all(*ENDED):
                over = total > self._settings.max_jobs_bytes
                if over or (record.finished or 0.0) < too_old:
                    log.info("job %s is removed: %s", record.id, "space" if over else "age")
                    self._erase(record.id)
                    total -= record.bytes

    def _recover(self, store: JobStore) -> None:
        """Remove what is half there, and queue again what had not ended."""
        for record in store.all(Status.CANCELLED):
            store.remove(record.id)
        known = {record.id for record in store.all()}
        for path in self.root.iterdir():
            if not path.is_dir():
                continue
            if path.name in known:
                JobFolder(path).drop_drafts()
            elif is_of_a_job(path):
                shutil.rmtree(path)
        for record in store.all(Status.QUEUED, Status.RUNNING):
            store.update(record.id, status=Status.QUEUED)
            self._enqueue(record)

    def _enqueue(self, record: JobRecord) -> None:
        with self._changed:
            self._feeds[record.id] = Feed(record.length)
            self._queue.append(record.id)
            self._changed.notify_all()

    def _erase(self, job_id: str) -> None:
        """Remove a job that does not run: first its row, so that half of it is never found."""
        self.store.remove(job_id)
        with self._changed:
            feed = self._feeds.pop(job_id, None)
        if feed is not None:
            feed.end(JobCancelled("the job was cancelled"))
        folder = self.folder(job_id)
        if folder.path.exists():
            folder.remove()

    def _work(self) -> None:
        """Run jobs until the server stops. A worker's thread."""
        while not self._stopping:
            try:
                run = self._next()
                if run is not None:
                    self._run(run)
                self.sweep()
            except StoreFailed:
                with self._changed:
                    self._changed.wait_for(lambda: self._stopping, RETRY_SECONDS)
            except Exception:
                log.exception("a worker of jobs met an error and goes on")

    def _next(self) -> JobRun | None:
        """The next job, or none after a while or when the server stops."""
        with self._changed:
            self._changed.wait_for(lambda: self._stopping or self._queue, SWEEP_SECONDS)
        with self._picking:
            with self._changed:
                if not self._queue:
                    return None
                job_id = self._queue[0]
            record = self.store.find(job_id)
            with self._changed:
                if self._stopping or job_id not in self._queue:
                    return None
                self._queue.remove(job_id)
                feed = self._feeds.get(job_id)
                if record is None or feed is None:
                    return None
                run = JobRun(record, self.folder(job_id), feed, self._means, self.store)
                self._running[job_id] = run
                return run

    def _run(self, run: JobRun) -> None:
        again = False
        try:
            run.run()
        except StoreFailed:
            # Nothing is wrong with the job: it keeps its place and its readers, and begins anew.
            again = True
            raise
        finally:
            self._let_go(run, again)

    def _let_go(self, run: JobRun, again: bool) -> None:
        """The run is over. What is cancelled until here is erased here, later by `remove`."""
        with self._changed:
            cancelled = run.cancelled
            if not cancelled:
                self._forget(run, again)
        if cancelled:
            try:
                self._erase(run.id)
            finally:
                with self._changed:
                    self._forget(run, False)

    def _forget(self, run: JobRun, again: bool) -> None:
        """Take a job from those that run. Under the lock."""
        del self._running[run.id]
        if again:
            self._queue.appendleft(run.id)
        else:
            run.feed.end(
                ServiceError("the job could not go on; it does at the server's next start")
            )
            self._feeds.pop(run.id, None)
        self._changed.notify_all()
