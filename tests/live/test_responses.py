"""The official OpenAI client's `responses` against a running server, and its older text completions."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import openai
import pydantic
import pytest

pytestmark = pytest.mark.live

MODEL = "grok-2-vision-latest"
WEATHER = {
    "type": "function",
    "name": "find_weather",
    "parameters": {"type": "object", "properties": {"city": {"type": "string"}}},
    "strict": False,
}


class Colour(pydantic.BaseModel):
    """What the model is to answer."""

    name: str
    shade: int


@pytest.fixture
def client(server: Any) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=server.api_key, base_url=server.base_url, max_retries=0) as client:
        yield client


def _ask_about(picture: Path, question: str) -> list[dict[str, Any]]:
    url = "data:image/jpeg;base64," + base64.b64encode(picture.read_bytes()).decode()
    image = {"type": "input_image", "image_url": url, "detail": "high"}
    return [{"role": "user", "content": [image, {"type": "input_text", "text": question}]}]


def test_image_and_its_usage(client: openai.OpenAI, picture: Path) -> None:
    """The image guide's later form: an input image and a text, not stored."""
    response = client.responses.create(model=MODEL, input=_ask_about(picture, "What is this?"), store=False)
    assert response.output_text == "A red square on a white background."
    assert (response.status, response.model) == ("completed", "grok-2-vision-1212")
    assert response.usage.input_tokens > 1280
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(response.id)


def test_stream_has_named_events(client: openai.OpenAI, picture: Path) -> None:
    """The client knows every event, and the last one has the whole response."""
    events = list(client.responses.create(model=MODEL, input=_ask_about(picture, "What is this?"), stream=True))
    text = "".join(event.delta for event in events if event.type == "response.output_text.delta")
    assert text == events[-1].response.output_text == "A red square on a white background."
    assert [event.sequence_number for event in events] == list(range(len(events)))
    assert (events[0].type, events[-1].type) == ("response.created", "response.completed")


def test_helper_for_streams_gathers_the_response(client: openai.OpenAI) -> None:
    """The client's own accumulator follows items, parts and calls."""
    with client.responses.stream(model=MODEL, input="What is the weather in Oslo?", tools=[WEATHER]) as stream:
        types = [event.type for event in stream]
        response = stream.get_final_response()
    assert "response.function_call_arguments.done" in types
    assert (response.output[0].name, response.output[0].arguments) == ("find_weather", '{"city": "Oslo"}')


def test_conversation_goes_on_from_a_stored_response(client: openai.OpenAI, picture: Path) -> None:
    """The picture of the first turn is there in the second; then the response is read and deleted."""
    first = client.responses.create(model=MODEL, input=_ask_about(picture, "What is this?"))
    second = client.responses.create(model=MODEL, input="And its colour?", previous_response_id=first.id)
    assert second.output_text == "A red square on a white background."
    assert second.usage.input_tokens > first.usage.input_tokens
    assert client.responses.retrieve(second.id).output_text == second.output_text
    client.responses.delete(second.id)
    with pytest.raises(openai.NotFoundError):
        client.responses.retrieve(second.id)


def test_functions_are_called_and_answered(client: openai.OpenAI) -> None:
    """A call comes as an item, its result goes in as one."""
    asked = client.responses.create(model=MODEL, input="What is the weather in Oslo?", tools=[WEATHER])
    (call,) = asked.output
    result = {"type": "function_call_output", "call_id": call.call_id, "output": "Rain."}
    answer = client.responses.create(
        model=MODEL,
        previous_response_id=asked.id,
        input=[result, {"role": "user", "content": "So?"}],
        tools=[WEATHER],
    )
    assert answer.output_text == "Hello from the script."


def test_answer_is_parsed_by_its_schema(client: openai.OpenAI) -> None:
    """`text_format` makes a schema of the class and reads the answer back into it."""
    response = client.responses.parse(model=MODEL, input="A colour as JSON.", text_format=Colour)
    assert isinstance(response.output_parsed, Colour)


def test_a_key_of_nobody_is_refused(server: Any) -> None:
    """The same refusal as on the chat route."""
    with (
        openai.OpenAI(api_key="invalid-key", base_url=server.base_url, max_retries=0) as stranger,
        pytest.raises(openai.BadRequestError) as caught,
    ):
        stranger.responses.create(model=MODEL, input="Hello?")
    assert str(caught.value.body).startswith("Incorrect API key provided: in***ey.")


def test_older_text_completions(client: openai.OpenAI) -> None:
    """Whole and streamed."""
    completion = client.completions.create(model=MODEL, prompt="Hello?")
    stream = client.completions.create(model=MODEL, prompt="Hello?", stream=True)
    streamed = "".join(chunk.choices[0].text for chunk in stream)
    assert completion.choices[0].text == streamed == "Hello from the script."
