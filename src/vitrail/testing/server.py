"""Start a Vitrail server with scripted models in a child process, and steer it. The plugin does; no pytest needed.

A process of its own does not mind what tests do to theirs: frozen clocks, patched sockets, warnings as errors.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import threading
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import IO, Any
from urllib.error import HTTPError

import msgspec

from vitrail.domain.request_log import LoggedRequest

_START_SECONDS = 60.0
_CALL_SECONDS = 10.0
_STOP_SECONDS = 10.0
_NO_PROXY = "127.0.0.1,localhost"


class ServerGone(Exception):
    """The server did not start, or refused what a test wanted of it; the text says why."""


class VitrailServer:
    """A running server: where it is, what it plays, and what it was asked."""

    def __init__(self, *, url: str, api_key: str, grpc_host: str | None = None) -> None:
        self.url = url
        self.api_key = api_key
        self.grpc_host = grpc_host  # what the xAI SDK takes as `api_host`, where gRPC was asked for

    @property
    def base_url(self) -> str:
        """Return what OpenAI-style clients take as their base URL."""
        return f"{self.url}/v1"

    @property
    def environment(self) -> dict[str, str]:
        """Return the variables that make the usual SDKs call this server."""
        openai = {"OPENAI_API_KEY": self.api_key, "OPENAI_BASE_URL": self.base_url}
        anthropic = {"ANTHROPIC_API_KEY": self.api_key, "ANTHROPIC_BASE_URL": self.url}
        xai = {"XAI_API_KEY": self.api_key, "XAI_BASE_URL": self.base_url}
        around = {name: _with_loopback(os.environ.get(name, "")) for name in ("NO_PROXY", "no_proxy")}
        return {**openai, **anthropic, **xai, **around}

    @property
    def requests(self) -> list[LoggedRequest]:
        """Return what was asked since the test began, oldest first."""
        answer = self._call("GET", "/v1/scripted/requests")
        return msgspec.convert(answer["data"], list[LoggedRequest])

    def script(
        self,
        script: Path | str | None = None,
        *,
        rules: Sequence[Mapping[str, Any]] | None = None,
        strict: bool = False,
        model: str | None = None,
    ) -> None:
        """Play these rules, or the script in a file or a text, from the beginning; on one model or on all.

        Raises ServerGone that names the line at fault.
        """
        if (script is None) == (rules is None) or (strict and rules is None):
            raise TypeError("either a script, which says itself whether it is strict, or `rules`")
        text = json.dumps({"strict": strict, "rules": rules}, ensure_ascii=False)
        if isinstance(script, Path):
            text = script.read_text(encoding="utf-8")
        elif script is not None:
            text = script
        self._call("PUT", "/v1/scripted/script", {"script": text, "model": model})

    def forget(self) -> None:
        """Empty the log of requests."""
        self._call("DELETE", "/v1/scripted/requests")

    def reset(self) -> None:
        """Play the configured scripts again and empty the log."""
        self._call("DELETE", "/v1/scripted/script")
        self.forget()

    def _call(self, method: str, path: str, body: object = None) -> Any:
        request = urllib.request.Request(
            self.url + path,
            method=method,
            data=None if body is None else json.dumps(body).encode(),
            headers={"Authorization": f"Bearer {self.api_key}", "Content-Type": "application/json"},
        )
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        try:
            with opener.open(request, timeout=_CALL_SECONDS) as answer:
                return json.load(answer)
        except HTTPError as error:
            with error:
                raise ServerGone(json.load(error)["error"]) from error
        except OSError as error:
            raise ServerGone(f"The Vitrail server at {self.url} does not answer: {error}") from error


@contextmanager
def start_server(
    folder: Path, *, models: Sequence[str] = ("grok-2-vision-1212",), config: Path | None = None, grpc: bool = False
) -> Iterator[VitrailServer]:
    """Run a server on a free loopback port, its database in `folder`; `config` is a settings file instead of `models`.

    With `grpc` it speaks that too, on another free port. Raises ServerGone when it does not start.
    """
    told = {
        "data_dir": str(folder),
        "models": list(models),
        "config": str(config) if config else None,
        "grpc": grpc,
    }
    environment = {name: value for name, value in os.environ.items() if not name.startswith("VITRAIL_")}
    with (
        tempfile.TemporaryFile() as complaints,
        subprocess.Popen(
            [sys.executable, "-P", "-m", "vitrail.testing.child", json.dumps(told)],
            stdin=subprocess.PIPE,  # the child ends when this closes, however this process ends
            stdout=subprocess.PIPE,
            stderr=complaints,
            env=environment,
            cwd=config.parent if config else folder,
        ) as child,
    ):
        try:
            yield _read_announcement(child, complaints)
        finally:
            _stop(child)


def _read_announcement(child: subprocess.Popen[bytes], complaints: IO[bytes]) -> VitrailServer:
    assert child.stdout is not None
    deadline = threading.Timer(_START_SECONDS, child.kill)
    deadline.start()
    line = child.stdout.readline()
    deadline.cancel()
    if not line:
        child.wait(_STOP_SECONDS)
        complaints.seek(0)
        raise ServerGone(f"Vitrail did not start:\n{complaints.read().decode(errors='replace')}")
    return VitrailServer(**json.loads(line))


def _stop(child: subprocess.Popen[bytes]) -> None:
    assert child.stdin is not None
    child.stdin.close()
    try:
        child.wait(_STOP_SECONDS)
    except subprocess.TimeoutExpired:
        child.kill()


def _with_loopback(hosts: str) -> str:
    return f"{hosts},{_NO_PROXY}" if hosts else _NO_PROXY
