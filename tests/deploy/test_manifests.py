"""The files under deploy/ name settings, metrics and ports that Vitrail has. No container engine runs in the tests."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

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
        next(d["data"]["vitrail.toml"] for d in DOCUMENTS if d.get("kind") == "ConfigMap"),
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


def test_a_stopped_process_has_time_to_drain() -> None:
    """Compose and Kubernetes wait longer than running generations get."""
    deployment: Any = next(d for d in DOCUMENTS if d.get("kind") == "Deployment" and d["metadata"]["name"] == "vitrail")
    seconds = deployment["spec"]["template"]["spec"]["terminationGracePeriodSeconds"]
    compose: Any = yaml.safe_load((DEPLOY / "compose.yaml").read_text())
    assert compose["services"]["vitrail-1"]["stop_grace_period"] == f"{seconds}s"
    assert seconds > Settings().server.drain_seconds + SlotsOptions().drain_seconds


def test_probes_and_ports_agree() -> None:
    """The probes are routes of the server, on the port that the container has."""
    deployment: Any = next(d for d in DOCUMENTS if d.get("kind") == "Deployment" and d["metadata"]["name"] == "vitrail")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["readinessProbe"]["httpGet"]["path"] == "/readyz"
    assert container["livenessProbe"]["httpGet"]["path"] == "/livez"
    assert container["ports"] == [{"name": "http", "containerPort": Settings().http.port}]
    assert f"EXPOSE {Settings().http.port}" in (DEPLOY / "Dockerfile").read_text()


def test_nginx_lets_bodies_of_the_servers_size_through() -> None:
    """A body that Vitrail takes is not cut off before it."""
    limit = re.search(r"client_max_body_size (\d+)m", (DEPLOY / "nginx.conf").read_text())
    assert limit and int(limit[1]) * 2**20 >= Settings().http.body_bytes
