"""One table of requests through REST and gRPC, whole and streamed: all four answers have to mean the same."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from typing import Any

import grpc
import pytest
from xai_sdk.proto import chat_pb2, chat_pb2_grpc, image_pb2

from tests.http_api.conftest import MODEL, png_data_uri
from vitrail.domain.chat import ToolCall
from vitrail.domain.completion import FinishReason, TokenLogprob
from vitrail.domain.errors import ContextTooLong, ImageFetchFailed, InternalFailure, RateLimited, Unavailable
from vitrail.engines.base import FinishPiece, ReasoningPiece, TextPiece, ToolCallPiece

PNG = png_data_uri(640, 420)
SCHEMA = {"type": "object", "properties": {"shape": {"type": "string"}}, "required": ["shape"]}
TOOL = {"type": "function", "function": {"name": "draw", "description": "Draws.", "parameters": SCHEMA}}
CALL = ToolCall(id="call_1", name="draw", arguments='{"shape":"square"}')
STOP = FinishPiece(FinishReason.STOP)
DOUBLE = {"n": 2}


def user(*parts: Any) -> dict[str, Any]:
    """Return a user message of texts and image parts."""
    return {"role": "user", "content": [{"type": "text", "text": p} if isinstance(p, str) else p for p in parts]}


def image(url: str, **more: Any) -> dict[str, Any]:
    """Return an image part."""
    return {"type": "image_url", "image_url": {"url": url, **more}}


@dataclass(frozen=True)
class Case:
    """A request as REST takes it; `refused` is what REST's and gRPC's statuses are where it is."""

    about: str
    body: dict[str, Any] = field(default_factory=dict)
    script: tuple[Any, ...] = (TextPiece("Hello"), TextPiece(" world"), STOP)
    refused: tuple[int, str] | None = None


CASES = (
    Case("a question"),
    Case("an image", {"messages": [user(image(PNG), "What is this?")]}),
    Case("an image in low detail", {"messages": [user(image(PNG, detail="low"), "What is this?")]}),
    Case("an image in high detail", {"messages": [user(image(PNG, detail="high"))]}),
    Case("many images", {"messages": [user(*[image(PNG, detail="low")] * 5, "Which?"), user(image(PNG))]}),
    Case(
        "every role",
        {
            "messages": [
                {"role": "system", "content": "Be brief."},
                {"role": "developer", "content": "In English."},
                user("Draw."),
                {
                    "role": "assistant",
                    "content": None,
                    "tool_calls": [
                        {"id": "c1", "type": "function", "function": {"name": "draw", "arguments": '{"shape":"x"}'}}
                    ],
                },
                {"role": "tool", "content": "Done.", "tool_call_id": "c1"},
                {"role": "user", "content": "Thanks.", "name": "Ann"},
            ],
            "tools": [TOOL],
        },
    ),
    Case("length", script=(TextPiece("Hello"), FinishPiece(FinishReason.LENGTH))),
    Case("several answers", DOUBLE),
    Case(
        "sampling",
        {
            "max_tokens": 7,
            "temperature": 0.7,
            "top_p": 0.9,
            "seed": -5,
            "stop": ["END", "."],
            "frequency_penalty": 0.1,
            "presence_penalty": -1.5,
            "user": "ann",
        },
    ),
    Case(
        "log probabilities",
        {"logprobs": True, "top_logprobs": 2},
        script=(TextPiece("Hé", logprobs=(TokenLogprob("Hé", -0.5, (("Hé", -0.5), ("Ho", -1.5))),)), STOP),
    ),
    Case("a function call", {"tools": [TOOL]}, script=(ToolCallPiece(CALL), FinishPiece(FinishReason.TOOL_CALLS))),
    Case(
        "a forced call",
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "draw"}}},
        script=(ToolCallPiece(CALL), FinishPiece(FinishReason.TOOL_CALLS)),
    ),
    Case("no call", {"tools": [TOOL], "tool_choice": "none", "parallel_tool_calls": False}),
    Case("a JSON object", {"response_format": {"type": "json_object"}}, script=(TextPiece('{"a":1}'), STOP)),
    Case(
        "JSON of a schema",
        {"response_format": {"type": "json_schema", "json_schema": {"schema": SCHEMA}}},
        script=(TextPiece('{"shape":"square"}'), STOP),
    ),
    Case("reasoning text", script=(ReasoningPiece("I look."), TextPiece("Twelve."), STOP)),
    Case("cached tokens", script=(TextPiece("Hi"), FinishPiece(FinishReason.STOP, cached_tokens=2))),
    Case("no such model", {"model": "no-such-model"}, refused=(404, "NOT_FOUND")),
    Case("no messages", {"messages": []}, refused=(400, "INVALID_ARGUMENT")),
    Case("no parts", {"messages": [{"role": "user", "content": []}]}, refused=(400, "INVALID_ARGUMENT")),
    Case("n of 0", {"n": 0}, refused=(400, "INVALID_ARGUMENT")),
    Case("n too large", {"n": 1000}, refused=(400, "INVALID_ARGUMENT")),
    Case("temperature too high", {"temperature": 2.5}, refused=(400, "INVALID_ARGUMENT")),
    Case("top_p of 0", {"top_p": 0.0}, refused=(400, "INVALID_ARGUMENT")),
    Case("top_logprobs alone", {"top_logprobs": 2}, refused=(400, "INVALID_ARGUMENT")),
    Case("too many stops", {"stop": ["a", "b", "c", "d", "e"]}, refused=(400, "INVALID_ARGUMENT")),
    Case("a call of no tools", {"tool_choice": "required"}, refused=(400, "INVALID_ARGUMENT")),
    Case(
        "a call of another tool",
        {"tools": [TOOL], "tool_choice": {"type": "function", "function": {"name": "paint"}}},
        refused=(400, "INVALID_ARGUMENT"),
    ),
    Case("reasoning effort", {"reasoning_effort": "high"}, refused=(400, "INVALID_ARGUMENT")),
    Case(
        "an image that is none",
        {"messages": [user(image("data:image/png;base64,AAAA"))]},
        refused=(400, "INVALID_ARGUMENT"),
    ),
    Case(
        "base64 that is none",
        {"messages": [user(image("data:image/png;base64,%%"))]},
        refused=(400, "INVALID_ARGUMENT"),
    ),
    Case("no URL", {"messages": [user("Look:", image("square.png"))]}, refused=(400, "INVALID_ARGUMENT")),
    Case(
        "an address inside", {"messages": [user(image("http://127.0.0.1:9/a.png"))]}, refused=(400, "INVALID_ARGUMENT")
    ),
    Case(
        "an image of the assistant",
        {"messages": [{"role": "assistant", "content": [image(PNG)]}]},
        refused=(400, "INVALID_ARGUMENT"),
    ),
    Case(
        "arguments that are no JSON",
        {
            "messages": [
                {
                    "role": "assistant",
                    "tool_calls": [{"id": "c1", "type": "function", "function": {"name": "draw", "arguments": "{"}}],
                }
            ]
        },
        refused=(400, "INVALID_ARGUMENT"),
    ),
    Case("a prompt too long", {"messages": [user("word " * 9000)]}, refused=(400, "INVALID_ARGUMENT")),
    Case("a URL that gives nothing", script=(ImageFetchFailed(),), refused=(412, "DATA_LOSS")),
    Case("an engine too busy", script=(Unavailable(retry_after_seconds=2),), refused=(503, "UNAVAILABLE")),
    Case("a limit", script=(RateLimited("Too many."),), refused=(429, "RESOURCE_EXHAUSTED")),
    Case("an engine that finds it too long", script=(ContextTooLong(),), refused=(400, "INVALID_ARGUMENT")),
    Case("a fault of our own", script=(InternalFailure("Internal error."),), refused=(500, "INTERNAL")),
)


@dataclass
class Meaning:
    """What an answer means on whichever surface; a refusal has a status and a sentence."""

    choices: dict[int, dict[str, Any]] = field(default_factory=dict)
    usage: dict[str, int] = field(default_factory=dict)
    model: str = ""
    refusal: tuple[Any, str] | None = None

    def add(self, index: int, **parts: Any) -> None:
        """Add what a choice got: texts and lists grow, a finish reason stays."""
        choice = self.choices.setdefault(
            index, {"text": "", "reasoning": "", "calls": [], "logprobs": [], "finish": ""}
        )
        for name, value in parts.items():
            choice[name] += value


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.about)
async def test_both_surfaces_mean_the_same(rpc, case):
    """REST and gRPC, whole and streamed, give one answer: text, calls, usage, cost, finish reason, or one refusal."""
    body = {"model": MODEL.id, "messages": [user("Hi there")], **case.body}
    meanings, prompts, waited_for = [], [], []
    for ask in (ask_rest, stream_rest, ask_grpc, stream_grpc):
        rpc.surface.engine.script = list(case.script)
        meanings.append(await ask(rpc, body))
        seen, rpc.surface.engine.prompts = rpc.surface.engine.prompts[-1:], []
        prompts.append(([replace(prompt, is_read_whole=False) for prompt in seen], rpc.surface.engine.samplings[-1:]))
        waited_for.append([not prompt.is_read_whole for prompt in seen])
    assert [meaning.choices for meaning in meanings] == [meanings[0].choices] * 4
    assert [meaning.usage for meaning in meanings] == [meanings[0].usage] * 4
    assert [meaning.model for meaning in meanings] == [meanings[0].model] * 4
    assert all(prompt == prompts[0] for prompt in prompts)
    assert waited_for in ([[]] * 4, [[False], [True]] * 2)  # pieces, by streams alone
    if case.refused is None:
        assert meanings[0].refusal is None and meanings[0].usage["total"] > 0
        return
    statuses = [meaning.refusal and meaning.refusal[0] for meaning in meanings]
    assert statuses == [case.refused[0], case.refused[0], case.refused[1], case.refused[1]]
    sentences = {meaning.refusal[1] for meaning in meanings if meaning.refusal}
    assert len(sentences) == 1


async def test_a_wrong_key_has_one_sentence(rpc, request_of):
    """The sentence is one; the statuses are those that each surface's clients know."""
    rest = await rpc.surface.client.post("/v1/chat/completions", headers={"authorization": "Bearer wrong-key"}, json={})
    async with rpc.channel() as channel:
        with pytest.raises(grpc.aio.AioRpcError) as caught:
            await chat_pb2_grpc.ChatStub(channel).GetCompletion(
                request_of(), metadata=(("authorization", "Bearer wrong-key"),)
            )
    assert (rest.status_code, caught.value.code()) == (400, grpc.StatusCode.UNAUTHENTICATED)
    assert rest.json()["error"] == caught.value.details()


