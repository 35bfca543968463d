"""What is done about replicas that die, are full, or fail; without a cluster."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from concurrent.futures import Future
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

pytest.importorskip("ray", reason="no Ray here: pip install 'trackline[ray]'")

from ray.exceptions import ActorDiedError, RayTaskError
from ray.serve.exceptions import BackPressureError

from models.errors import InvalidInput
from models.types import Detections, DetectOptions
from service.cluster import calls
from service.cluster.calls import Calls, answer
from service.cluster.queue import About, RemoteQueue
from service.errors import DeadlineExceeded, ModelNotReady, QueueFull
from service.http.metrics import Metrics
from service.inference.flight import State
from service.inference.items import Inference
from service.settings import Settings
from tests.service.gate import WAIT

IMAGE = np.zeros((4, 4, 3), np.uint8)
FOUND = Inference(Detections.empty(), 1, 0.1, 0.2, 0.3, 0.4)
ABOUT = About({0: "thing"}, "openvino", "cpu", "bf16", "int8", 640, 2, 16)


def full() -> BackPressureError:
    return BackPressureError(num_queued_requests=1, max_queued_requests=1)


def failed(cause: Exception) -> RayTaskError:
    return RayTaskError("detect", "the replica's traceback", cause)


class Replies:
    """Gives one reply after the other, errors raised; notes how often it was asked."""

    def __init__(self, *replies: Any) -> None:
        self._replies = list(replies)
        self.asked = 0

    async def remote(self, *_: Any) -> Any:
        self.asked += 1
        reply = self._replies.pop(0) if len(self._replies) > 1 else self._replies[0]
        if isinstance(reply, Exception):
            raise reply
        return reply


@pytest.fixture(autouse=True)
def no_pause(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(calls, "PAUSE_SECONDS", 0.0)


@pytest.fixture
def calling() -> Iterator[Calls]:
    running = Calls()
    yield running
    running.close()


def queue(calling: Calls, detect: Replies, **settings: Any) -> RemoteQueue:
    """The queue of a deployment that describes itself and replies."""
    handle: Any = SimpleNamespace(describe=Replies(ABOUT), detect=detect)
    made = RemoteQueue("fake", handle, Settings(**settings), Metrics(), calling)
    made.loaded.result(WAIT)
    return made


def ask(calling: Calls, replies: Replies) -> Any:
    call: Callable[[], Awaitable[Any]] = replies.remote
    return calling.start(answer(call)).result(WAIT)


def test_work_of_a_replica_that_died_goes_to_another_one(calling: Calls) -> None:
    replies = Replies(ActorDiedError(), ActorDiedError(), 7)
    assert ask(calling, replies) == 7
    assert replies.asked == 3


def test_where_every_replica_dies_the_model_is_not_ready(calling: Calls) -> None:
    replies = Replies(ActorDiedError())
    with pytest.raises(ModelNotReady):
        ask(calling, replies)
    assert replies.asked == calls.TRIES


def test_an_error_of_the_network_is_raised_as_it_is_and_not_tried_again(calling: Calls) -> None:
    replies = Replies(failed(InvalidInput("not that")))
    with pytest.raises(InvalidInput, match="not that"):
        ask(calling, replies)
    assert replies.asked == 1


@pytest.mark.parametrize("refusal", [full(), failed(QueueFull("wait"))], ids=["serve", "batcher"])
def test_a_full_replica_refuses_images_and_lets_frames_wait(
    calling: Calls, refusal: Exception
) -> None:
    options = DetectOptions()
    with pytest.raises(QueueFull):
        queue(calling, Replies(refusal)).submit(IMAGE, options).result(WAIT)
    frame = queue(calling, Replies(refusal, refusal, FOUND)).submit(IMAGE, options, session="a")
    assert frame.result(WAIT) == FOUND


def test_a_frame_does_not_wait_past_its_deadline(calling: Calls) -> None:
    future = queue(calling, Replies(full())).submit(
        IMAGE, DetectOptions(), session="a", deadline=time.monotonic() + 0.05
    )
    with pytest.raises(DeadlineExceeded):
        future.result(WAIT)


def test_no_more_is_sent_than_the_settings_allow(calling: Calls) -> None:
    waiting = queue(calling, Replies(full()), image_queue=1, max_sessions=1, frames_in_flight=1)
    options = DetectOptions()
    frames = [waiting.submit(IMAGE, options, session="a") for _ in range(2)]  # one of a job
    with pytest.raises(QueueFull):
        waiting.submit(IMAGE, options, session="a")
    for frame in frames:
        frame.cancel()
    assert waiting.detector.names == {0: "thing"}
    waiting.close()
    with pytest.raises(ModelNotReady):
        waiting.submit(IMAGE, options)


def test_a_model_that_is_unloaded_while_it_starts_stays_unloaded(
    calling: Calls, monkeypatch: pytest.MonkeyPatch
) -> None:
    started, heard = threading.Event(), threading.Event()
    metrics = Metrics()
    begun: list[Future[Any]] = []

    def start(work: Coroutine[Any, Any, Any]) -> Future[Any]:
        begun.append(Calls.start(calling, work))
        return begun[-1]

    async def describe() -> About:
        await asyncio.to_thread(started.wait)
        return ABOUT

    monkeypatch.setattr(calling, "start", start)
    handle: Any = SimpleNamespace(describe=SimpleNamespace(remote=describe))
    closed = RemoteQueue("fake", handle, Settings(), metrics, calling)
    begun[0].add_done_callback(lambda _: heard.set())  # behind the queue's own
    closed.close()
    started.set()
    assert heard.wait(WAIT)
    assert closed.state is State.CLOSED
    assert b'trackline_model_ready{model="fake"}' not in metrics.exposition()
