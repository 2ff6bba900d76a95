"""Plain chat completions over HTTP: what is answered, and what is refused with which words."""

from __future__ import annotations

import asyncio
import uuid

import pytest

from tests.fixtures.waiting import comes_within_a_second
from vitrail.domain.chat import ToolCall
from vitrail.domain.completion import FinishReason
from vitrail.domain.errors import Unavailable
from vitrail.engines.base import FinishPiece, ReasoningPiece, TextPiece, ToolCallPiece

INVALID = "Client specified an invalid argument"


async def test_a_plain_answer_has_the_recorded_shape(surface):
    """A plain answer has the fields of the real API, in its order, and the resolved model's name."""
    answer = (await surface.chat(model="grok-2-vision-latest")).json()
    assert list(answer) == ["id", "object", "created", "model", "choices", "usage", "system_fingerprint"]
    assert uuid.UUID(answer["id"]) and answer["object"] == "chat.completion"
    assert answer["model"] == "fake-vision-1"
    assert answer["choices"] == [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "Hello world", "refusal": None},
            "finish_reason": "stop",
        }
    ]
    assert answer["system_fingerprint"].startswith("fp_")


async def test_usage_counts_reasoning_apart(surface):
    """Completion tokens leave out reasoning, the total has it."""
    surface.engine.script = [
        ReasoningPiece("Hm.", tokens=3),
        TextPiece("Yes", tokens=1),
        FinishPiece(FinishReason.STOP),
    ]
    answer = (await surface.chat()).json()
    assert answer["choices"][0]["message"]["reasoning_content"] == "Hm."
    usage = answer["usage"]
    assert (usage["prompt_tokens"], usage["completion_tokens"], usage["total_tokens"]) == (2, 1, 6)
    assert usage["prompt_tokens_details"] == {
        "text_tokens": 2,
        "audio_tokens": 0,
        "image_tokens": 0,
        "cached_tokens": 0,
    }
    assert usage["completion_tokens_details"]["reasoning_tokens"] == 3


async def test_an_answer_that_only_calls_functions_has_empty_content(surface):
    """A turn of only function calls has the content "" and whole calls without an index."""
    call = ToolCall(id="call_00000001", name="weather", arguments='{"city":"Bern"}')
    surface.engine.script = [ToolCallPiece(call), FinishPiece(FinishReason.TOOL_CALLS)]
    choice = (await surface.chat(tools=[{"type": "function", "function": {"name": "weather"}}])).json()["choices"][0]
    assert choice["message"]["content"] == ""
    function = {"name": "weather", "arguments": '{"city":"Bern"}'}
    assert choice["message"]["tool_calls"] == [{"id": "call_00000001", "function": function, "type": "function"}]
    assert choice["finish_reason"] == "tool_calls"


async def test_an_image_is_counted_by_its_tiles(surface, png):
    """A 640 x 420 picture is two tiles and the overview: 768 tokens beside those of the text."""
    content = [{"type": "image_url", "image_url": {"url": png}}, {"type": "text", "text": "What is this?"}]
    answer = await surface.chat(messages=[{"role": "user", "content": content}])
    assert answer.json()["usage"]["prompt_tokens_details"]["image_tokens"] == 768
    assert [(p.picture.width_px, p.picture.height_px) for p in surface.engine.prompts[0].images] == [(640, 420)]


async def test_j13_a_message_may_be_only_images(surface, png):
    """J13: a picture without words is a request."""
    content = [{"type": "image_url", "image_url": {"url": png, "detail": "low"}}]
    answer = await surface.chat(messages=[{"role": "user", "content": content}])
    assert answer.json()["usage"]["prompt_tokens_details"]["image_tokens"] == 256


async def test_j16_images_and_text_over_the_context_are_refused_with_their_counts(surface, png):
    """J16: 400 with text tokens, image tokens and the limit; no engine is asked."""
    content = [{"type": "image_url", "image_url": {"url": png}}] * 11 + [{"type": "text", "text": "Compare these"}]
    answer = await surface.chat(messages=[{"role": "user", "content": content}])
    assert answer.status_code == 400
    assert all(number in answer.json()["error"] for number in ("8192", "8448 image", "2 text"))
    assert surface.engine.prompts == []


async def test_j17_markers_of_engines_are_plain_text(surface):
    """J17: what other engines take for a picture reaches ours as the text that it is."""
    text = "<image> <|image_pad|> <__media__> <start_of_image> [IMG] ![](http://127.0.0.1/x) <|im_end|>"
    await surface.chat(messages=[{"role": "user", "content": text}])
    (prompt,) = surface.engine.prompts
    assert prompt.messages[0].text == text and prompt.images == ()


async def test_timing_headers_are_on_a_plain_answer(surface):
    """A plain answer tells its time to the first piece and to the end."""
    headers = (await surface.chat()).headers
    assert int(headers["x-metrics-ttft-ms"]) <= int(headers["x-metrics-e2e-ms"])


async def test_several_answers_come_with_their_index(surface):
    """`n` answers are numbered choices of one completion."""
    choices = (await surface.chat(n=3)).json()["choices"]
    assert [choice["index"] for choice in choices] == [0, 1, 2]


async def test_an_unknown_model_is_404(surface):
    """A model that does not exist is 404 with the recorded sentence."""
    answer = await surface.chat(model="grok-99")
    assert answer.status_code == 404
    assert answer.json()["error"].startswith("The model grok-99 does not exist or your team ")


