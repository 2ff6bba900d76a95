"""Cut a message that asks several questions into single ones, each with the pictures it names. Pure; called by engine.

A small language model answers the first question and forgets the rest.
"""

from __future__ import annotations

import re
from dataclasses import replace

from vitrail.domain.chat import Role, TextPart
from vitrail.domain.pictures import PreparedImage
from vitrail.engines.base import Prompt
from vitrail.engines.facts.words import content_words

MOST_PARTS = 4
_END = re.compile(r"(?<=\?)\s+(?=[^\W\d_a-z]|\u00bf)")
_PICTURE = r"(?:image|picture|photo|document|page|bild|foto|imagen|immagine)"
_NAMED = re.compile(rf"\b(?:(first|second|third|fourth)\s+{_PICTURE}|{_PICTURE}\s+(\d|one|two|three|four))\b", re.I)
_LEAD = re.compile(rf"^[^:?.]{{0,40}}{_PICTURE}[^:?.]{{0,12}}:\s*", re.I)
_NUMBERS = {"first": 1, "second": 2, "third": 3, "fourth": 4, "one": 1, "two": 2, "three": 3, "four": 4}


def split_prompt(prompt: Prompt) -> tuple[Prompt, ...]:
    """Return a prompt for each question of the last message; the prompt itself when it asks one, or JSON or tools."""
    last = prompt.messages[-1]
    texts = [part.text for part in last.parts if isinstance(part, TextPart)]
    if prompt.response_format or prompt.tools or last.role is not Role.USER or len(texts) != 1:
        return (prompt,)
    questions = split_questions(texts[0])
    return tuple(_ask(prompt, question) for question in questions) if len(questions) > 1 else (prompt,)


def split_questions(text: str) -> list[str]:
    """Return the questions of a text; what follows one without asking or naming a picture stays with it."""
    questions: list[str] = []
    for part in _END.split(text.strip()):
        is_own = _NAMED.search(part) or ("?" in part and content_words(part))
        if questions and not is_own:
            questions[-1] += f" {part}"
        else:
            questions.append(part)
    return questions if len(questions) <= MOST_PARTS else [text]


def _ask(prompt: Prompt, question: str) -> Prompt:
    """Return the prompt with one question and, where it names one picture of this message, with that picture alone."""
    last = prompt.messages[-1]
    pictures = [part for part in last.parts if isinstance(part, PreparedImage)]
    named = {_NUMBERS.get(word.casefold()) or int(word) for found in _NAMED.findall(question) for word in found if word}
    number = named.pop() if len(named) == 1 else 0
    kept: tuple[PreparedImage | TextPart, ...]
    if 1 <= number <= len(pictures) == len(prompt.images):
        kept = (pictures[number - 1], TextPart(_LEAD.sub("", question)))
    else:
        kept = (*pictures, TextPart(question))
    return replace(prompt, messages=(*prompt.messages[:-1], replace(last, parts=kept)))
