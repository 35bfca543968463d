"""A cluster of a head and two workers, each a set of processes, in a network of its own."""

from __future__ import annotations

import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest

from models import catalog
from tests.service.ports import free_port
from tests.service.postgresql import postgresql, programs
from tests.service.wire import wait_until

START = 300.0
LONG = 300.0
MODEL = "yolo26n"
DETECTOR = f"detector-{MODEL}"
JOBS_DIR = "jobs"


@dataclass
class RunningCluster:
    """The cluster, with the application of ``settings`` on it.

    Attributes
    ----------
    address : str
        Where the application answers.
    cluster : Any
        Ray's own hold of the nodes.
    settings : dict
        Of the application.
    planned : tuple of int
        The least and the most detectors.
    """

    address: str
    cluster: Any
    settings: dict[str, Any]
    planned: tuple[int, int] = (0, 0)

    def deploy(self, least: int, most: int) -> None:
        """Have the application run with so many detectors, one on each worker."""
        if (least, most) == self.planned:
            return
        self.planned = least, most
        from ray import serve

        from service.cluster.deployments import NETWORKS
        from service.ray_app import JOBS, JOBS_PREFIX, Pool, build, build_jobs

        on_head = {"cpus": 0.1, "resources": {"head": 0.1}}
        here = Pool(
            least=least, most=most, busy=4, add_after=1, remove_after=5, resources={"worker": 1}
        )
        args = {
            "settings": self.settings,
            "ingress": on_head,
            "jobs": on_head,
            "embedder": on_head,
            "detector": here.model_dump(),
        }
        serve.run(build(args), name=NETWORKS, route_prefix="/")
        serve.run(build_jobs(args), name=JOBS, route_prefix=JOBS_PREFIX)
        with httpx.Client(base_url=self.address, timeout=LONG) as http:
            wait_until(lambda: http.get("/v2/health/ready").is_success, START)

    def detectors(self) -> int:
        """How many detectors answer."""
        from ray import serve

        from service.cluster.deployments import NETWORKS

        status = serve.status().applications[NETWORKS].deployments[DETECTOR]
        return int(status.replica_states.get("RUNNING", 0))


def replicas(name: str) -> list[Any]:
    """The living actors of a deployment of Serve, named ``application#deployment``."""
    from ray.util.state import list_actors

    alive = list_actors(filters=[("state", "=", "ALIVE")])
    return [actor for actor in alive if (actor.name or "").startswith(f"SERVE_REPLICA::{name}#")]


@pytest.fixture(scope="session")
def video() -> bytes:
    """Real footage."""
    for name in (MODEL, "sample-car-video"):
        if catalog.locate(name) is None:
            pytest.skip(f"no {name} here: trackline models pull {name}")
    path = catalog.locate("sample-car-video")
    assert path is not None
    return path.read_bytes()


@pytest.fixture(scope="session")
def database_url() -> Iterator[str]:
    """Of a PostgreSQL server of its own."""
    bin_dir = programs()
    if bin_dir is None:
        pytest.skip("no PostgreSQL server here: apt-get install postgresql")
    with postgresql(bin_dir) as url:
        yield url


@pytest.fixture(scope="session")
def settings(tmp_path_factory: pytest.TempPathFactory, database_url: str) -> dict[str, Any]:
    """Of the application, whatever runs its networks."""
    return {
        "models": MODEL,
        "embedder": "osnet-x0.25" if catalog.locate("osnet-x0.25") else "mobilenet",
        "segmenters": "",
        "threads": 1,
        "jobs_dir": str(tmp_path_factory.mktemp(JOBS_DIR)),
        "database_url": database_url,
    }


@pytest.fixture(scope="session")
def cluster(settings: dict[str, Any]) -> Iterator[RunningCluster]:
    """The cluster, with one detector."""
    pytest.importorskip("ray", reason="no Ray here: pip install 'trackline[ray]'")
    if [name for _, name in socket.if_nameindex()] != ["lo"]:
        pytest.skip("Ray opens ports on every network: make test-ray gives it one of its own")
    # Replicas are to be as urgent as those who ask them, or the figures are those of the machine.
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_worker_niceness": "0"}
    os.environ["PYTHONPATH"] = str(Path(__file__).resolve().parents[2])
    import ray
    from ray import serve
    from ray.cluster_utils import Cluster
    from ray.serve.config import HTTPOptions

    nodes = Cluster(initialize_head=True, head_node_args={"num_cpus": 2, "resources": {"head": 10}})
    try:
        for _ in range(2):
            nodes.add_node(num_cpus=1, resources={"worker": 1})
        ray.init(address=nodes.address, log_to_driver=False)
        port = free_port()
        # The nodes share an address here, and so would their proxies share connections.
        options = HTTPOptions(host="127.0.0.1", port=port)
        serve.start(proxy_location="HeadOnly", http_options=options)
        running = RunningCluster(f"http://127.0.0.1:{port}", nodes, settings)
        running.deploy(least=1, most=1)
        yield running
        serve.shutdown()
    finally:
        ray.shutdown()
        nodes.shutdown()
