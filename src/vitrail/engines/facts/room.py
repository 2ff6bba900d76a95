"""Refuse pictures whose facts do not fit into the language engine's context window. Called by engine."""

from __future__ import annotations

from vitrail.domain.errors import ContextTooLong
from vitrail.engines.base import Engine
from vitrail.engines.facts.answers import Case
from vitrail.engines.facts.options import FactsOptions

ROOM_FOR_ANSWER = 256  # tokens, of which an objection and a second answer have to do too


async def check_room(case: Case, language: Engine, options: FactsOptions) -> None:
    """Raise ContextTooLong when facts and text leave no room for an answer; counts only where that is possible."""
    most_tokens = options.context_tokens - ROOM_FOR_ANSWER
    if sum(len(message.text.encode()) for message in case.prompt.messages) <= most_tokens:
        return  # no tokenizer makes more tokens than there are bytes
    tokens = await language.count_text_tokens(case.prompt)
    if tokens > most_tokens:
        raise ContextTooLong(
            f"The text read from {len(case.sheets)} images and the messages take {tokens} tokens, and the embedded "
            f"engine's limit is {most_tokens}.",
            hint="Send fewer pages in one request.",
        )
