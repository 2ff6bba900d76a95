"""Ask the language model once and gather its whole answer. Called by answers and structured."""

from __future__ import annotations

from contextlib import aclosing
from dataclasses import dataclass, replace

from vitrail.domain.chat import Sampling
from vitrail.domain.completion import FinishReason
from vitrail.engines.base import Engine, FinishPiece, Prompt, TextPiece
from vitrail.engines.facts.conversation import mend_marks

LEAST_TOKENS = 48  # enough for a mark or an abstention, whatever the client's max_tokens; the delivery cuts


@dataclass(frozen=True, slots=True)
class Answer:
    """A whole answer and why it ended."""

    text: str
    reason: FinishReason


async def ask(language: Engine, prompt: Prompt, sampling: Sampling, *, most_tokens: int) -> Answer:
    """Return the answer; temperature is 0 unless the client set one, stop sequences are left to the delivery."""
    drawn = replace(
        sampling,
        max_tokens=max(LEAST_TOKENS, sampling.max_tokens or most_tokens),
        temperature=0.0 if sampling.temperature is None else sampling.temperature,
        stop=(),
        logprobs=False,
        top_logprobs=0,
    )
    parts: list[str] = []
    reason = FinishReason.STOP
    async with aclosing(language.generate(prompt, drawn)) as pieces:
        async for piece in pieces:
            if isinstance(piece, TextPiece):
                parts.append(piece.text)
            elif isinstance(piece, FinishPiece):
                reason = piece.reason
    return Answer(mend_marks("".join(parts)).strip(), reason)
