"""A real Vitrail in front of a real vLLM that is killed in mid-stream and started again (`make test-vllm`)."""

from __future__ import annotations

import base64
import io
import json
import time
import urllib.request
from concurrent.futures import ThreadPoolExecutor
from urllib.error import HTTPError

import pytest
from PIL import Image

from tests.vllm.server import KEY, MODEL
from vitrail.testing.server import start_server

pytestmark = [pytest.mark.vllm, pytest.mark.timeout(600)]
UNAVAILABLE = "The service is currently unavailable."
OPENER = urllib.request.build_opener(urllib.request.ProxyHandler({}))
CHAPTERS = ("one", "two", "three", "four")
STORY = {
    "type": "object",
    "properties": {chapter: {"type": "string", "minLength": 1000} for chapter in CHAPTERS},
    "required": list(CHAPTERS),
    "additionalProperties": False,
}
LONG = {"type": "json_schema", "json_schema": {"name": "long", "schema": STORY}}
COLOUR = {
    "type": "object",
    "properties": {"colour": {"enum": ["red", "blue"]}},
    "required": ["colour"],
    "additionalProperties": False,
}


@pytest.fixture(scope="module")
def vitrail(vllm_server, tmp_path_factory):
    """A running Vitrail that has vLLM's model under another name."""
    folder = tmp_path_factory.mktemp("vitrail")
    config = folder / "vitrail.toml"
    config.write_text(
        f'[[models]]\nid = "vision"\nengine = "upstream"\nserver = "vllm"\nbase_url = "{vllm_server.base_url}"\n'
        f'api_key = "{KEY}"\nupstream_model = "{MODEL}"\ncontext_tokens = 8192\n'
        "[upstream]\nretries = 0\nbreaker_seconds = 2.0\n"
    )
    with start_server(folder, config=config) as server:
        yield server


def post(server, **body):
    """Open the answer to a chat completion."""
    request = urllib.request.Request(
        f"{server.base_url}/chat/completions",
        data=json.dumps({"model": "vision", **body}).encode(),
        headers={"Authorization": f"Bearer {server.api_key}", "Content-Type": "application/json"},
    )
    return OPENER.open(request, timeout=120)


def ask(server, text="Hello", **options):
    """The status and the document of a plain answer."""
    messages = options.pop("messages", [{"role": "user", "content": text}])
    try:
        with post(server, messages=messages, **options) as answer:
            return answer.status, json.load(answer)
    except HTTPError as error:
        with error:
            return error.code, json.load(error)


def ready_status(server):
    """The status of /readyz."""
    try:
        with OPENER.open(f"{server.url}/readyz", timeout=30) as answer:
            return answer.status
    except HTTPError as error:
        with error:
            return error.code


def read_engine_tokens(server):
    """The prompt tokens that vLLM says it used, from Vitrail's metrics."""
    with OPENER.open(f"{server.url}/metrics", timeout=30) as page:
        lines = page.read().decode().splitlines()
    own = [line for line in lines if line.startswith('vitrail_engine_prompt_tokens_total{model="vision"}')]
    return float(own[0].split()[-1]) if own else 0.0


def red_square(side_px):
    """A picture as a client sends it."""
    buffer = io.BytesIO()
    Image.new("RGB", (side_px, side_px), "red").save(buffer, "JPEG")
    return "data:image/jpeg;base64," + base64.b64encode(buffer.getvalue()).decode()


def test_a_question_about_a_picture_is_billed_by_the_tile_rule(vitrail):
    """12 square megapixels reach vLLM fitted to four tiles, and both count five; the metrics have vLLM's own count."""
    before = read_engine_tokens(vitrail)
    picture = {"type": "image_url", "image_url": {"url": red_square(3464), "detail": "high"}}
    messages = [{"role": "user", "content": [picture, {"type": "text", "text": "What?"}]}]
    status, answer = ask(vitrail, messages=messages, max_tokens=4)
    assert (status, answer["usage"]["prompt_tokens_details"]["image_tokens"]) == (200, 5 * 256)
    assert answer["usage"]["completion_tokens"] == 4
    assert 5 * 256 + 2 < read_engine_tokens(vitrail) - before < 5 * 256 + 60


def test_a_schema_holds_through_both_servers(vitrail):
    """Structured output comes out of vLLM's grammar as the client asked for it."""
    wanted = {"type": "json_schema", "json_schema": {"name": "c", "schema": COLOUR, "strict": True}}
    status, answer = ask(vitrail, response_format=wanted, max_tokens=200, seed=3)
    assert (status, json.loads(answer["choices"][0]["message"]["content"])["colour"] in ("red", "blue")) == (200, True)


def test_a_killed_vllm_fails_what_is_in_flight_and_vitrail_recovers(vitrail, vllm_server):
    """M04 kill -9 in mid-stream: an error event, 503 for plain answers, /readyz red; all well once vLLM is back."""
    messages = [{"role": "user", "content": "Go on."}]
    with (
        ThreadPoolExecutor(1) as pool,
        post(vitrail, messages=messages, stream=True, max_tokens=6000, response_format=LONG) as stream,
    ):
        plain = pool.submit(ask, vitrail, max_tokens=6000, response_format=LONG)
        while b'"content":"' not in (line := stream.readline()) or b'"content":""' in line:
            assert line
        time.sleep(1.0)  # until the plain one is in vLLM too
        vllm_server.kill()
        events = [line[6:] for line in stream.read().splitlines() if line.startswith(b"data: ")]
        status, answer = plain.result(60)
    assert UNAVAILABLE in events[-1].decode() and b"[DONE]" not in events
    assert (status, answer["error"]) == (503, UNAVAILABLE)
    assert ask(vitrail)[0] == 503 and ready_status(vitrail) == 503

    vllm_server.start()
    deadline = time.monotonic() + 30
    while ready_status(vitrail) != 200:
        assert time.monotonic() < deadline
        time.sleep(0.2)
    status, answer = ask(vitrail, max_tokens=4)
    assert (status, answer["usage"]["completion_tokens"]) == (200, 4)
