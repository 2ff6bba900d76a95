"""A real nginx with the file of deploy/ before two real servers: streams, large bodies, and one of the two killed."""

from __future__ import annotations

import json
import re
import shutil
import signal
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.fixtures.serving import Serving, find_free_port
from vitrail.service.keyring import Keyring, KeyringOptions
from vitrail.store.database import DatabaseOptions, open_database

CONF = Path(__file__).parents[2] / "deploy" / "nginx.conf"
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
CONFIG = '[[models]]\nid = "m"\nengine = "scripted"\nscript = "script.yaml"\n'
SCRIPT = """\
rules:
  - when: {text: Slowly}
    chunks: [One, {text: " two", delay_seconds: 3.0}]
  - chunks: [One, " two"]
"""
SLOWLY = [{"role": "user", "content": "Slowly"}]
READY_SECONDS = 20.0


@dataclass(frozen=True, slots=True)
class Balanced:
    """nginx at `url`, and the servers behind it."""

    url: str
    key: str
    servers: tuple[Serving, Serving]

    def ask(self, **changed: object) -> Any:
        """Return the open response to a question."""
        body = {"model": "m", "messages": [{"role": "user", "content": "Hello"}], **changed}
        headers = {"Authorization": f"Bearer {self.key}", "Content-Type": "application/json"}
        request = urllib.request.Request(f"{self.url}/v1/chat/completions", json.dumps(body).encode(), headers)
        return OPENER.open(request, timeout=30)


def _write_conf(folder: Path, ports: list[int], port: int) -> Path:
    """Write the file of deploy/ with other addresses, and with what a process that is not root may write to."""
    text = CONF.read_text()
    for number, inner in enumerate(ports, start=1):
        text = text.replace(f"vitrail-{number}:8000", f"127.0.0.1:{inner}")
    text = text.replace("listen 8000;", f"listen 127.0.0.1:{port};")
    kinds = ("client_body", "proxy", "fastcgi", "uwsgi", "scgi")
    paths = "\n".join(f"{kind}_temp_path {folder / kind};" for kind in kinds)
    text = re.sub(r"http \{", f"http {{\naccess_log off;\n{paths}", text, count=1)
    conf = folder / "nginx.conf"
    conf.write_text(f"daemon off;\nmaster_process off;\npid {folder / 'pid'};\nerror_log {folder / 'log'};\n{text}")
    return conf


@pytest.fixture(scope="module")
def balanced(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Balanced]:
    """Two servers over one database, and nginx before them."""
    program = shutil.which("nginx", path="/usr/sbin:/usr/local/sbin") or shutil.which("nginx")
    if program is None:
        pytest.skip("nginx is not installed (no `nginx` in PATH)")
    folder = tmp_path_factory.mktemp("nginx")
    (folder / "vitrail.toml").write_text(CONFIG)
    (folder / "script.yaml").write_text(SCRIPT)
    url = f"sqlite:///{folder / 'shared.db'}"
    database = open_database(DatabaseOptions(url=url), data_dir=folder)
    key = Keyring(database, KeyringOptions(), monotonic=time.monotonic).create(name="nginx").secret
    database.close()
    with ExitStack() as stack:
        servers = (Serving(folder, url), Serving(folder, url))
        for server in servers:
            server.start()
            stack.callback(server.end, signal.SIGKILL)
        port = find_free_port()
        conf = _write_conf(folder, [server.port for server in servers], port)
        nginx = subprocess.Popen([program, "-c", conf, "-p", folder], stderr=subprocess.DEVNULL)
        stack.callback(nginx.wait, 20)
        stack.callback(nginx.terminate)
        _wait_for(port, folder / "log")
        yield Balanced(f"http://127.0.0.1:{port}", key, servers)


def _wait_for(port: int, log: Path) -> None:
    ends_at = time.monotonic() + READY_SECONDS
    while True:
        try:
            socket.create_connection(("127.0.0.1", port), timeout=1).close()
        except OSError:
            assert time.monotonic() < ends_at, log.read_text() if log.exists() else "nginx does not start"
            time.sleep(0.1)
        else:
            return


def test_both_servers_answer(balanced: Balanced) -> None:
    """Questions go to the one with fewer, so open streams are on both."""
    with balanced.ask(stream=True, messages=SLOWLY) as first, balanced.ask(stream=True, messages=SLOWLY) as second:
        told = [_count_requests(server) for server in balanced.servers]
        assert first.status == second.status == 200
        first.read(), second.read()
    assert [_count_requests(server) - before for server, before in zip(balanced.servers, told, strict=True)] == [1, 1]


def _count_requests(server: Serving) -> float:
    with OPENER.open(f"http://127.0.0.1:{server.port}/metrics", timeout=10) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if re.match(r"vitrail_requests_total\{.*chat", line))


def test_a_stream_comes_piece_by_piece(balanced: Balanced) -> None:
    """Nothing is gathered on the way: the first piece is here long before the second one is said."""
    with balanced.ask(stream=True, messages=SLOWLY) as answer:
        while b"One" not in answer.readline():
            pass
        first_at = time.monotonic()
        rest = answer.read()
    assert b" two" in rest and b"[DONE]" in rest
    assert time.monotonic() - first_at > 0.5


def test_a_body_of_many_megabytes_goes_through(balanced: Balanced) -> None:
    """What Vitrail takes is not cut off, and its own refusal of more comes back."""
    words = "word " * (12 << 20)
    with balanced.ask(messages=[{"role": "user", "content": "x"}], user=words) as answer:
        assert json.load(answer)["choices"][0]["message"]["content"] == "One two"


def test_when_one_server_is_killed_the_other_answers(balanced: Balanced) -> None:
    """Every question after the kill is answered: one that found nobody is sent to the other, once."""
    balanced.servers[0].end(signal.SIGKILL)
    for _ in range(6):
        with balanced.ask() as answer:
            assert json.load(answer)["choices"][0]["message"]["content"] == "One two"
