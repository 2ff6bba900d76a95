"""Turn the bodies of the older text routes into a ChatRequest. Called by text."""

from __future__ import annotations

import re
from dataclasses import dataclass

from vitrail.domain.chat import ChatRequest, Message, Role, Sampling, TextPart
from vitrail.domain.errors import InvalidArgument
from vitrail.http_api import wire_text as wire
from vitrail.http_api.json_body import decode_body
from vitrail.http_api.options import HttpOptions
from vitrail.http_api.parse_chat import parse_sampling, parse_stop
from vitrail.http_api.wire_chat import ChatCompletionRequest
from vitrail.service.arguments import INT32_MAX, within

_SPEAKER = re.compile(r"\n\n(Human|Assistant): ?")
_ROLES = {"Human": Role.USER, "Assistant": Role.ASSISTANT}


@dataclass(frozen=True, slots=True)
class TextForm:
    """How the client wants the answer; `echo` is what it begins with."""

    stream: bool
    include_usage: bool | None
    echo: str


def parse_text(body: bytes | bytearray, options: HttpOptions) -> tuple[ChatRequest, TextForm]:
    """Parse a text completion request: its prompt is what the user says."""
    asked = decode_body(body, wire.TextCompletionRequest)
    if asked.suffix:
        raise InvalidArgument("Argument not supported: suffix")
    if asked.best_of is not None and asked.best_of > 1:
        raise InvalidArgument("Argument not supported: best_of")
    prompt = _parse_prompt(asked.prompt)
    request = ChatRequest(
        model=asked.model,
        messages=(Message(Role.USER, (TextPart(prompt),)),),
        sampling=_parse_sampling(asked),
        n=within("n", asked.n, 1, options.choices) or 1,
        user=asked.user,
    )
    form = TextForm(
        stream=bool(asked.stream),
        include_usage=asked.stream_options.include_usage if asked.stream_options else None,
        echo=prompt if asked.echo else "",
    )
    return request, form


def parse_complete(body: bytes | bytearray, options: HttpOptions) -> tuple[ChatRequest, None]:
    """Parse a request of Anthropic's older text route; its prompt is cut into turns where a speaker is named."""
    asked = decode_body(body, wire.CompleteRequest)
    if asked.stream:
        raise InvalidArgument("`stream` is not available on this route.", hint="Use `POST /v1/messages`.")
    sampling = Sampling(
        max_tokens=within("max_tokens_to_sample", asked.max_tokens_to_sample, 1, INT32_MAX),
        temperature=within("temperature", asked.temperature, 0, 2),
        top_p=within("top_p", asked.top_p, 0, 1) or None,
        stop=parse_stop(asked.stop_sequences, name="stop_sequences"),
    )
    return ChatRequest(model=asked.model, messages=_parse_turns(asked.prompt), sampling=sampling), None


def _parse_prompt(prompt: str | list[str]) -> str:
    texts = [prompt] if isinstance(prompt, str) else prompt
    if len(texts) != 1:
        raise InvalidArgument(
            f"`prompt` must be one text, but there are {len(texts)}.", hint="Send a request for each."
        )
    return texts[0]


def _parse_sampling(asked: wire.TextCompletionRequest) -> Sampling:
    """Check the numbers, which have the names and ranges of the chat route."""
    return parse_sampling(
        ChatCompletionRequest(
            model=asked.model,
            messages=[],
            max_tokens=asked.max_tokens,
            temperature=asked.temperature,
            top_p=asked.top_p,
            seed=asked.seed,
            stop=asked.stop,
            frequency_penalty=asked.frequency_penalty,
            presence_penalty=asked.presence_penalty,
        )
    )


def _parse_turns(prompt: str) -> tuple[Message, ...]:
    """Return what Human and Assistant say; the last `Assistant:` with nothing after it asks for the answer."""
    first, *rest = _SPEAKER.split(prompt)
    turns = [Message(Role.SYSTEM if rest else Role.USER, (TextPart(first.strip()),))] if first.strip() else []
    for speaker, said in zip(rest[::2], rest[1::2], strict=True):
        if said.strip():
            turns.append(Message(_ROLES[speaker], (TextPart(said.strip()),)))
    if not turns:
        raise InvalidArgument("`prompt` is empty.")
    return tuple(turns)
