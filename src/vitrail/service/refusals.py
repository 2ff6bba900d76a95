"""Refuse what the model cannot do, before anything is fetched or generated; pure rules with the recorded texts."""

from __future__ import annotations

from vitrail.domain.chat import ChatRequest, ToolMode
from vitrail.domain.errors import ContextTooLong, InvalidArgument
from vitrail.domain.models import Modality, Model
from vitrail.engines.base import Capabilities

EFFORTS = ("low", "high")


def check_capabilities(request: ChatRequest, model: Model, capabilities: Capabilities) -> None:
    """Raise InvalidArgument for an argument or image that this model does not take.

    Reasoning models refuse penalties and `stop` even at their neutral value, as recorded of the real API.
    """
    if request.image_references and not (Modality.IMAGE in model.input_modalities and capabilities.images):
        raise InvalidArgument(
            "The model expects a single `text` element per message.",
            where=request.image_references[0].where,
            hint=f"{model.id} takes no images; `GET /v1/language-models` shows which models do.",
        )
    sampling = request.sampling
    unsupported = {
        "presencePenalty": model.reasoning and sampling.presence_penalty is not None,
        "frequencyPenalty": model.reasoning and sampling.frequency_penalty is not None,
        "stop": model.reasoning and bool(sampling.stop),
        "reasoningEffort": request.reasoning_effort is not None and not model.reasoning,
        "logprobs": sampling.logprobs and not capabilities.logprobs,
        "responseFormat": request.response_format is not None and not capabilities.structured,
        "tools": _wants_tools(request) and not capabilities.tools,
    }
    for name, refused in unsupported.items():
        if refused:
            raise InvalidArgument(f"Argument not supported on this model: {name}")
    if request.reasoning_effort not in (None, *EFFORTS):
        raise InvalidArgument(
            "Argument not supported on this model: reasoningEffort",
            hint=f"It may be {' or '.join(EFFORTS)}, not {request.reasoning_effort}.",
        )


def check_context(*, text_tokens: int, image_tokens: int, model: Model) -> None:
    """Raise ContextTooLong when the prompt leaves no room in the model's context window."""
    if model.text_tokens is not None and text_tokens >= model.text_tokens:
        raise ContextTooLong(
            f"This model's maximum prompt length is {model.text_tokens} text tokens but the request contains "
            f"{text_tokens}."
        )
    total_tokens = text_tokens + image_tokens
    if total_tokens >= model.context_tokens:
        raise ContextTooLong(
            f"This model's maximum prompt length is {model.context_tokens} but the request contains "
            f"{total_tokens} tokens ({text_tokens} text, {image_tokens} image).",
            hint='Send fewer or smaller images, or `detail: "low"` (256 tokens an image).',
        )


def _wants_tools(request: ChatRequest) -> bool:
    return bool(request.tools) and not (request.tool_choice and request.tool_choice.mode is ToolMode.NONE)
