"""The older text routes: a prompt in, text out."""

from __future__ import annotations

import pytest

from vitrail.domain.chat import Role
from vitrail.domain.completion import FinishReason
from vitrail.engines.base import FinishPiece, TextPiece


def complete(surface, **fields):
    """Ask for a text completion with a good key."""
    body = {"model": "fake-vision-1", "prompt": "Say hello", **fields}
    return surface.client.post("/v1/completions", json=body, headers=surface.key)


async def test_a_text_completion_has_openais_shape(surface):
    """The prompt is what the user says; text, reason and the usage of the chat route come back."""
    answer = (await complete(surface, model="grok-2-vision-latest", max_tokens=9)).json()
    assert (answer["object"], answer["model"]) == ("text_completion", "fake-vision-1")
    assert answer["choices"] == [{"index": 0, "text": "Hello world", "finish_reason": "stop", "logprobs": None}]
    assert answer["usage"]["prompt_tokens_details"]["text_tokens"] == 2
    assert surface.engine.samplings[0].max_tokens == 9
    assert surface.engine.prompts[0].messages[0].text == "Say hello"


@pytest.mark.parametrize("stream", [False, True])
async def test_echo_puts_the_prompt_first(surface, read_events, stream):
    """Once for each answer, also in a stream."""
    answer = await complete(surface, echo=True, stream=stream, n=2, prompt=["Say: "])
    parts = read_events(answer.text)[:-1] if stream else [answer.json()]
    texts = {0: "", 1: ""}
    for choice in (choice for part in parts for choice in part["choices"]):
        texts[choice["index"]] += choice["text"]
    assert texts == {0: "Say: Hello world", 1: "Say: Hello world"}


async def test_a_stream_has_the_usage_as_the_chat_route_has_it(surface, read_events):
    """On every part, or once at the end with include_usage."""
    *parts, done = read_events((await complete(surface, stream=True)).text)
    assert done == "[DONE]" and all("usage" in part for part in parts)
    *parts, last, _ = read_events((await complete(surface, stream=True, stream_options={"include_usage": True})).text)
    assert all("usage" not in part for part in parts)
    assert last["choices"] == [] and last["usage"]["total_tokens"] == 4


@pytest.mark.parametrize(
    ("fields", "status", "words"),
    [
        ({"suffix": "x"}, 400, "Argument not supported: suffix"),
        ({"best_of": 2}, 400, "Argument not supported: best_of"),
        ({"prompt": ["a", "b"]}, 400, "`prompt` must be one text, but there are 2"),
        ({"prompt": [1, 2]}, 422, "prompt[0]: expected string, got integer"),
        ({"temperature": 3}, 400, "`temperature` must be between 0 and 2"),
    ],
)
async def test_what_is_not_supported_is_refused(surface, fields, status, words):
    """In the flat body of the xAI API, before anything is generated."""
    answer = await complete(surface, **fields)
    assert answer.status_code == status and words in answer.json()["error"]
    assert surface.engine.prompts == []


async def test_complete_cuts_the_prompt_into_turns(surface):
    """Human and Assistant become roles, what stands before them the system prompt."""
    surface.engine.script = [TextPiece("Fine"), FinishPiece(FinishReason.STOP, stop_sequence="\n\nHuman:")]
    prompt = "Be brief.\n\nHuman: Hello\n\nAssistant: Hi\n\nHuman: How are you?\n\nAssistant:"
    body = {"model": "fake-vision-1", "prompt": prompt, "max_tokens_to_sample": 9, "stop_sequences": ["\n\nHuman:"]}
    answer = (await surface.client.post("/v1/complete", json=body, headers=surface.key)).json()
    assert answer.pop("id")
    assert answer == {
        "type": "completion",
        "completion": "Fine",
        "stop_reason": "stop_sequence",
        "stop": "\n\nHuman:",
        "model": "fake-vision-1",
    }
    assert [(m.role, m.text) for m in surface.engine.prompts[0].messages] == [
        (Role.SYSTEM, "Be brief."),
        (Role.USER, "Hello"),
        (Role.ASSISTANT, "Hi"),
        (Role.USER, "How are you?"),
    ]


async def test_complete_refuses_streams_in_anthropics_shape(surface):
    """Streams are for /v1/messages."""
    body = {"model": "fake-vision-1", "prompt": "x", "max_tokens_to_sample": 9, "stream": True}
    answer = await surface.client.post("/v1/complete", json=body, headers=surface.key)
    assert answer.status_code == 400 and "/v1/messages" in answer.json()["error"]["message"]
