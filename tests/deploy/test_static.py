"""What can be said of the files of deployment without running them."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import pytest
import yaml

from service.http.metrics import Metrics
from tests.conftest import ROOT
from tests.deploy.programs import DEPLOY, needed

COMPOSE = [ROOT / "docker-compose.yml", DEPLOY / "compose.public.yml"]
MANIFESTS = sorted((DEPLOY / "kubernetes").glob("*.yaml"))
BIN = Path(sys.executable).parent
VARIABLE = re.compile(r"\$\{(\w+)(:?[-?])?")


def check(*command: str | Path) -> None:
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_dockerfile_is_clean() -> None:
    check(BIN / "hadolint", "--failure-threshold", "style", ROOT / "Dockerfile")


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_compose_files_keep_to_the_specification(path: Path) -> None:
    check(BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", path)


@pytest.mark.parametrize("path", COMPOSE, ids=lambda path: path.name)
def test_every_container_is_confined(path: Path) -> None:
    for name, service in yaml.safe_load(path.read_text())["services"].items():
        if "image" not in service:
            continue  # it only adds to one of the other file
        assert service["read_only"], name
        assert service["cap_drop"] == ["ALL"], name
        assert service["security_opt"] == ["no-new-privileges:true"], name
        assert service["restart"] == "unless-stopped", name
        assert service["mem_limit"], name
        for port in service.get("ports", ()):
            assert port.startswith("127.0.0.1:"), f"{name} is open to others"


def test_the_compose_file_needs_no_variable_and_each_is_in_the_example() -> None:
    used = {path: VARIABLE.findall(path.read_text()) for path in COMPOSE}
    assert all(mark == ":-" for _, mark in used[COMPOSE[0]])
    example = re.findall(r"^(\w+)=", (ROOT / ".env.example").read_text(), re.M)
    assert sorted(example) == sorted({name for found in used.values() for name, _ in found})


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_manifests_keep_to_the_schemas_of_kubernetes(path: Path) -> None:
    check(BIN / "kubernetes-validate", "--strict", path)


@pytest.mark.parametrize("path", MANIFESTS, ids=lambda path: path.name)
def test_every_container_has_the_keys_of_the_secret_that_the_manifest_tells_to_make(
    path: Path,
) -> None:
    text = path.read_text()
    told = {
        f"TRACKLINE_{key.upper().replace('-', '_')}": {"name": "trackline", "key": key}
        for key in re.findall(r"--from-literal=([\w-]+)=", text)
    }
    assert set(told) == {"TRACKLINE_API_KEYS", "TRACKLINE_ADMIN_KEY"}
    found = list(containers(list(yaml.safe_load_all(text))))
    assert found
    for container in found:
        taken = {
            variable["name"]: variable["valueFrom"]["secretKeyRef"]
            for variable in container["env"]
            if "valueFrom" in variable
        }
        assert taken == told


def containers(node: Any) -> Iterator[dict[str, Any]]:
    """The containers of all pods somewhere in a manifest."""
    inside = node.items() if isinstance(node, dict) else enumerate(node)
    for key, value in inside:
        if key == "containers":
            yield from value
        elif isinstance(value, dict | list):
            yield from containers(value)


def ray_service() -> dict[str, Any]:
    """The cluster of the manifest, as KubeRay reads it."""
    text = (DEPLOY / "kubernetes" / "ray-service.yaml").read_text()
    spec: dict[str, Any] = next(iter(yaml.safe_load_all(text)))["spec"]
    return spec


def test_the_pods_of_a_cluster_keep_to_the_schemas_of_kubernetes(tmp_path: Path) -> None:
    cluster = ray_service()["rayClusterConfig"]
    groups = [cluster["headGroupSpec"], *cluster["workerGroupSpecs"]]
    for number, group in enumerate(groups):
        pod = {"apiVersion": "v1", "kind": "Pod", "metadata": {"name": "ray"}, **group["template"]}
        path = tmp_path / f"{number}.yaml"
        path.write_text(yaml.safe_dump(pod))
        check(BIN / "kubernetes-validate", "--strict", path)


def test_the_configurations_of_serve_are_ones_that_it_and_we_take() -> None:
    pytest.importorskip("ray", reason="no Ray here: pip install 'trackline[ray]'")
    from ray.serve.schema import ServeDeploySchema

    from service.ray_app import Plan

    texts = [(DEPLOY / "ray" / "serve.yaml").read_text(), ray_service()["serveConfigV2"]]
    for text in texts:
        applications = ServeDeploySchema.model_validate(yaml.safe_load(text)).applications
        assert [one.name for one in applications] == ["trackline", "jobs"]
        for one in applications:
            Plan.model_validate(one.args).read()


def test_the_unit_is_one_that_systemd_takes(tmp_path: Path) -> None:
    program = needed("systemd-analyze", "systemd")
    unit = (DEPLOY / "systemd" / "trackline.service").read_text()
    here = tmp_path / "trackline.service"
    assert "/opt/trackline/bin/trackline" in unit
    here.write_text(unit.replace("/opt/trackline/bin/trackline", "/bin/true"))
    check(program, "verify", here)


def test_prometheus_takes_its_configuration_and_its_rules() -> None:
    check(needed("promtool", "prometheus"), "check", "config", DEPLOY / "prometheus/prometheus.yml")


def test_grafana_finds_its_dashboard_and_the_dashboard_its_prometheus() -> None:
    services = yaml.safe_load(COMPOSE[0].read_text())["services"]
    mounted = {inside: ROOT / here for here, inside in volumes(services["grafana"])}
    folder = mounted["/etc/grafana/provisioning"]
    (source,) = provisioned(folder / "datasources")["datasources"]
    address = urlsplit(source["url"])
    assert services[address.hostname]["image"].startswith("prom/prometheus")
    assert address.port == 9090  # Prometheus' own; the compose file tells it no other
    (provider,) = provisioned(folder / "dashboards")["providers"]
    (board,) = mounted[provider["options"]["path"]].glob("*.json")
    for panel in json.loads(board.read_text())["panels"]:
        assert panel["datasource"] == {"type": source["type"], "uid": source["uid"]}


def provisioned(folder: Path) -> dict[str, Any]:
    """The one file in a folder that Grafana reads at its start."""
    (path,) = folder.iterdir()
    assert path.suffix in (".yml", ".yaml")
    read: dict[str, Any] = yaml.safe_load(path.read_text())
    assert read["apiVersion"] == 1
    return read


def volumes(service: dict[str, Any]) -> list[list[str]]:
    """What a container has from outside: where that is, and where it is inside."""
    return [volume.split(":")[:2] for volume in service["volumes"]]


def test_dashboard_and_alerts_ask_for_what_the_server_measures() -> None:
    families = Metrics().registry.collect()
    measured = {"up"} | {sample for family in families for sample in _samples(family)}
    for expression in [*panels(), *alerts()]:
        asked = set(re.findall(r"\b(?:trackline_\w+|up)\b", expression))
        assert asked, expression
        assert asked <= measured, expression


def panels() -> list[str]:
    """The queries of the dashboard."""
    board = json.loads((DEPLOY / "grafana/dashboards/trackline.json").read_text())
    return [target["expr"] for panel in board["panels"] for target in panel["targets"]]


def alerts() -> list[str]:
    """The conditions of the alert rules."""
    groups = yaml.safe_load((DEPLOY / "prometheus/alerts.yml").read_text())["groups"]
    return [rule["expr"] for group in groups for rule in group["rules"]]


def _samples(family: Any) -> list[str]:
    """The names under which Prometheus keeps what a metric says."""
    endings = {"counter": ["_total"], "histogram": ["_bucket", "_sum", "_count"], "gauge": [""]}
    return [family.name + ending for ending in endings[family.type]]
