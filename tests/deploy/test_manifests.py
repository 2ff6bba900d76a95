"""The files under deploy/ name settings, metrics and ports that Vitrail has. No container engine runs in the tests."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from bench.scaling.load import Gpu, mean
from bench.scaling.planning import BUSY, plan
from bench.scaling.recorded import RECORDED
from vitrail.domain.completion import Usage
from vitrail.domain.settlement import CompletionStatus
from vitrail.engines.slots import SlotsOptions
from vitrail.settings import Settings, list_settings
from vitrail.telemetry import Metrics

DEPLOY = Path(__file__).parents[2] / "deploy"
YAML_FILES = sorted((*DEPLOY.rglob("*.yaml"), *DEPLOY.rglob("*.yml")))
DOCUMENTS = [document for path in YAML_FILES for document in yaml.safe_load_all(path.read_text())]


def test_every_variable_is_a_setting() -> None:
    """What the manifests and the Dockerfile set, `vitrail serve` reads."""
    text = "\n".join(path.read_text() for path in (*YAML_FILES, DEPLOY / "Dockerfile"))
    named = set(re.findall(r"VITRAIL_[A-Z_]+", text))
    assert named >= {"VITRAIL_DATABASE_URL", "VITRAIL_RATE_LIMITS_URL"}
    assert named <= {row.variable for row in list_settings()}


@pytest.mark.parametrize(
    "text",
    [
        (DEPLOY / "vitrail.toml").read_text(),
        next(d["data"]["vitrail.toml"] for d in DOCUMENTS if "vitrail.toml" in d.get("data", ())),
    ],
    ids=["compose", "kubernetes"],
)
def test_the_models_files_are_settings(text: str) -> None:
    """They pass the checks that `vitrail serve` makes, and keep the guide's model names working."""
    settings = Settings.model_validate(tomllib.loads(text))
    assert settings.models[0].engine == "upstream"
    assert "grok-2-vision-latest" in settings.models[0].aliases


def test_the_board_shows_metrics_that_are_there() -> None:
    """Every name in its expressions is one of /metrics."""

    class Idle:
        running = waiting = restarts = 0

    metrics = Metrics()
    metrics.watch_slots("m", Idle())
    metrics.observe_request("/v1/models", 200, 0.1)
    metrics.observe_completion("m", CompletionStatus.FINISHED, Usage(1, 0), 5.0)
    metrics.observe_engine_prompt("m", 1)
    metrics.watch_restarts("m", Idle())
    known = set(re.findall(r"^(vitrail_\w+)", metrics.render()[0].decode(), re.MULTILINE))
    board = json.loads((DEPLOY / "grafana" / "board.json").read_text())
    named = {
        name for panel in board["panels"] for t in panel["targets"] for name in re.findall(r"vitrail_\w+", t["expr"])
    }
    assert named and named <= known


@pytest.fixture
def deployment() -> Any:
    """The Deployment of Vitrail."""
    return next(d for d in DOCUMENTS if d.get("kind") == "Deployment" and d["metadata"]["name"] == "vitrail")


@pytest.fixture
def container(deployment: Any) -> Any:
    """Its one container."""
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    return container


def test_a_stopped_process_has_time_to_drain(deployment: Any, container: Any) -> None:
    """Compose and Kubernetes wait longer than running generations get, and Kubernetes than its balancers take."""
    drain_seconds = Settings().server.drain_seconds + SlotsOptions().drain_seconds
    program, seconds = container["lifecycle"]["preStop"]["exec"]["command"]
    assert program == "sleep" and 5 <= int(seconds) <= 30
    assert deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] > int(seconds) + drain_seconds
    compose: Any = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert int(compose["services"]["vitrail-1"]["stop_grace_period"].removesuffix("s")) > drain_seconds


def test_probes_and_ports_agree(container: Any) -> None:
    """The probes are routes of the server, on the port that the container has."""
    assert container["startupProbe"]["httpGet"]["path"] == "/livez"
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["ports"] == [{"name": "http", "containerPort": Settings().http.port}]
    assert f"EXPOSE {Settings().http.port}" in (DEPLOY / "Dockerfile").read_text()


def test_what_is_written_has_a_volume(container: Any) -> None:
    """The root file system cannot be written; the data directory of the image and /tmp can."""
    assert container["securityContext"]["readOnlyRootFilesystem"]
    mounted = {mount["mountPath"] for mount in container["volumeMounts"]}
    data_dir = re.search(r"VITRAIL_DATA_DIR=(\S+)", (DEPLOY / "Dockerfile").read_text())
    assert data_dir and mounted >= {data_dir[1], "/tmp"}