async def ask_rest(rpc, body: dict[str, Any]) -> Meaning:
    """Ask REST for a whole answer."""
    answer = await rpc.surface.client.post("/v1/chat/completions", json=body, headers=rpc.surface.key)
    found = answer.json()
    if answer.status_code != 200:
        return Meaning(refusal=(answer.status_code, found["error"]))
    meaning = Meaning(model=found["model"], usage=_usage_of_rest(found["usage"]))
    for choice in found["choices"]:
        _add_rest(meaning, choice["index"], choice["message"], choice)
    return meaning


async def stream_rest(rpc, body: dict[str, Any]) -> Meaning:
    """Ask REST for a stream and add it up."""
    answer = await rpc.surface.client.post(
        "/v1/chat/completions", json={**body, "stream": True}, headers=rpc.surface.key
    )
    if answer.status_code != 200:
        return Meaning(refusal=(answer.status_code, answer.json()["error"]))
    meaning = Meaning()
    for event in answer.text.split("\n\n"):
        if event.startswith("data: {"):
            chunk = json.loads(event.removeprefix("data: "))
            meaning.model, meaning.usage = chunk["model"], _usage_of_rest(chunk["usage"])
            for choice in chunk["choices"]:
                _add_rest(meaning, choice["index"], choice["delta"], choice)
    return meaning


