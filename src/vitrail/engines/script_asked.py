"""Read from a prompt what rules look at, and the digest by which a recorded answer finds its request again."""

from __future__ import annotations

import hashlib
import json
from typing import Any

from vitrail.domain.chat import Role, Sampling, TextPart
from vitrail.domain.pictures import PreparedImage
from vitrail.engines.base import Prompt, PromptMessage
from vitrail.engines.script import Asked, AskedImage

DIGEST_DIGITS = 32


def read_asked(prompt: Prompt, sampling: Sampling, *, model: str) -> Asked:
    """Return what rules look at in a prompt for `model`."""
    texts = [message.text for message in prompt.messages if message.role is Role.USER]
    system = [message.text for message in prompt.messages if message.role in (Role.SYSTEM, Role.DEVELOPER)]
    return Asked(
        text=texts[-1] if texts else "",
        model=model,
        images=tuple(_read_image(image) for image in prompt.images),
        system="\n".join(system),
        last_role=prompt.messages[-1].role if prompt.messages else Role.USER,
        digest=digest_prompt(prompt, sampling),
        tools=tuple(tool.name for tool in prompt.tools),
        structured=prompt.response_format is not None,
    )


def digest_prompt(prompt: Prompt, sampling: Sampling) -> str:
    """Return hex digits over all that makes one request another: messages, images, format, tools, length and stop.

    Temperature and seed do not count: a recorded answer is the same whatever the dice.
    """
    format, choice = prompt.response_format, prompt.tool_choice
    told: dict[str, Any] = {
        "messages": [_tell_message(message) for message in prompt.messages],
        "format": format and [format.schema, format.name, format.strict],
        "tools": [[tool.name, tool.description, tool.parameters] for tool in prompt.tools],
        "choice": choice and [choice.mode.value, choice.name],
        "effort": prompt.reasoning_effort,
        "max_tokens": sampling.max_tokens,
        "stop": sampling.stop,
    }
    return hashlib.sha256(json.dumps(told, sort_keys=True).encode()).hexdigest()[:DIGEST_DIGITS]


def _tell_message(message: PromptMessage) -> list[Any]:
    parts = [part.text if isinstance(part, TextPart) else _tell_image(part) for part in message.parts]
    calls = [[call.id, call.name, call.arguments] for call in message.tool_calls]
    return [message.role.value, message.name, parts, calls, message.tool_call_id]


def _tell_image(image: PreparedImage) -> dict[str, Any]:
    """The file by its digest, and how closely it is looked at; without a file, the pixels."""
    mark = image.sent.sha256 if image.sent else hashlib.sha256(image.picture.rgb).hexdigest()
    return {"sha256": mark, "tiles": [image.plan.columns, image.plan.rows]}


def _read_image(image: PreparedImage) -> AskedImage:
    return AskedImage(
        width_px=image.picture.width_px,
        height_px=image.picture.height_px,
        sha256=image.sent.sha256 if image.sent else "",
    )
