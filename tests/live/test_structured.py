"""Structured outputs and function calls with the clients that people use for them, against a running server."""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Iterator
from typing import Any, Literal

import openai
import pytest
from pydantic import BaseModel, Field

pytestmark = pytest.mark.live

MODEL = "grok-2-vision-latest"
WEATHER = {
    "type": "function",
    "function": {
        "name": "find_weather",
        "description": "Weather of a city.",
        "parameters": {"type": "object", "properties": {"city": {"type": "string"}}, "required": ["city"]},
    },
}


class Currency(enum.Enum):
    EUR = "EUR"
    USD = "USD"


class Line(BaseModel):
    """One line of an invoice."""

    name: str = Field(description="As printed.")
    amount: float | None


class Invoice(BaseModel):
    """As in the guide of structured outputs: nested objects, lists, enums, unions."""

    vendor: str
    kind: Literal["invoice", "receipt"]
    currency: Currency
    lines: list[Line]
    remark: str | int | None


@pytest.fixture
def client(server: Any) -> Iterator[openai.OpenAI]:
    with openai.OpenAI(api_key=server.api_key, base_url=server.base_url, max_retries=0) as client:
        yield client


def _say(text: str) -> list[Any]:
    return [{"role": "user", "content": text}]


def test_openai_parses_a_pydantic_model(client: openai.OpenAI) -> None:
    """`parse` sends the model's schema and gives back an instance of it."""
    completion = client.chat.completions.parse(
        model=MODEL, messages=_say("The invoice as JSON"), response_format=Invoice
    )
    assert isinstance(completion.choices[0].message.parsed, Invoice)


def test_openai_streams_into_a_pydantic_model(client: openai.OpenAI) -> None:
    """The same, streamed: the pieces of JSON add up to an instance."""
    messages = _say("The invoice as JSON")
    with client.chat.completions.stream(model=MODEL, messages=messages, response_format=Invoice) as stream:
        for _ in stream:
            pass
        assert isinstance(stream.get_final_completion().choices[0].message.parsed, Invoice)


@pytest.mark.parametrize("stream", [False, True])
def test_an_answer_of_another_shape_is_an_error(client: openai.OpenAI, stream: bool) -> None:
    """Words where JSON was asked for are an error, also after the stream has begun."""
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "integer"}}}
    with pytest.raises(openai.APIError) as caught:
        answer = client.chat.completions.create(
            model=MODEL, messages=_say("Hello"), response_format=wanted, stream=stream
        )
        list(answer)
    assert "did not keep to the JSON schema" in str(caught.value.body)


def test_an_unsupported_keyword_is_named(client: openai.OpenAI) -> None:
    """The refusal tells keyword, path and place in the request."""
    wanted = {"type": "json_schema", "json_schema": {"name": "n", "schema": {"type": "string", "pattern": "^a$"}}}
    with pytest.raises(openai.BadRequestError) as caught:
        client.chat.completions.create(model=MODEL, messages=_say("Hello"), response_format=wanted)
    assert "`/pattern`: this keyword is not supported" in str(caught.value.body)


@pytest.mark.parametrize("stream", [False, True])
def test_a_function_is_called_and_answered(client: openai.OpenAI, stream: bool) -> None:
    """The round of function calling: the call comes whole, its result goes back, words come out."""
    messages = _say("What is the weather in Oslo?")
    answer = client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER], stream=stream)
    if stream:
        (call,) = [call for chunk in answer for call in chunk.choices[0].delta.tool_calls or ()]
    else:
        assert answer.choices[0].finish_reason == "tool_calls"
        (call,) = answer.choices[0].message.tool_calls
    assert re.fullmatch(r"call_\d{8}", call.id) and call.type == "function"
    assert json.loads(call.function.arguments) == {"city": "Oslo"}
    messages += [
        {"role": "assistant", "content": "", "tool_calls": [call.model_dump(include={"id", "type", "function"})]},
        {"role": "tool", "tool_call_id": call.id, "content": "-3 degrees, snow"},
        {"role": "user", "content": "So?"},
    ]
    final = client.chat.completions.create(model=MODEL, messages=messages, tools=[WEATHER])
    assert final.choices[0].message.content == "Hello from the script."


def test_a_named_function_must_be_called(client: openai.OpenAI) -> None:
    """`tool_choice` with a name gives a call of that function, with arguments of its schema."""
    named: Any = {"type": "function", "function": {"name": "find_weather"}}
    completion = client.chat.completions.create(
        model=MODEL, messages=_say("Something as JSON"), tools=[WEATHER], tool_choice=named
    )
    (call,) = completion.choices[0].message.tool_calls
    assert call.function.name == "find_weather" and isinstance(json.loads(call.function.arguments)["city"], str)