async def ask_grpc(rpc, body: dict[str, Any]) -> Meaning:
    """Ask gRPC for a whole answer."""
    async with rpc.channel() as channel:
        try:
            answer = await chat_pb2_grpc.ChatStub(channel).GetCompletion(to_message(body), metadata=rpc.metadata)
        except grpc.aio.AioRpcError as error:
            return Meaning(refusal=(error.code().name, error.details()))
    meaning = Meaning(model=answer.model, usage=_usage_of_grpc(answer.usage))
    for output in answer.outputs:
        _add_grpc(meaning, output, output.message)
    return meaning


async def stream_grpc(rpc, body: dict[str, Any]) -> Meaning:
    """Ask gRPC for a stream and add it up."""
    meaning = Meaning()
    async with rpc.channel() as channel:
        try:
            async for chunk in chat_pb2_grpc.ChatStub(channel).GetCompletionChunk(
                to_message(body), metadata=rpc.metadata
            ):
                meaning.model, meaning.usage = chunk.model, _usage_of_grpc(chunk.usage)
                for output in chunk.outputs:
                    _add_grpc(meaning, output, output.delta)
        except grpc.aio.AioRpcError as error:
            return Meaning(refusal=(error.code().name, error.details()))
    return meaning


def _add_rest(meaning: Meaning, index: int, said: dict[str, Any], choice: dict[str, Any]) -> None:
    calls = [
        (call["id"], call["function"]["name"], call["function"]["arguments"]) for call in said.get("tool_calls") or ()
    ]
    logprobs = [
        (
            entry["token"],
            entry["logprob"],
            bytes(entry["bytes"]),
            [(t["token"], t["logprob"]) for t in entry["top_logprobs"]],
        )
        for entry in (choice.get("logprobs") or {}).get("content") or ()
    ]
    meaning.add(
        index,
        text=said.get("content") or "",
        reasoning=said.get("reasoning_content") or "",
        calls=calls,
        logprobs=logprobs,
        finish={"length": "max_len"}.get(choice.get("finish_reason") or "", choice.get("finish_reason") or ""),
    )


