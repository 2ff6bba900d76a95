"""Function calls of the embedded engine: a real language model, forced by a grammar, reads facts and calls."""

from __future__ import annotations

import json

from vitrail.domain.chat import Sampling, Tool, ToolChoice, ToolMode
from vitrail.engines.base import Prompt, ToolCallPiece

from .conftest import image, user

FILE = Tool(
    "file",
    "Files a document.",
    '{"type": "object", "properties": {"kind": {"enum": ["receipt", "letter"]}}, "required": ["kind"],'
    ' "additionalProperties": false}',
)


async def test_a_function_is_called_about_a_picture(engine_with, sheet_of, llama):
    """Facts stand where the picture stood, and the call has arguments of the function's schema."""
    engine = engine_with(llama, sheet_of("GREEN LEAF MARKET", "TOTAL | 6.91"))
    assert engine.capabilities.tools
    prompt = Prompt((user(image("a"), "File it."),), tools=(FILE,), tool_choice=ToolChoice(ToolMode.REQUIRED))
    pieces = [piece async for piece in engine.generate(prompt, Sampling(max_tokens=800, seed=1))]
    calls = [piece.call for piece in pieces if isinstance(piece, ToolCallPiece)]
    assert calls and all(call.name == "file" for call in calls)
    assert json.loads(calls[0].arguments)["kind"] in ("receipt", "letter")
    assert pieces[-1].reason == "tool_calls"
