"""A real `vitrail serve` in a process of its own, and an image host beside it; the engine plays a script."""

from __future__ import annotations

import http.server
import json
import os
import re
import subprocess
import sys
import threading
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from queue import Queue

import pytest
from PIL import Image, ImageDraw

SCRIPT = """\
rules:
  - when: {text: "image 1 or image 2", images: 2}
    text: Image 2.
  - when: {text: "weather in"}
    tool_calls: [{name: find_weather, arguments: {city: Oslo}}]
  - when: {text: "as JSON"}
  - when: {text: "describe the shape", images: 1}
    text: '{"shape": "square", "colour": "red"}'
  - when: {text: "record the shape", images: 1}
    tool_calls: [{name: record_shape, arguments: {shape: square, colour: red}}]
  - when: {images: 1}
    chunks: ["A red square ", "on a white background."]
  - text: Hello from the script.
"""


@dataclass(frozen=True)
class LiveServer:
    """Where the server is, and a key for it."""

    base_url: str  # with /v1
    api_key: str
    grpc_host: str


@pytest.fixture(scope="session")
def picture(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A 640 x 480 JPEG with a red square on white."""
    path = tmp_path_factory.mktemp("pictures") / "square.jpg"
    image = Image.new("RGB", (640, 480), "white")
    ImageDraw.Draw(image).rectangle((200, 120, 440, 360), fill="red")
    image.save(path, quality=90)
    return path


@pytest.fixture(scope="session")
def image_host(picture: Path) -> Iterator[str]:
    """A web server on loopback that gives the picture at /square.jpg and a page at anything else."""

    class Host(http.server.BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            found = self.path == "/square.jpg"
            body = picture.read_bytes() if found else b"<html>no</html>"
            self.send_response(200)
            self.send_header("Content-Type", "image/jpeg" if found else "text/html")
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: object) -> None:
            """Say nothing."""

    host = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Host)
    threading.Thread(target=host.serve_forever, daemon=True).start()
    yield f"http://127.0.0.1:{host.server_port}"
    host.shutdown()
    host.server_close()


@pytest.fixture(scope="session")
def server(tmp_path_factory: pytest.TempPathFactory, image_host: str) -> Iterator[LiveServer]:
    """`vitrail serve` with the scripted engine under the guide's model names; the first key is read off its output."""
    folder = tmp_path_factory.mktemp("server")
    (folder / "script.yaml").write_text(SCRIPT)
    (folder / "vitrail.toml").write_text(
        '[[models]]\nid = "grok-2-vision-1212"\nengine = "scripted"\nscript = "script.yaml"\n'
        'aliases = ["grok-2-vision", "grok-2-vision-latest"]\n'
        f'[fetch]\nallow_hosts = ["{image_host.removeprefix("http://")}"]\n'
    )
    with (
        (folder / "log.txt").open("wb") as log,
        subprocess.Popen(
            [sys.executable, "-m", "vitrail", "serve", "--port", "0", "--grpc-port", "0", "--data-dir", "data"],
            cwd=folder,
            stdout=subprocess.PIPE,
            stderr=log,
            text=True,
            env={**os.environ, "OMP_WAIT_POLICY": "passive"},
        ) as process,
    ):
        lines: Queue[str] = Queue()
        reader = threading.Thread(target=lambda: [lines.put(line) for line in process.stdout or ()])
        reader.start()
        try:
            yield _read_announcement(process, lines, folder / "log.txt")
        finally:
            process.terminate()
            status = process.wait(20)
            reader.join()
        assert status == 0


def _read_announcement(process: subprocess.Popen[str], lines: Queue[str], log: Path) -> LiveServer:
    """Wait for the lines that `serve` prints for its user."""
    text = ""
    while "curl" not in text:
        assert process.poll() is None, log.read_text()
        text += lines.get(timeout=30)
    base_url = re.search(r"Vitrail serves (\S+)", text)
    api_key = re.search(r"export XAI_API_KEY=(\S+)", text)
    grpc_host = re.search(r"gRPC on (\S+)", text)
    assert base_url and api_key and grpc_host, json.dumps(text)
    return LiveServer(base_url=base_url[1], api_key=api_key[1], grpc_host=grpc_host[1])
