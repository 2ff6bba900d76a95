"""`POST /v1/completions` and `POST /v1/complete`: the older text routes, answered as a chat of one turn."""

from __future__ import annotations

import msgspec
from msgspec import UNSET
from starlette.responses import Response
from starlette.types import ASGIApp

from vitrail.domain.completion import Chunk, Completion, CompletionHead, FinishReason, Usage
from vitrail.http_api import wire_text as wire
from vitrail.http_api.exchange import AdmittedExchange
from vitrail.http_api.json_answer import render_json
from vitrail.http_api.opening import fold_completion, open_completion, opening_headers
from vitrail.http_api.parse_text import TextForm, parse_complete, parse_text
from vitrail.http_api.render_chat import render_usage
from vitrail.http_api.streaming import DataEvents, EventStream


async def complete_text(admitted: AdmittedExchange) -> ASGIApp:
    """Answer a text completion request, whole or as a stream."""
    opened, form = await open_completion(admitted, parse_text, is_read_whole=lambda form: not form.stream)
    if form.stream:
        events = DataEvents(TextRenderer(opened.head, form, prompt=opened.prompt_usage))
        return EventStream(admitted.exchange, opened.chunks, events, headers=opening_headers(opened))
    completion, headers = await fold_completion(admitted.exchange, opened)
    return render_json(_render_whole(completion, form), headers=headers)


async def complete_prompt(admitted: AdmittedExchange) -> Response:
    """Answer a request of Anthropic's older text route."""
    opened, _ = await open_completion(admitted, parse_complete, is_read_whole=lambda _: True)
    completion, headers = await fold_completion(admitted.exchange, opened)
    choice = completion.choices[0]
    answer = wire.CompleteAnswer(
        type="completion",
        id=completion.head.id,
        completion=choice.text,
        stop_reason="max_tokens" if choice.finish_reason is FinishReason.LENGTH else "stop_sequence",
        stop=choice.stop_sequence,
        model=completion.head.model,
    )
    return render_json(answer, headers=headers)


class TextRenderer:
    """Renders the parts of one stream; usage is on them as the chat route has it, by the same stream options."""

    def __init__(self, head: CompletionHead, form: TextForm, *, prompt: Usage) -> None:
        self._head = head
        self._form = form
        self._usage = prompt
        self._begun: set[int] = set()

    def render(self, chunk: Chunk) -> bytes:
        """Return one part as JSON; the first of each choice begins with the echo."""
        self._usage = chunk.usage
        echo = "" if chunk.index in self._begun else self._form.echo
        self._begun.add(chunk.index)
        choice = wire.TextChoice(
            index=chunk.index,
            text=echo + chunk.text,
            finish_reason=chunk.finish_reason.value if chunk.finish_reason else UNSET,
        )
        usage = chunk.usage if self._form.include_usage is None else None
        return msgspec.json.encode(_render(self._head, [choice], usage))

    def render_usage_chunk(self) -> bytes | None:
        """Return the extra last part with the usage, if the client asked for it."""
        return msgspec.json.encode(_render(self._head, [], self._usage)) if self._form.include_usage else None


def _render_whole(completion: Completion, form: TextForm) -> wire.TextCompletion:
    choices = [
        wire.TextChoice(index=c.index, text=form.echo + c.text, finish_reason=c.finish_reason.value)
        for c in completion.choices
    ]
    return _render(completion.head, choices, completion.usage)


def _render(head: CompletionHead, choices: list[wire.TextChoice], usage: Usage | None) -> wire.TextCompletion:
    return wire.TextCompletion(
        id=head.id,
        object="text_completion",
        created=head.created,
        model=head.model,
        choices=choices,
        system_fingerprint=head.system_fingerprint,
        usage=UNSET if usage is None else render_usage(usage),
    )
