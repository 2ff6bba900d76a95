"""Anthropic's official client against a running server, by its base URL alone."""

from __future__ import annotations

import base64
import json
import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anthropic
import pytest

pytestmark = [pytest.mark.live, pytest.mark.timeout(300)]

MODEL = "grok-2-vision-latest"
WEATHER = {"name": "find_weather", "input_schema": {"type": "object", "properties": {"city": {"type": "string"}}}}
OLD_PROGRAM = """\
import json, os, anthropic
sent = []
client = anthropic.Anthropic(base_url=os.environ["BASE_URL"], api_key=os.environ["XAI_API_KEY"], max_retries=0)
client._client.event_hooks["request"].append(lambda request: sent.append(dict(request.headers)))
message = client.messages.create(
    model="grok-2-vision-latest", max_tokens=64, messages=[{"role": "user", "content": "Hello?"}]
)
with client.messages.stream(
    model="grok-2-vision-latest", max_tokens=64, messages=[{"role": "user", "content": "Hello?"}]
) as stream:
    streamed = "".join(stream.text_stream)
older = client.completions.create(
    model="grok-2-vision-latest", max_tokens_to_sample=64, prompt="\\n\\nHuman: Hello?\\n\\nAssistant:"
)
print(json.dumps({
    "version": anthropic.__version__,
    "has_x_api_key": all("x-api-key" in headers and "authorization" not in headers for headers in sent),
    "texts": [message.content[0].text, streamed, older.completion],
}))
"""


@pytest.fixture
def client(server: Any) -> Iterator[anthropic.Anthropic]:
    base_url = server.base_url.removesuffix("/v1")
    with anthropic.Anthropic(api_key=server.api_key, base_url=base_url, max_retries=0) as client:
        yield client


@pytest.fixture(scope="session")
def older_python(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An environment of its own with the client of the guide's time, which sends the key in X-Api-Key."""
    folder = tmp_path_factory.mktemp("anthropic") / "venv"
    subprocess.run([sys.executable, "-m", "venv", str(folder)], check=True)
    python = folder / "bin" / "python"
    lock = Path(__file__).with_name("anthropic-0.49.txt")
    installed = subprocess.run(
        [str(python), "-m", "pip", "install", "--quiet", "--require-hashes", "-r", str(lock)],
        capture_output=True,
        text=True,
        timeout=240,
    )
    if installed.returncode:
        pytest.skip(f"anthropic 0.49.0 cannot be installed here: {installed.stderr[-200:]}")
    return python


def _image(picture: Path) -> dict[str, Any]:
    data = base64.b64encode(picture.read_bytes()).decode()
    return {"type": "image", "source": {"type": "base64", "media_type": "image/jpeg", "data": data}}


def _user(*blocks: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"role": "user", "content": list(blocks)}]


def test_image_in_base64(client: anthropic.Anthropic, picture: Path) -> None:
    """A picture inside the request, a system prompt, and the tokens of both."""
    message = client.messages.create(
        model=MODEL,
        max_tokens=64,
        system="Be brief.",
        messages=_user(_image(picture), {"type": "text", "text": "What is this?"}),
    )
    assert [block.text for block in message.content] == ["A red square on a white background."]
    assert (message.stop_reason, message.model) == ("end_turn", "grok-2-vision-1212")
    assert message.usage.input_tokens > 1280 and message.usage.output_tokens > 0
    assert message._request_id


def test_image_by_web_url(client: anthropic.Anthropic, image_host: str) -> None:
    """A picture by its address."""
    source = {"type": "url", "url": f"{image_host}/square.jpg"}
    message = client.messages.create(
        model=MODEL,
        max_tokens=64,
        messages=_user({"type": "image", "source": source}, {"type": "text", "text": "What is this?"}),
    )
    assert message.content[0].text == "A red square on a white background."


