"""A real Prometheus with the file of deploy/ scrapes a real Vitrail, and every panel of the board shows something."""

from __future__ import annotations

import json
import shutil
import socket
import subprocess
import sys
import threading
import time
import urllib.parse
import urllib.request
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any
from urllib.error import HTTPError

import pytest
import yaml

from vitrail.testing.server import VitrailServer, start_server

ROOT = Path(__file__).parents[2]
DEPLOY = ROOT / "deploy"
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
READY_SECONDS = 40.0
WHOLE_SERIES_SECONDS = 20.0
FAILED = 'sum by (status) (rate(vitrail_completions_total{status!="finished"}[5m]))'
SHORTEST_RATE = "3s"  # the board's are minutes long, and a rate wants two scrapes


@pytest.fixture(scope="module")
def vitrail(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VitrailServer]:
    """A Vitrail with the tiny model by the llama engine, for one generation at a time."""
    folder = tmp_path_factory.mktemp("vitrail")
    subprocess.run([sys.executable, ROOT / "tests" / "fixtures" / "tiny_vlm.py", folder], check=True)
    config = folder / "vitrail.toml"
    config.write_text(
        f'[[models]]\nid = "tiny"\nengine = "llama"\ngguf = "{folder / "tiny-lm.gguf"}"\n'
        f'mmproj = "{folder / "tiny-mmproj.gguf"}"\nlimits = {{ requests_per_minute = 4 }}\n'
        "[llama]\nthreads = 1\nwarmup = false\n"
    )
    with start_server(folder, config=config) as server:
        yield server


class VllmMetrics(BaseHTTPRequestHandler):
    """What vLLM tells of its queue, by itself and through Ray."""

    TEXT = "".join(
        f"{prefix}num_requests_{state} 1\n" for prefix in ("vllm:", "ray_vllm_") for state in ("running", "waiting")
    )

    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; version=0.0.4")
        self.end_headers()
        self.wfile.write(self.TEXT.encode())

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@pytest.fixture(scope="module")
def vllm() -> Iterator[str]:
    """The address of a server with vLLM's metrics; a real one is in tests/vllm."""
    with ThreadingHTTPServer(("127.0.0.1", 0), VllmMetrics) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        yield f"127.0.0.1:{server.server_port}"
        server.shutdown()


