"""Function calls for any model that can follow a JSON schema: the answer is one JSON object, calls or a reply.

Used by engines whose model has no way to call functions that could be relied upon. `force_tools` turns a prompt with
tools into one without: the functions stand in the instructions, and the answer is held to
`{"tool_calls": [{"name": ..., "arguments": {...}}]}` or, where the model may choose, `{"reply": "..."}`. `read_calls`
turns the pieces of that answer back: a reply streams as plain text, calls leave whole at the end.
"""

from __future__ import annotations

import json
from collections.abc import AsyncGenerator, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

from vitrail.domain.chat import JsonFormat, Role, Sampling, TextPart, Tool, ToolCall, ToolMode
from vitrail.domain.completion import FinishReason
from vitrail.domain.errors import Unavailable
from vitrail.domain.stop import StopCutter
from vitrail.engines.base import FinishPiece, Piece, Prompt, PromptMessage, ReasoningPiece, TextPiece, ToolCallPiece
from vitrail.engines.json_reply import ReplyReader

Json = dict[str, Any]

MOST_CALLS = 8  # at once, where several are allowed
INSTRUCTIONS = "You can call these functions:\n{functions}\n\n"
MUST_CALL = (
    'Call {which}. Answer with JSON of this form alone: {{"tool_calls": [{{"name": "...", "arguments": {{...}}}}]}}'
)
MAY_CALL = (
    "If one of these functions gives what the user asks for, call it: answer with JSON of the form "
    '{{"tool_calls": [{{"name": "...", "arguments": {{...}}}}]}}. Results of calls come back as messages that begin '
    'with "Result of". For anything else, and once the results are there, answer in words with JSON of the form '
    '{{"reply": "..."}}.'
)


def force_tools(prompt: Prompt) -> Prompt:
    """Return the prompt with no tools left: calls and results of earlier turns as text, new calls by a schema."""
    messages = tuple(_render_turn(message, is_json=bool(prompt.tools)) for message in prompt.messages)
    if not prompt.tools:
        return replace(prompt, messages=messages, tool_choice=None)
    return replace(
        prompt,
        messages=_instruct(messages, _instructions(prompt)),
        response_format=JsonFormat(schema=json.dumps(plan_schema(prompt)), name="answer"),
        tools=(),
        tool_choice=None,
    )


def plan_sampling(sampling: Sampling) -> Sampling:
    """Return the sampling of a forced answer: stop sequences are for the reply, not for the JSON around it."""
    return replace(sampling, stop=(), logprobs=False, top_logprobs=0)


def plan_schema(prompt: Prompt) -> Json:
    """Return the schema of a forced answer; every function's own schema is a definition of it."""
    tools = [tool for tool in prompt.tools if _named(prompt) in (None, tool.name)]
    definitions = {f"f{index}": _move(json.loads(tool.parameters), f"f{index}") for index, tool in enumerate(tools)}
    calls = [
        _object(name={"enum": [tool.name]}, arguments={"$ref": f"#/$defs/f{index}"}) for index, tool in enumerate(tools)
    ]
    most = MOST_CALLS if prompt.parallel_tool_calls and _named(prompt) is None else 1
    items = calls[0] if len(calls) == 1 else {"anyOf": calls}
    forced = _object(tool_calls={"type": "array", "items": items, "minItems": 1, "maxItems": most})
    if _must_call(prompt):
        return {**forced, "$defs": definitions}
    reply: Json = {"type": "string"}
    if prompt.response_format is not None:
        definitions["reply"] = _move(json.loads(prompt.response_format.schema or '{"type": "object"}'), "reply")
        reply = {"$ref": "#/$defs/reply"}
    return {"anyOf": [forced, _object(reply=reply)], "$defs": definitions}


async def read_calls(
    pieces: AsyncGenerator[Piece, None], sampling: Sampling, *, is_json_reply: bool
) -> AsyncGenerator[Piece, None]:
    """Yield a forced answer as what it means; one that was cut within its calls has none, and ends with `length`."""
    reader, stop = ReplyReader(), StopCutter(sampling.stop)
    waiting, thought = 0, 0  # tokens of text that was not sent yet, and of a thought that came as text
    async with aclosing(pieces):
        async for piece in pieces:
            match piece:
                case TextPiece():
                    waiting += piece.tokens
                    reply = reader.push(piece.text)
                    if reader.thought and not thought:
                        thought, waiting = waiting, 0
                        yield ReasoningPiece(reader.thought, thought)
                    if not is_json_reply and (text := stop.push(reply)):
                        yield TextPiece(text, waiting)
                        waiting = 0
                    if stop.stopped:
                        yield FinishPiece(FinishReason.STOP, stop_sequence=stop.met)
                        return
                case FinishPiece():
                    for last in _finish(_recount(piece, thought), reader, stop, waiting, is_json_reply=is_json_reply):
                        yield last
                case ReasoningPiece() | ToolCallPiece():
                    yield piece