def test_stream_is_gathered_into_the_message(client: anthropic.Anthropic, picture: Path) -> None:
    """Texts come as they are generated; the client puts the events together to the whole message."""
    question = {"type": "text", "text": "What is this?"}
    with client.messages.stream(
        model=MODEL, max_tokens=64, messages=_user(_image(picture), question), stop_sequences=["background"]
    ) as stream:
        texts = list(stream.text_stream)
        message = stream.get_final_message()
    assert "".join(texts) == message.content[0].text == "A red square on a white "
    assert (message.stop_reason, message.stop_sequence) == ("stop_sequence", "background")
    assert message.usage.output_tokens > 0


def test_tools_are_called_and_answered(client: anthropic.Anthropic, picture: Path) -> None:
    """A tool's call comes back with its input, and its result, a picture, goes into the next turn."""
    asked = {"role": "user", "content": "What is the weather in Oslo?"}
    called = client.messages.create(model=MODEL, max_tokens=64, tools=[WEATHER], messages=[asked])
    (call,) = called.content
    assert (called.stop_reason, call.name, call.input) == ("tool_use", "find_weather", {"city": "Oslo"})
    result = {"type": "tool_result", "tool_use_id": call.id, "content": [_image(picture)]}
    answer = client.messages.create(
        model=MODEL,
        max_tokens=64,
        tools=[WEATHER],
        messages=[
            asked,
            {"role": "assistant", "content": called.content},
            {"role": "user", "content": [result, {"type": "text", "text": "So?"}]},
        ],
    )
    assert answer.content[0].text == "A red square on a white background."


def test_streamed_tool_call_has_its_input(client: anthropic.Anthropic) -> None:
    """The client puts the JSON of a call together."""
    asked = {"role": "user", "content": "What is the weather in Oslo?"}
    with client.messages.stream(model=MODEL, max_tokens=64, tools=[WEATHER], messages=[asked]) as stream:
        message = stream.get_final_message()
    assert message.content[0].input == {"city": "Oslo"}


def test_tokens_are_counted_before(client: anthropic.Anthropic, picture: Path) -> None:
    """The count is what the message is billed as input."""
    messages = _user(_image(picture), {"type": "text", "text": "What is this?"})
    counted = client.messages.count_tokens(model=MODEL, messages=messages)
    message = client.messages.create(model=MODEL, max_tokens=64, messages=messages)
    assert counted.input_tokens == message.usage.input_tokens


def test_refusals_are_the_clients_own_errors(client: anthropic.Anthropic, server: Any, image_host: str) -> None:
    """Each status is the class of error that programs catch."""
    hello = [{"role": "user", "content": "Hello?"}]
    with pytest.raises(anthropic.NotFoundError) as unknown:
        client.messages.create(model="no-such-model", max_tokens=64, messages=hello)
    assert unknown.value.request_id and unknown.value.body["error"]["type"] == "not_found_error"
    with (
        anthropic.Anthropic(api_key="invalid-key", base_url=client.base_url, max_retries=0) as stranger,
        pytest.raises(anthropic.BadRequestError, match=r"Incorrect API key provided: in\*\*\*ey"),
    ):
        stranger.messages.create(model=MODEL, max_tokens=64, messages=hello)
    source = {"type": "url", "url": f"{image_host}/index.html"}
    with pytest.raises(anthropic.APIStatusError) as page:
        client.messages.create(model=MODEL, max_tokens=64, messages=_user({"type": "image", "source": source}))
    assert page.value.status_code == 412


def test_client_of_the_guides_time_sends_x_api_key(server: Any, older_python: Path) -> None:
    """anthropic 0.49.0, whole, streamed and on the older text route."""
    environment = {"BASE_URL": server.base_url.removesuffix("/v1"), "XAI_API_KEY": server.api_key}
    done = subprocess.run(
        [str(older_python), "-c", OLD_PROGRAM],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    said = json.loads(done.stdout)
    assert said == {"version": "0.49.0", "has_x_api_key": True, "texts": ["Hello from the script."] * 3}
