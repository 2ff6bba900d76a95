"""What an answer has to look like: JSON of a schema, calls of functions that were offered. Called by completion.

`plan_shape` checks the schemas of a request when it is admitted, `checked` every answer of every engine while it
passes: text goes through as it comes, and an answer that ended by itself and is not as it has to be ends in a failure.
"""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from dataclasses import dataclass, field, replace
from typing import Any

from vitrail.domain.chat import ChatRequest, JsonFormat, Tool, ToolCall, ToolMode
from vitrail.domain.completion import FinishReason
from vitrail.domain.errors import Unavailable
from vitrail.engines.base import FinishPiece, Piece, TextPiece, ToolCallPiece
from vitrail.service.schema_check import is_valid
from vitrail.service.schemas import Json, parse_schema

THREAD_CHARACTERS = 16_384  # schemas over this are read off the event loop
NO_JSON = "The model's answer did not keep to the JSON schema of the request."
NO_CALL = "The model called a function that is not among the tools, or with arguments that do not fit it."
ANY_OBJECT: Json = {"type": "object"}
NO_ARGUMENTS: Json = {"type": "object", "additionalProperties": False}  # nothing is asked for, and nothing wrong


@dataclass(frozen=True, slots=True)
class AnswerShape:
    """What the text of an answer and the arguments of each function have to be; None and {} ask for nothing."""

    text: Json | None = None
    arguments: Mapping[str, Json] = field(default_factory=dict)

    @property
    def asks_for_nothing(self) -> bool:
        """Tell whether every answer will do."""
        return self.text is None and not self.arguments


async def plan_shape(request: ChatRequest) -> tuple[ChatRequest, AnswerShape]:
    """Return the request with the schemas that engines get, and the shape of its answers.

    Tools that must not be called are left out. Raises InvalidArgument for a schema that cannot be followed.
    """
    texts = [tool.parameters for tool in request.tools]
    texts += [request.response_format.schema or ""] if request.response_format else []
    if sum(map(len, texts)) > THREAD_CHARACTERS:
        return await asyncio.to_thread(_plan, request)
    return _plan(request)


async def checked(
    pieces: AsyncGenerator[Piece, None], shape: AnswerShape, *, call_seed: str
) -> AsyncGenerator[Piece, None]:
    """Yield the pieces of one answer, calls with an id; raises Unavailable when the answer is not as it has to be.

    An answer that was cut (`length`) passes as it is. `call_seed` makes the ids of calls that the engine gave none.
    """
    said: list[str] = []
    calls = 0
    async with aclosing(pieces):
        async for piece in pieces:
            if isinstance(piece, TextPiece) and shape.text is not None:
                said.append(piece.text)
            elif isinstance(piece, ToolCallPiece):
                await _check_call(piece.call, shape)
                piece = replace(piece, call=_with_id(piece.call, f"{call_seed}/{calls}"))
                calls += 1
            elif isinstance(piece, FinishPiece) and not calls and piece.reason is not FinishReason.LENGTH:
                await _check_text("".join(said), shape)
            yield piece


def _plan(request: ChatRequest) -> tuple[ChatRequest, AnswerShape]:
    wanted, text = request.response_format, None
    if wanted is not None:
        text = ANY_OBJECT
        if wanted.schema is not None:
            text = parse_schema(wanted.schema, where="response_format.json_schema.schema")
            wanted = JsonFormat(schema=json.dumps(text), name=wanted.name, strict=wanted.strict)
    is_barred = request.tool_choice is not None and request.tool_choice.mode is ToolMode.NONE
    offered = () if is_barred else request.tools
    arguments = {
        tool.name: _parse_parameters(tool.parameters, where=f"tools[{index}].function.parameters")
        for index, tool in enumerate(offered)
    }
    tools = tuple(Tool(tool.name, tool.description, json.dumps(arguments[tool.name])) for tool in offered)
    allowed = {name: schema if schema != NO_ARGUMENTS else ANY_OBJECT for name, schema in arguments.items()}
    return replace(request, response_format=wanted, tools=tools), AnswerShape(text, allowed)


def _parse_parameters(text: str, *, where: str) -> Json:
    """Return the schema of a function's arguments, which are an object also where it does not say so."""
    schema = parse_schema(text, where=where, lenient=True)
    return {**schema, "type": "object"} if isinstance(schema.get("type"), list) else schema


async def _check_text(text: str, shape: AnswerShape) -> None:
    if shape.text is not None and not await asyncio.to_thread(_fits, text, shape.text):
        raise Unavailable(NO_JSON, hint="Try again, or with a simpler schema.")


async def _check_call(call: ToolCall, shape: AnswerShape) -> None:
    if not shape.arguments:
        return
    schema = shape.arguments.get(call.name)
    if schema is None or not await asyncio.to_thread(_fits, call.arguments, schema):
        raise Unavailable(NO_CALL, hint="Try again.")


def _fits(text: str, schema: Json) -> bool:
    try:
        value: Any = json.loads(text)
    except (ValueError, RecursionError):
        return False
    return is_valid(value, schema)


def _with_id(call: ToolCall, seed: str) -> ToolCall:
    """Return the call with an id as the API writes them, `call_` and 8 digits, if the engine gave it none."""
    if call.id:
        return call
    number = int.from_bytes(hashlib.sha256(seed.encode()).digest()[:8]) % 10**8
    return replace(call, id=f"call_{number:08d}")