def _finish(
    finish: FinishPiece, reader: ReplyReader, stop: StopCutter, waiting: int, *, is_json_reply: bool
) -> Sequence[Piece]:
    """Return what is left to say: held-back text, calls or a reply in JSON, and the finish."""
    try:
        answer = _read_answer(reader.whole)
    except (ValueError, RecursionError) as error:
        if finish.reason is not FinishReason.LENGTH:
            raise Unavailable from error
        held = stop.flush()
        return (TextPiece(held, waiting), finish) if held else (finish,)
    if calls := answer.get("tool_calls"):
        tokens = [waiting // len(calls)] * len(calls)
        tokens[-1] += waiting - sum(tokens)
        return (
            *(
                ToolCallPiece(ToolCall("", call["name"], json.dumps(call["arguments"], ensure_ascii=False)), count)
                for call, count in zip(calls, tokens, strict=True)
            ),
            replace(finish, reason=FinishReason.TOOL_CALLS),
        )
    text = json.dumps(answer["reply"], ensure_ascii=False) if is_json_reply else stop.flush()
    return (TextPiece(text, waiting), finish) if text else (finish,)


def _recount(finish: FinishPiece, thought: int) -> FinishPiece:
    """Return the finish with the tokens of a thought that came as text counted as reasoning."""
    if not thought or finish.completion_tokens is None or finish.reasoning_tokens:
        return finish
    thought = min(thought, finish.completion_tokens)
    return replace(finish, completion_tokens=finish.completion_tokens - thought, reasoning_tokens=thought)


def _read_answer(whole: str) -> Json:
    """Return a forced answer; raises ValueError for one of another shape, as servers without grammars let through."""
    answer = json.loads(whole, strict=False)
    if isinstance(answer, dict):
        calls = answer.get("tool_calls")
        is_called = isinstance(calls, list) and all(_is_call(call) for call in calls)
        if is_called if calls else "reply" in answer:
            return answer
    raise ValueError("neither calls nor a reply")


def _is_call(call: object) -> bool:
    return isinstance(call, dict) and isinstance(call.get("name"), str) and "arguments" in call


def _must_call(prompt: Prompt) -> bool:
    return prompt.tool_choice is not None and prompt.tool_choice.mode is ToolMode.REQUIRED


def _named(prompt: Prompt) -> str | None:
    return prompt.tool_choice.name if prompt.tool_choice is not None else None


def _instructions(prompt: Prompt) -> str:
    functions = "\n".join(_describe(tool) for tool in prompt.tools)
    which = f"the function {_named(prompt)}" if _named(prompt) else "a function"
    return (INSTRUCTIONS + (MUST_CALL if _must_call(prompt) else MAY_CALL)).format(functions=functions, which=which)


def _describe(tool: Tool) -> str:
    known = {"name": tool.name, "description": tool.description, "parameters": json.loads(tool.parameters)}
    return json.dumps(known, ensure_ascii=False)


def _instruct(messages: tuple[PromptMessage, ...], text: str) -> tuple[PromptMessage, ...]:
    """Return the messages with `text` in their system message at the beginning; some templates take only that one."""
    first = messages[0] if messages else None
    if first is not None and first.role in (Role.SYSTEM, Role.DEVELOPER):
        return (replace(first, parts=(*first.parts, TextPart(text))), *messages[1:])
    return (PromptMessage(Role.SYSTEM, (TextPart(text),)), *messages)


def _render_turn(message: PromptMessage, *, is_json: bool) -> PromptMessage:
    """Return a turn in the roles that every template knows; the model's own turns in the form it has to answer in."""
    if message.role is Role.TOOL:
        called = f" {message.name}" if message.name else f" {message.tool_call_id}" if message.tool_call_id else ""
        return PromptMessage(Role.USER, (TextPart(f"Result of{called}: {message.text}"),))
    if message.tool_calls:
        calls = [{"name": call.name, "arguments": _read(call.arguments)} for call in message.tool_calls]
        text = json.dumps({"tool_calls": calls}, ensure_ascii=False)
        return PromptMessage(Role.ASSISTANT, (TextPart(f"{message.text}\n{text}".strip()),), name=message.name)
    if message.role is Role.ASSISTANT and is_json:
        return replace(message, parts=(TextPart(json.dumps({"reply": message.text}, ensure_ascii=False)),))
    return message


def _read(arguments: str) -> Any:
    try:
        return json.loads(arguments)
    except ValueError:
        return arguments


def _object(**properties: Json) -> Json:
    return {
        "type": "object",
        "properties": properties,
        "required": list(properties),
        "additionalProperties": False,
    }


def _move(schema: Json, name: str) -> Json:
    """Return a schema that still holds when it stands at `#/$defs/name`; its references are into its own root."""
    moved = dict(schema)
    reference = moved.get("$ref")
    if isinstance(reference, str) and reference.startswith("#"):
        moved["$ref"] = f"#/$defs/{name}{reference[1:]}"
    for key in ("properties", "$defs"):
        if isinstance(moved.get(key), dict):
            moved[key] = {inner: _move(one, name) for inner, one in moved[key].items()}
    for key in ("items", "additionalProperties"):
        if isinstance(moved.get(key), dict):
            moved[key] = _move(moved[key], name)
    for key in ("anyOf", "prefixItems"):
        if isinstance(moved.get(key), list):
            moved[key] = [_move(one, name) for one in moved[key]]
    return moved