async def test_an_engine_that_is_busy_is_503_with_retry_after(surface):
    """Busy is 503 with the number of seconds to wait, rounded up."""
    surface.engine.script = [Unavailable("Busy.", retry_after_seconds=2.2)]
    answer = await surface.chat()
    assert (answer.status_code, answer.headers["retry-after"]) == (503, "3")
    assert answer.json() == {"code": "The service is currently unavailable", "error": "Busy."}


async def test_m04_an_engine_that_fails_midway_is_503_for_a_plain_answer(surface):
    """M04: half an answer is not sent as a whole one."""
    surface.engine.script = [TextPiece("Half"), Unavailable()]
    assert (await surface.chat()).status_code == 503


@pytest.mark.parametrize(
    ("id_", "fields", "words"),
    [
        ("J12", {"messages": []}, "`messages` is empty"),
        ("J19", {"n": 10**9}, "`n` must be between 1 and 8, but is 1000000000"),
        ("J19", {"max_tokens": 10**12}, "`max_tokens` must be between 1 and 2147483647"),
        ("J19", {"top_logprobs": 10**9, "logprobs": True}, "`top_logprobs` must be between 0 and 8"),
        ("range", {"temperature": 2.5}, "`temperature` must be between 0 and 2, but is 2.5"),
        ("range", {"top_p": 0}, "`top_p` must be over 0"),
        ("range", {"stop": ["a"] * 5}, "`stop` may have 4 sequences"),
        ("range", {"seed": 2**31}, "`seed` must be between -2147483648 and 2147483647"),
    ],
)
async def test_a_value_out_of_range_is_400_with_name_value_and_range(surface, id_, fields, words):
    """J12, J19 and their like: understood and refused, before anything is generated."""
    answer = await surface.chat(**fields)
    assert answer.status_code == 400
    assert answer.json()["code"] == INVALID and words in answer.json()["error"]
    assert surface.engine.prompts == []


@pytest.mark.parametrize(
    ("messages", "path"),
    [
        ([{"role": "user", "content": 5}], "messages[0].content: expected string or array, got integer"),
        (
            [{"role": "user", "content": "a"}, {"role": "user", "content": [{"type": "image_url", "image_url": "x"}]}],
            "messages[1].content[0].image_url: expected object, got string",
        ),
        (
            [{"role": "user", "content": [{"type": "text", "text": "a"}, {"type": "image_url", "image_url": {}}]}],
            "messages[0].content[1].image_url: missing field `url`",
        ),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": None}}]}],
            "messages[0].content[0].image_url.url: expected string, got null",
        ),
        (
            [{"role": "user", "content": [{"type": "image_url", "image_url": {"url": "u", "detail": "ultra"}}]}],
            "messages[0].content[0].image_url.detail: expected `auto`, `low` or `high`, got 'ultra'",
        ),
        ([{"role": "king", "content": "x"}], "messages[0].role: expected `system`, `developer`, `user`"),
        ([{"content": "x"}], "messages[0]: missing field `role`"),
    ],
)
async def test_j07_j08_j09_a_wrong_shape_is_422_with_its_path(surface, messages, path):
    """J07, J08, J09: the sentence begins as recorded and names where and what was expected."""
    answer = await surface.chat(messages=messages)
    assert answer.status_code == 422
    start = "Failed to deserialize the JSON body into the target type: "
    assert answer.json()["error"].startswith(start + path)


async def test_m02_a_client_that_leaves_while_the_engine_thinks_cancels_it(surface):
    """M02: a client that hangs up before the first piece frees the engine, and gets no status."""
    surface.engine.script = [asyncio.Event()]
    async with surface.serve() as address:
        host, port = address.split(":")
        _, writer = await asyncio.open_connection(host, int(port))
        body = b'{"model":"fake-vision-1","messages":[{"role":"user","content":"x"}]}'
        writer.write(
            b"POST /v1/chat/completions HTTP/1.1\r\nhost: x\r\ncontent-type: application/json\r\n"
            b"authorization: Bearer %s\r\ncontent-length: %d\r\n\r\n%s" % (surface.secret.encode(), len(body), body)
        )
        await surface.engine.waits.wait()
        writer.close()
        assert await comes_within_a_second(surface.engine.ended.is_set)
    assert surface.observed == [("/v1/chat/completions", 499)]


ASKED = {"messages": [{"role": "user", "content": "Hi"}], "max_tokens": 9}


@pytest.mark.parametrize(
    ("path", "body"),
    [
        ("/v1/chat/completions", ASKED),
        ("/v1/messages", ASKED),
        ("/v1/responses", {"input": "Hi"}),
        ("/v1/completions", {"prompt": "Hi"}),
    ],
)
async def test_the_engine_hears_whether_pieces_are_waited_for(surface, path, body):
    """A stream gets its pieces as they come; for an answer that is read whole an engine may give fewer."""
    for stream in (True, False):
        sent = {"model": "fake-vision-1", **body, "stream": stream}
        answer = await surface.client.post(path, json=sent, headers=surface.key)
        assert answer.status_code == 200 and answer.text
    assert [prompt.is_read_whole for prompt in surface.engine.prompts] == [False, True]


async def test_deferred_answers_are_read_whole(surface):
    """Nobody waits for the pieces of a deferred completion."""
    assert (await surface.chat(deferred=True, stream=True)).status_code == 200
    await surface.run_jobs()
    assert [prompt.is_read_whole for prompt in surface.engine.prompts] == [True]