def test_postgres_takes_the_connections_of_as_many_processes_as_may_run() -> None:
    """Each process keeps a pool of SQLAlchemy's default size, five and ten more under load."""
    autoscaler: Any = next(d for d in DOCUMENTS if d.get("kind") == "HorizontalPodAutoscaler")
    postgres: Any = next(d for d in DOCUMENTS if d.get("kind") == "StatefulSet")
    (container,) = postgres["spec"]["template"]["spec"]["containers"]
    connections = re.search(r"max_connections=(\d+)", " ".join(container["args"]))
    assert connections and int(connections[1]) > (autoscaler["spec"]["maxReplicas"] + 1) * 15
    assert {"name": "PGDATA", "value": "/var/lib/postgresql/data/pgdata"} in container["env"]


def test_the_autoscaler_asks_for_what_the_adapter_gives(deployment: Any, container: Any) -> None:
    """Its metric has a rule over one of /metrics; its figures are those of a process that is as busy as planned."""
    autoscaler: Any = next(d for d in DOCUMENTS if d.get("kind") == "HorizontalPodAutoscaler")
    (pods,) = [metric["pods"] for metric in autoscaler["spec"]["metrics"] if metric["type"] == "Pods"]
    (rule,) = yaml.safe_load((DEPLOY / "prometheus-adapter.yaml").read_text())["rules"]["custom"]
    assert rule["name"]["as"] == pods["metric"]["name"]
    assert "vitrail_slots{" in rule["seriesQuery"] and "vitrail_slots{" in rule["metricsQuery"]
    needed = plan(1000.0, RECORDED, Gpu())  # 70 % busy
    running = 1000.0 * mean(Gpu().idle_seconds) / needed.processes
    assert 0.8 * running < int(pods["target"]["averageValue"]) < 1.2 * running
    (cores,) = [m["resource"]["target"] for m in autoscaler["spec"]["metrics"] if m["type"] == "Resource"]
    asked = int(container["resources"]["requests"]["cpu"])
    busy = 100 * BUSY * needed.cores / needed.processes / asked
    assert 0.8 * busy < cores["averageUtilization"] < 1.2 * busy
    assert deployment["metadata"]["name"] == autoscaler["spec"]["scaleTargetRef"]["name"]


def test_every_pod_that_is_scraped_says_where() -> None:
    """Prometheus keeps the pods with both annotations: Vitrail on its own port, Ray on that of its metrics."""
    ray: Any = next(d for d in DOCUMENTS if d.get("kind") == "RayService")["spec"]["rayClusterConfig"]
    templates = [ray["headGroupSpec"]["template"], *(group["template"] for group in ray["workerGroupSpecs"])]
    ports = {template["metadata"]["annotations"]["prometheus.io/port"] for template in templates}
    assert ports == {"8080"} and ray["enableInTreeAutoscaling"]


def test_no_name_of_a_service_becomes_a_setting() -> None:
    """Kubernetes puts services into the environment of pods, as VITRAIL_PORT and the like, unless it is told not to."""
    specs = [d["spec"]["template"]["spec"] for d in DOCUMENTS if d.get("kind") in ("Deployment", "StatefulSet")]
    assert len(specs) >= 5 and not any(spec["enableServiceLinks"] for spec in specs)


def test_nginx_never_sends_a_request_again_that_may_have_been_taken() -> None:
    """Only where nobody could be reached; a POST that was sent could be answered, and paid, twice."""
    text = (DEPLOY / "nginx.conf").read_text()
    assert re.findall(r"proxy_next_upstream ([^;]+);", text) == ["error"]


def test_nginx_gives_up_idle_connections_before_vitrail_does() -> None:
    """Else a request could meet a connection that is just being closed."""
    text = (DEPLOY / "nginx.conf").read_text()
    seconds = re.search(r"upstream vitrail \{.*?keepalive_timeout (\d+)s;.*?\}", text, re.DOTALL)
    assert seconds and int(seconds[1]) < Settings().http.idle_seconds


def test_nginx_lets_bodies_of_the_servers_size_through() -> None:
    """A body that Vitrail takes is not cut off before it."""
    limit = re.search(r"client_max_body_size (\d+)m", (DEPLOY / "nginx.conf").read_text())
    assert limit and int(limit[1]) * 2**20 >= Settings().http.body_bytes
