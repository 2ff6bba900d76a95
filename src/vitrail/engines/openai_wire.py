"""Prompts to OpenAI-style request bodies. Used by llama and upstream. Does no I/O."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

from vitrail.domain.chat import JsonFormat, Role, Sampling, TextPart, Tool, ToolChoice, ToolMode
from vitrail.domain.pictures import PreparedImage
from vitrail.engines.base import Prompt, PromptMessage

Json = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rendering:
    """What differs from engine to engine in a request body."""

    image_url: Callable[[PreparedImage], str]
    plain: Callable[[str], str] = str
    developer_role: str = "system"

    def text(self, text: str) -> str:
        """Return a text as the engine may see it; half a surrogate pair, which UTF-8 cannot hold, becomes `?`."""
        return self.plain(text).encode("utf-8", "replace").decode("utf-8")


def render_chat(prompt: Prompt, sampling: Sampling, rendering: Rendering) -> Json:
    """Return the body of a streamed chat completion, without the model's name."""
    body: Json = {
        "messages": [render_message(m, rendering) for m in prompt.messages],
        "stream": True,
        "stream_options": {"include_usage": True},
        **_render_sampling(sampling),
    }
    if prompt.response_format is not None:
        body["response_format"] = _render_format(prompt.response_format)
    if prompt.tools:
        body["tools"] = [_render_tool(t, rendering) for t in prompt.tools]
        body["parallel_tool_calls"] = prompt.parallel_tool_calls
        if prompt.tool_choice is not None:
            body["tool_choice"] = _render_choice(prompt.tool_choice)
    if prompt.reasoning_effort is not None:
        body["reasoning_effort"] = prompt.reasoning_effort
    return body


def render_message(message: PromptMessage, rendering: Rendering) -> Json:
    """Return one message; texts alone stay a plain string if there is only one."""
    rendered: Json = {
        "role": rendering.developer_role if message.role is Role.DEVELOPER else message.role.value,
        "content": _render_content(message.parts, rendering),
    }
    if message.name is not None:
        rendered["name"] = rendering.text(message.name)
    if message.tool_calls:
        rendered["tool_calls"] = [
            {
                "id": call.id,
                "type": "function",
                "function": {"name": call.name, "arguments": rendering.text(call.arguments)},
            }
            for call in message.tool_calls
        ]
    if message.tool_call_id is not None:
        rendered["tool_call_id"] = message.tool_call_id
    return rendered


def _render_content(parts: tuple[TextPart | PreparedImage, ...], rendering: Rendering) -> str | list[Json]:
    if not parts:
        return ""
    if len(parts) == 1 and isinstance(parts[0], TextPart):
        return rendering.text(parts[0].text)
    return [
        {"type": "text", "text": rendering.text(part.text)}
        if isinstance(part, TextPart)
        else {"type": "image_url", "image_url": {"url": rendering.image_url(part)}}
        for part in parts
    ]


def _render_sampling(sampling: Sampling) -> Json:
    chosen: Json = {
        "max_tokens": sampling.max_tokens,
        "temperature": sampling.temperature,
        "top_p": sampling.top_p,
        "seed": sampling.seed,
        "stop": list(sampling.stop) or None,
        "frequency_penalty": sampling.frequency_penalty,
        "presence_penalty": sampling.presence_penalty,
        "logprobs": True if sampling.logprobs else None,
        "top_logprobs": sampling.top_logprobs if sampling.logprobs else None,
    }
    return {name: value for name, value in chosen.items() if value is not None}


def _render_format(wanted: JsonFormat) -> Json:
    if wanted.schema is None:
        return {"type": "json_object"}
    schema = {"name": wanted.name or "answer", "schema": msgspec.json.decode(wanted.schema), "strict": wanted.strict}
    return {"type": "json_schema", "json_schema": schema}


def _render_tool(tool: Tool, rendering: Rendering) -> Json:
    parameters = msgspec.json.decode(rendering.text(tool.parameters))
    description = rendering.text(tool.description)
    return {"type": "function", "function": {"name": tool.name, "description": description, "parameters": parameters}}


def _render_choice(choice: ToolChoice) -> str | Json:
    if choice.name is not None and choice.mode is not ToolMode.NONE:
        return {"type": "function", "function": {"name": choice.name}}
    return choice.mode.value