@pytest.fixture(scope="module")
def prometheus(vitrail: VitrailServer, vllm: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a Prometheus that runs deploy/prometheus.yml with these two targets, scraped often."""
    program = shutil.which("prometheus")
    if program is None:
        pytest.skip("Prometheus is not installed (no `prometheus` in PATH)")
    folder = tmp_path_factory.mktemp("prometheus")
    config: Any = yaml.safe_load((DEPLOY / "prometheus.yml").read_text())
    config["global"]["scrape_interval"] = "500ms"
    for job in config["scrape_configs"]:
        job["static_configs"] = [
            {"targets": [{"vitrail": vitrail.url.removeprefix("http://"), "vllm": vllm}[job["job_name"]]]}
        ]
    (folder / "prometheus.yml").write_text(yaml.safe_dump(config))
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{probe.getsockname()[1]}"
    flags = {"config.file": folder / "prometheus.yml", "storage.tsdb.path": folder / "data"}
    command = [program, *(f"--{name}={value}" for name, value in flags.items()), f"--web.listen-address={address}"]
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, stdout=log, stderr=subprocess.STDOUT)
    try:
        wait_until(lambda: is_ready(address), (folder / "log").read_text, seconds=READY_SECONDS)
        yield f"http://{address}"
    finally:
        process.terminate()
        process.wait(20)


def is_ready(address: str) -> bool:
    """Tell whether Prometheus answers queries."""
    try:
        with OPENER.open(f"http://{address}/-/ready", timeout=5) as answer:
            return bool(answer.status == 200)
    except OSError:
        return False


def wait_until(is_so: Any, explain: Any, *, seconds: float) -> None:
    """Return once `is_so()`; fails with what `explain()` says."""
    ends_at = time.monotonic() + seconds
    while not is_so():
        assert time.monotonic() < ends_at, explain()
        time.sleep(0.2)


def query(prometheus: str, expression: str) -> list[tuple[dict[str, str], float]]:
    """Return the labels and the value of every series that an expression gives now; raises for one that is wrong."""
    asked = urllib.parse.urlencode({"query": expression})
    with OPENER.open(f"{prometheus}/api/v1/query?{asked}", timeout=10) as answer:
        found = json.load(answer)
    assert found["status"] == "success", found
    return [(series["metric"], float(series["value"][1])) for series in found["data"]["result"]]


def ask(server: VitrailServer, **changed: object) -> int:
    """Ask for an answer, and return its status."""
    body = {"model": "tiny", "max_tokens": 4, "messages": [{"role": "user", "content": "Hello"}], **changed}
    request = urllib.request.Request(
        f"{server.base_url}/chat/completions",
        data=json.dumps(body).encode(),
        headers={"Authorization": f"Bearer {server.api_key}", "Content-Type": "application/json"},
    )
    try:
        with OPENER.open(request, timeout=60) as answer:
            answer.read()
            return int(answer.status)
    except HTTPError as error:
        with error:
            return error.code


def test_every_panel_of_the_board_shows_what_happened(vitrail: VitrailServer, prometheus: str) -> None:
    """While questions are answered and refused, each query gives series, with the labels that its legend names."""
    statuses = set()
    board = json.loads((DEPLOY / "grafana" / "board.json").read_text())
    left = {target["expr"]: target["legendFormat"] for panel in board["panels"] for target in panel["targets"]}
    assert left.pop(FAILED)  # nothing fails here
    ends_at = time.monotonic() + WHOLE_SERIES_SECONDS
    while left and time.monotonic() < ends_at:
        statuses.add(ask(vitrail))
        for expression, legend in list(left.items()):
            shorter = expression.replace("[1m]", f"[{SHORTEST_RATE}]").replace("[5m]", f"[{SHORTEST_RATE}]")
            series = query(prometheus, shorter)
            if series and all(f"{{{{{name}}}}}" in legend for labels, _ in series for name in labels):
                del left[expression]
    assert not left and statuses == {200, 429}
    assert query(prometheus, FAILED) == []


def test_prometheus_takes_the_file_for_kubernetes(tmp_path: Path) -> None:
    """Its own checker finds no fault with monitoring.yaml's; how pods are found is not in Debian's build."""
    program = shutil.which("promtool")
    if program is None:
        pytest.skip("Prometheus is not installed (no `promtool` in PATH)")
    documents = yaml.safe_load_all((DEPLOY / "kubernetes" / "monitoring.yaml").read_text())
    (text,) = [d["data"]["prometheus.yml"] for d in documents if d["kind"] == "ConfigMap"]
    config = yaml.safe_load(text)
    (job,) = config["scrape_configs"]
    assert job.pop("kubernetes_sd_configs") == [{"role": "pod", "namespaces": {"own_namespace": True}}]
    (tmp_path / "prometheus.yml").write_text(yaml.safe_dump(config))
    checked = subprocess.run(
        [program, "check", "config", "--syntax-only", tmp_path / "prometheus.yml"],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_counts_are_what_was_asked(vitrail: VitrailServer, prometheus: str) -> None:
    """What Prometheus has of refused requests is how many there were, by route and status."""
    counted = 'sum(vitrail_requests_total{status="404", route="/v1/chat/completions"})'
    assert [ask(vitrail, model="nobody") for _ in range(3)] == [404] * 3
    wait_until(lambda: query(prometheus, counted), lambda: "nothing was scraped", seconds=READY_SECONDS)
    wait_until(lambda: query(prometheus, counted)[0][1] == 3, lambda: query(prometheus, counted), seconds=READY_SECONDS)
