"""A real server on llama.cpp: what it counts, and what everybody is told when its process is killed."""

from __future__ import annotations

import base64
import io
import json
import os
import signal
import subprocess
import sys
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest
from PIL import Image

from tests.fixtures.asking import OPENER, fetch
from vitrail.testing.server import start_server

TINY_VLM = Path(__file__).parent.parent / "fixtures" / "tiny_vlm.py"
UNAVAILABLE = "The service is currently unavailable."
PARTS = ("one", "two", "three")
LONG = {
    "type": "object",
    "properties": {part: {"type": "string", "minLength": 1000} for part in PARTS},
    "required": list(PARTS),
    "additionalProperties": False,
}
STORY = {
    "model": "tiny",
    "messages": [{"role": "user", "content": "Go on."}],
    "max_tokens": 6000,
    "temperature": 0,
    "response_format": {"type": "json_schema", "json_schema": {"name": "story", "schema": LONG}},
}

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="finds the process in /proc")


@pytest.fixture(scope="module")
def server(tmp_path_factory):
    """A running server with the tiny vision model on llama.cpp."""
    folder = tmp_path_factory.mktemp("server")
    subprocess.run([sys.executable, TINY_VLM, folder], check=True)
    config = folder / "vitrail.toml"
    config.write_text(
        '[[models]]\nid = "tiny"\nengine = "llama"\ngguf = "tiny-lm.gguf"\nmmproj = "tiny-mmproj.gguf"\n'
        "[llama]\ncontext_tokens = 8192\nparallel = 2\nthreads = 1\nprompt_cache_mib = 0\nwarmup = false\n"
        "restart_first_seconds = 0.5\n"
    )
    with start_server(folder, config=config) as running:
        yield running


def find_engine_process():
    """The llama.cpp process of the server that this process started."""
    for folder in Path("/proc").glob("[0-9]*"):
        try:
            words = (folder / "cmdline").read_bytes().split(b"\0")
            if b"vitrail.engines.llama.child" in words and _parent(int(words[-2])) == os.getpid():
                return int(folder.name)
        except (OSError, IndexError):
            continue
    raise AssertionError("no engine process")


def _parent(pid):
    return int(Path(f"/proc/{pid}/stat").read_text().rpartition(") ")[2].split()[1])


def read_metric(server, name):
    """A number of the model in /metrics, 0 while there is none."""
    lines = fetch(server, "/metrics")[1].splitlines()
    return next((float(line.split()[-1]) for line in lines if line.startswith(f'{name}{{model="tiny"}}')), 0.0)


def ask_about(server, width_px, height_px):
    """The billed image tokens of a question about a picture, and the prompt tokens that the engine itself used."""
    buffer = io.BytesIO()
    Image.new("RGB", (width_px, height_px), "red").save(buffer, "JPEG")
    url = "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()
    picture = {"type": "image_url", "image_url": {"url": url, "detail": "high"}}
    messages = [{"role": "user", "content": [picture, {"type": "text", "text": "What?"}]}]
    before = read_metric(server, "vitrail_engine_prompt_tokens_total")
    status, text = fetch(server, "/v1/chat/completions", {"model": "tiny", "messages": messages, "max_tokens": 2})
    assert status == 200
    used = read_metric(server, "vitrail_engine_prompt_tokens_total") - before
    return json.loads(text)["usage"]["prompt_tokens_details"]["image_tokens"], used


@pytest.mark.parametrize(("size", "tiles"), [((1344, 896), 7), ((2688, 1792), 7), ((3464, 3464), 5), ((896, 448), 3)])
def test_the_engine_sees_the_fitted_picture_and_its_own_count_is_exported(server, size, tiles):
    """Whatever the client sent, llama.cpp cuts the picture as the tile plan did; /metrics has what it used."""
    billed, used = ask_about(server, *size)
    assert billed == 256 * tiles
    assert 256 * tiles + 2 < used < 256 * tiles + 60


def test_the_window_of_the_engine_is_the_models(server):
    """The entry's own 32,768 tokens are more than llama.cpp was given: the refusal has the real limit and the count."""
    messages = [{"role": "user", "content": "x" * 9000}]
    status, text = fetch(server, "/v1/chat/completions", {"model": "tiny", "messages": messages})
    assert status == 400
    assert "maximum prompt length is 8192 text tokens but the request contains 90" in text


def test_m04_a_killed_engine_fails_what_is_in_flight_and_is_back_by_itself(server):
    """M04 an error event in the stream, 503 for the plain answer and for new ones; then ready again, and counted."""
    assert (fetch(server, "/readyz")[0], read_metric(server, "vitrail_engine_restarts")) == (200, 0)
    request = urllib.request.Request(
        f"{server.base_url}/chat/completions",
        data=json.dumps({**STORY, "stream": True}).encode(),
        headers={"Authorization": f"Bearer {server.api_key}", "Content-Type": "application/json"},
    )
    with ThreadPoolExecutor(1) as pool, OPENER.open(request, timeout=30) as stream:
        plain = pool.submit(fetch, server, "/v1/chat/completions", STORY)
        while b'"content":"' not in (line := stream.readline()) or b'"content":""' in line:
            assert line
        time.sleep(0.1)  # the plain one is in the engine too
        os.kill(find_engine_process(), signal.SIGKILL)
        events = [line[6:] for line in stream.read().splitlines() if line.startswith(b"data: ")]
        status, text = plain.result(30)
    assert UNAVAILABLE in events[-1].decode() and b"[DONE]" not in events
    assert (status, json.loads(text)["error"]) == (503, UNAVAILABLE)
    assert fetch(server, "/readyz")[0] == 503
    assert fetch(server, "/v1/chat/completions", {**STORY, "max_tokens": 4})[0] == 503

    deadline = time.monotonic() + 20
    while fetch(server, "/readyz")[0] != 200:
        assert time.monotonic() < deadline
        time.sleep(0.05)
    assert fetch(server, "/v1/chat/completions", {**STORY, "max_tokens": 4})[0] == 200
    assert read_metric(server, "vitrail_engine_restarts") == 1
