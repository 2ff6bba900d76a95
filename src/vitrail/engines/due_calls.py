"""Hold an answer in which a function has to be called to that. Called by upstream.

Not every server keeps to `tool_choice`, or reads the calls of its model: text that is the JSON of a call is the call,
other text instead of one is a failure. Knows nothing of how a call was asked for.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import replace
from typing import Any

import structlog

from vitrail.domain.chat import ToolCall, ToolMode
from vitrail.domain.completion import FinishReason
from vitrail.domain.errors import Unavailable
from vitrail.engines.base import FinishPiece, Piece, Prompt, ReasoningPiece, TextPiece, ToolCallPiece
from vitrail.engines.json_reply import THOUGHT

NO_CALL = "The model did not call the function that the request requires."
FENCED = re.compile(r"\s*```(?:json)?\s*(.*?)\s*```\s*", re.S)


def must_call(prompt: Prompt) -> bool:
    """Tell whether the answer has to be a call."""
    choice = prompt.tool_choice
    return bool(prompt.tools) and choice is not None and (choice.mode is ToolMode.REQUIRED or choice.name is not None)


async def keep_due_call(
    pieces: AsyncGenerator[Piece, None], prompt: Prompt, *, about: Mapping[str, str]
) -> AsyncGenerator[Piece, None]:
    """Yield the pieces, text not before a call is there; raises Unavailable if there is none, or another one.

    An answer that was cut before its call passes with what it has. `about` is what a log line says of the server.
    """
    held: list[TextPiece] = []
    has_called = False
    async with aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, TextPiece) and not has_called:
                held.append(piece)
                continue
            due: Sequence[Piece] = (piece,)
            if isinstance(piece, FinishPiece) and not has_called:
                due = _finish(piece, held, prompt)
            elif isinstance(piece, ToolCallPiece):
                due = (*held, piece) if _is_due(piece.call, prompt) else ()
                held, has_called = [], True
            if not due:
                hint = "some servers need a parser for the calls of the model"
                structlog.get_logger(component="due_calls", **about).warning("no call although it is due", hint=hint)
                raise Unavailable(NO_CALL, hint="Try again.")
            for one in due:
                yield one


def _finish(finish: FinishPiece, held: Sequence[TextPiece], prompt: Prompt) -> Sequence[Piece]:
    """Return the calls that the held text is, or the text itself where the answer was cut; else nothing."""
    text = "".join(piece.text for piece in held)
    thought = THOUGHT.match(text)
    calls = _parse_calls(text[thought.end() :] if thought else text, prompt)
    if not calls or not all(_is_due(call, prompt) for call in calls):
        return (*held, finish) if finish.reason is FinishReason.LENGTH else ()
    tokens = [sum(piece.tokens for piece in held), *[0] * len(calls)]
    return (
        *([ReasoningPiece(thought[1].strip(), 0)] if thought else ()),
        *(ToolCallPiece(call, count) for call, count in zip(calls, tokens, strict=False)),
        replace(finish, reason=FinishReason.TOOL_CALLS),
    )


def _is_due(call: ToolCall, prompt: Prompt) -> bool:
    """Tell whether a call is of the function that has to be called."""
    return prompt.tool_choice is not None and prompt.tool_choice.name in (None, call.name)


def _parse_calls(text: str, prompt: Prompt) -> list[ToolCall]:
    """Return the calls that a text is, in any of the usual forms; none where it is something else."""
    fenced = FENCED.fullmatch(text)
    try:
        said: Any = json.loads(fenced[1] if fenced else text)
    except (ValueError, RecursionError):
        return []
    if isinstance(said, dict) and isinstance(said.get("tool_calls"), list):
        said = said["tool_calls"]
    calls = [_parse_call(one, prompt) for one in (said if isinstance(said, list) else [said])]
    known = [call for call in calls if call is not None]
    return known if len(known) == len(calls) else []


def _parse_call(said: Any, prompt: Prompt) -> ToolCall | None:
    """Return a call `{"name": ..., "arguments": ...}`; an object alone is the arguments of the named function."""
    if not isinstance(said, dict):
        return None
    call = said["function"] if isinstance(said.get("function"), dict) else said
    arguments = call.get("arguments", call.get("parameters"))
    if call.get("name") not in [tool.name for tool in prompt.tools] or arguments is None:
        named = prompt.tool_choice.name if prompt.tool_choice else None
        return ToolCall("", named, json.dumps(said, ensure_ascii=False)) if named else None
    whole = arguments if isinstance(arguments, str) else json.dumps(arguments, ensure_ascii=False)
    return ToolCall("", call["name"], whole)