def _add_grpc(meaning: Meaning, output: Any, said: Any) -> None:
    finish = "" if not output.finish_reason else _finish_name(output.finish_reason)
    meaning.add(
        output.index,
        text=said.content,
        reasoning=said.reasoning_content,
        calls=[(call.id, call.function.name, call.function.arguments) for call in said.tool_calls],
        logprobs=[
            (entry.token, entry.logprob, entry.bytes, [(t.token, t.logprob) for t in entry.top_logprobs])
            for entry in output.logprobs.content
        ],
        finish=finish,
    )


def _finish_name(number: int) -> str:
    field = chat_pb2.CompletionOutput.DESCRIPTOR.fields_by_name["finish_reason"]
    return str(field.enum_type.values_by_number[number].name).removeprefix("REASON_").lower()


def _usage_of_rest(usage: dict[str, Any]) -> dict[str, int]:
    prompt = usage["prompt_tokens_details"]
    return {
        "prompt": usage["prompt_tokens"],
        "completion": usage["completion_tokens"],
        "total": usage["total_tokens"],
        "text": prompt["text_tokens"],
        "image": prompt["image_tokens"],
        "cached": prompt["cached_tokens"],
        "reasoning": usage["reasoning_tokens"],
        "cost": usage["cost_in_usd_ticks"],
    }


def _usage_of_grpc(usage: Any) -> dict[str, int]:
    return {
        "prompt": usage.prompt_tokens,
        "completion": usage.completion_tokens,
        "total": usage.total_tokens,
        "text": usage.prompt_text_tokens,
        "image": usage.prompt_image_tokens,
        "cached": usage.cached_prompt_text_tokens,
        "reasoning": usage.reasoning_tokens,
        "cost": usage.cost_in_usd_ticks,
    }


def to_message(body: dict[str, Any]) -> Any:
    """Return a REST body as the request message that says the same."""
    body = dict(body)
    message = chat_pb2.GetCompletionsRequest(
        messages=[_to_turn(turn) for turn in body.pop("messages")],
        tools=[_to_tool(tool["function"]) for tool in body.pop("tools", ())],
    )
    if choice := body.pop("tool_choice", None):
        if isinstance(choice, str):
            message.tool_choice.mode = chat_pb2.ToolMode.Value(f"TOOL_MODE_{choice.upper()}")
        else:
            message.tool_choice.function_name = choice["function"]["name"]
    if wanted := body.pop("response_format", None):
        message.response_format.format_type = chat_pb2.FormatType.Value(f"FORMAT_TYPE_{wanted['type'].upper()}")
        if "json_schema" in wanted:
            message.response_format.schema = json.dumps(wanted["json_schema"]["schema"], separators=(",", ":"))
    if effort := body.pop("reasoning_effort", None):
        message.reasoning_effort = chat_pb2.ReasoningEffort.Value(f"EFFORT_{effort.upper()}")
    message.MergeFrom(chat_pb2.GetCompletionsRequest(**body))
    return message


def _to_turn(turn: dict[str, Any]) -> Any:
    content = turn.get("content")
    parts: Iterable[Any] = [{"type": "text", "text": content}] if isinstance(content, str) else content or ()
    return chat_pb2.Message(
        role=chat_pb2.MessageRole.Value(f"ROLE_{turn['role'].upper()}"),
        name=turn.get("name"),
        content=[_to_part(part) for part in parts],
        tool_calls=[
            chat_pb2.ToolCall(id=call["id"], function=chat_pb2.FunctionCall(**call["function"]))
            for call in turn.get("tool_calls", ())
        ],
        tool_call_id=turn.get("tool_call_id"),
    )


def _to_part(part: dict[str, Any]) -> Any:
    if part["type"] == "text":
        return chat_pb2.Content(text=part["text"])
    detail = image_pb2.ImageDetail.Value(f"DETAIL_{part['image_url'].get('detail', 'auto').upper()}")
    return chat_pb2.Content(image_url=image_pb2.ImageUrlContent(image_url=part["image_url"]["url"], detail=detail))


def _to_tool(function: dict[str, Any]) -> Any:
    parameters = json.dumps(function["parameters"], separators=(",", ":"))
    return chat_pb2.Tool(
        function=chat_pb2.Function(name=function["name"], description=function["description"], parameters=parameters)
    )
