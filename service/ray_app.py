"""Trackline on Ray Serve: networks as autoscaled deployments, and the application before them.

Two applications of Serve. ``trackline`` has the networks and the replicas that answer at ``/``;
one of them owns a whole video, so its tracker lives in one place. ``jobs`` is one replica more, at
``/v1/videos``: it keeps the folder of jobs, and where it dies, the next one takes them up from
their last committed frame.
"""

from __future__ import annotations

import signal
import sys
import threading
from typing import Any

import ray
from pydantic import BaseModel, Field
from ray import serve
from ray.serve import Application
from ray.serve.config import AutoscalingConfig, HTTPOptions

from service.cluster.deployments import NETWORKS, Detector, Embedder, Ingress, Segmenter
from service.cluster.engine import COLOUR
from service.http.server import address_of, listen
from service.settings import Settings

JOBS = "jobs"
JOBS_PREFIX = "/v1/videos"
STREAMS_PER_REPLICA = 1024
"""Requests that a replica of the application may have; its settings refuse far fewer."""


class Pool(BaseModel, extra="forbid"):
    """Replicas of one deployment.

    Attributes
    ----------
    least, most : int
        How many of them; Serve adds one while each has more than ``busy`` requests.
    busy : float
        Requests of a replica that has enough to do.
    add_after, remove_after : float
        Seconds for which there must have been too much or too little to do.
    cpus, gpus : float
        What a node must have left for a replica.
    resources : dict
        Further ones, as Ray names them.
    """

    least: int = Field(default=1, ge=0)
    most: int = Field(default=1, ge=1)
    busy: float = Field(default=8, gt=0)
    add_after: float = Field(default=30, ge=0)
    remove_after: float = Field(default=600, ge=0)
    cpus: float = 1
    gpus: float = 0
    resources: dict[str, float] = {}

    def options(self, name: str) -> dict[str, Any]:
        """The options of a deployment of this size."""
        return {
            "name": name,
            "autoscaling_config": AutoscalingConfig(
                min_replicas=self.least,
                max_replicas=max(self.least, self.most),
                target_ongoing_requests=self.busy,
                upscale_delay_s=self.add_after,
                downscale_delay_s=self.remove_after,
            ),
            "ray_actor_options": {
                "num_cpus": self.cpus,
                "num_gpus": self.gpus,
                "resources": self.resources,
            },
        }


class Plan(BaseModel, extra="forbid"):
    """What a cluster runs; the ``args`` of an application in a Serve configuration.

    Attributes
    ----------
    settings : dict
        Of `service.settings.Settings`, beside the ``TRACKLINE_…`` variables.
    ingress, jobs, detector, embedder, segmenter : Pool
        Replicas of each; of the networks, for each of them.
    """

    settings: dict[str, Any] = {}
    ingress: Pool = Pool(cpus=0.1, busy=16)
    jobs: Pool = Pool(cpus=0.1)
    detector: Pool = Pool(cpus=1)
    embedder: Pool = Pool(cpus=0.5)
    segmenter: Pool = Pool(cpus=0.1)

    def read(self) -> Settings:
        """The settings of every replica."""
        return Settings(**self.settings)


def build(args: dict[str, Any]) -> Application:
    """The application ``trackline``: the networks, and what answers at ``/``."""
    plan = Plan.model_validate(args)
    settings = plan.read()
    pending = settings.image_queue + settings.frame_queue
    networks: list[Application] = []
    for name in _deployments(settings):
        kind, _, network = name.partition("-")
        made = {"detector": Detector, "embedder": Embedder, "segmenter": Segmenter}[kind]
        pool: Pool = getattr(plan, kind)
        deployment = serve.deployment(made, max_ongoing_requests=pending, **pool.options(name))
        # A replica computes with the cores that its node keeps for it.
        threads = settings.threads or max(1, round(pool.cpus))
        networks.append(deployment.bind(network, settings.model_copy(update={"threads": threads})))
    here = settings.model_copy(update={"keep_jobs": False})  # no request for a job comes here
    return _ingress(plan.ingress, "ingress").bind(here, set(_deployments(settings)), *networks)


def build_jobs(args: dict[str, Any]) -> Application:
    """The application ``jobs``, of one replica; its networks are those of ``trackline``."""
    plan = Plan.model_validate(args)
    settings = plan.read()
    return _ingress(plan.jobs, JOBS).bind(settings, set(_deployments(settings)))


def serve_here(settings: Settings) -> None:
    """Run a cluster of this machine alone until SIGTERM or SIGINT.

    Raises
    ------
    InvalidInput
        The address cannot be listened at.
    """
    with listen(settings) as free:  # Serve would say nothing of an address that is taken
        address, port = address_of(free), free.getsockname()[1]
    # Not the cluster that this machine may be a node of, or was one of.
    ray.init("local", include_dashboard=False, log_to_driver=False)
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        serve.start(http_options=HTTPOptions(host=settings.host, port=port))
        args = {"settings": settings.model_dump(exclude_unset=True)}
        serve.run(build(args), name=NETWORKS, route_prefix="/")
        serve.run(build_jobs(args), name=JOBS, route_prefix=JOBS_PREFIX)
        sys.stderr.write(f"trackline: listening on {address}\n")
        sys.stderr.flush()
        stop.wait()
    finally:
        serve.shutdown()
        ray.shutdown()


def _deployments(settings: Settings) -> list[str]:
    """The deployments of networks that the settings ask for."""
    embedders = [settings.embedder] if settings.embedder != COLOUR else []
    return [
        *(f"detector-{name}" for name in settings.models),
        *(f"embedder-{name}" for name in embedders),
        *(f"segmenter-{name}" for name in settings.segmenters),
    ]


def _ingress(pool: Pool, name: str) -> Any:
    options = pool.options(name)
    if name == JOBS:
        del options["autoscaling_config"]  # one replica: it alone has the folder
    return serve.deployment(Ingress, max_ongoing_requests=STREAMS_PER_REPLICA, **options)
