"""A server with scripted models, as the pytest plugin starts it, and an official client that does not retry."""

from __future__ import annotations

import base64
import io
from collections.abc import Iterator
from pathlib import Path

import openai
import pytest
from PIL import Image

from vitrail.testing.server import VitrailServer, start_server

MODELS = ("grok-2-vision-1212", "gpt-4o")


@pytest.fixture(scope="session")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[VitrailServer]:
    """One server for all tests of a process."""
    with start_server(tmp_path_factory.mktemp("server"), models=MODELS) as server:
        yield server


@pytest.fixture
def server(started: VitrailServer) -> VitrailServer:
    """The server as it is at its start."""
    started.reset()
    return started


@pytest.fixture
def client(server: VitrailServer) -> Iterator[openai.OpenAI]:
    """OpenAI's client of the server."""
    with openai.OpenAI(base_url=server.base_url, api_key=server.api_key, max_retries=0, timeout=10) as client:
        yield client


@pytest.fixture
def ask(client: openai.OpenAI):
    """Asks a question, with pictures as data URIs if there are any."""

    def ask_one(text="Hello", *images, model="grok-2-vision-1212", **options):
        parts = [{"type": "image_url", "image_url": {"url": url}} for url in images]
        content = [*parts, {"type": "text", "text": text}]
        return client.chat.completions.create(model=model, messages=[{"role": "user", "content": content}], **options)

    return ask_one


@pytest.fixture(scope="session")
def png(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A picture of 640 x 480 px in a file."""
    path = tmp_path_factory.mktemp("pictures") / "red.png"
    Image.new("RGB", (640, 480), "red").save(path)
    return path


@pytest.fixture(scope="session")
def data_uri():
    """Turns a file into what goes in a request."""
    return lambda path: "data:image/png;base64," + base64.b64encode(io.BytesIO(path.read_bytes()).getvalue()).decode()
