"""Ask the language model whether a line of the facts really answers the question. Called by answers on documents.

It catches the near neighbour given for what is absent: the phone number for the fax number, the card for the cashier.
Asked only when no content word of the question stands in the lines that the answer comes from, and only of an engine
with log probabilities: the decision is a threshold on P(yes), since the bare word is wrong too often.
"""

from __future__ import annotations

import math
from contextlib import aclosing

from vitrail.domain.chat import Role, Sampling, TextPart
from vitrail.domain.completion import TokenLogprob
from vitrail.engines.base import Engine, Prompt, PromptMessage, TextPiece
from vitrail.engines.facts.conversation import break_marks
from vitrail.engines.facts.words import content_words, fold

LOWEST_YES = 0.25
MOST_LINES = 3
INSTRUCTIONS = (
    "Does the line from a document answer the question, for exactly the thing, person, kind and time that the question "
    "names? Something similar is not enough. Reply yes or no."
)


async def is_beside_the_point(question: str, answer: str, facts: str, language: Engine) -> bool:
    """Tell whether the lines behind the answer are about something else than the question."""
    if not language.capabilities.logprobs:
        return False
    lines = find_sources(answer, facts)
    if not lines or any(content_words(line) & content_words(question) for line in lines):
        return False
    text = break_marks(f"Line: {' / '.join(lines)}\nQuestion: {question}")
    prompt = Prompt(
        (PromptMessage(Role.SYSTEM, (TextPart(INSTRUCTIONS),)), PromptMessage(Role.USER, (TextPart(text),)))
    )
    sampling = Sampling(max_tokens=1, temperature=0.0, logprobs=True, top_logprobs=8)
    async with aclosing(language.generate(prompt, sampling)) as pieces:
        async for piece in pieces:
            if isinstance(piece, TextPiece) and piece.logprobs:
                return read_yes(piece.logprobs[0]) < LOWEST_YES
    return False


def find_sources(answer: str, facts: str) -> list[str]:
    """Return the lines of the facts that share a content word or figure with the answer, the nearest first."""
    said = _marks(answer)
    shared = [(len(_marks(line) & said), line) for line in facts.splitlines()]
    best = max((count for count, _ in shared), default=0)
    return [line for count, line in shared if count and count == best][:MOST_LINES]


def read_yes(token: TokenLogprob) -> float:
    """Return P(yes) against P(no) from the first token's alternatives; 1 when neither is among them."""
    weights = {"yes": 0.0, "no": 0.0}
    for text, logprob in token.top or ((token.token, token.logprob),):
        word = text.strip().casefold()
        if word in weights:
            weights[word] += math.exp(logprob)
    total = weights["yes"] + weights["no"]
    return weights["yes"] / total if total else 1.0


def _marks(text: str) -> set[str]:
    """Return the content words and the figures of a text."""
    figures = {word.strip(".,;:!?()") for word in fold(text).split() if any(one.isdigit() for one in word)}
    return content_words(text) | figures
