"""Do the calculation that a language model wrote down. Pure; called by answers when a worked-out number is wrong."""

from __future__ import annotations

import re
from collections.abc import Sequence

from vitrail.engines.facts.numerals import find_numbers, parse_number
from vitrail.engines.facts.words import content_words

REQUEST = (
    "That number is not in the facts. Write only the calculation that gives it, with numbers copied from the facts and "
    "no result, such as 1.20 + 3.40."
)
_CALCULATION = re.compile(r"(\d[\d.,']*)((?:\s*[-+*x\u00d7\u2212]\s*\d[\d.,']*){1,5})(?:\s*=.*)?")
_STEP = re.compile(r"([-+*x\u00d7\u2212])\s*(\d[\d.,']*)")


def work_out(calculation: str, question: str, facts: str) -> str | None:
    """Return the calculation with its right result, or None.

    It has to be sums and differences, or one product, of numbers that stand in lines of the facts about the question.
    """
    found = _CALCULATION.fullmatch(re.sub(r"[$\u20ac\u00a3`]", "", calculation).strip(" ."))
    if not found:
        return None
    steps = [("+", found[1]), *_STEP.findall(found[2])]
    values = [parse_number(text.rstrip(".,'")) for _, text in steps]
    known = _numbers_about(question, facts)
    if any(value is None or value not in known for value in values):
        return None
    result = _apply([sign for sign, _ in steps], [value for value in values if value is not None])
    if result is None:
        return None
    written = " ".join([found[1], *(f"{sign} {text}" for sign, text in _STEP.findall(found[2]))])
    return f"{written} = {_plain(result, decimals=_most_decimals([text for _, text in steps]))}"


def _numbers_about(question: str, facts: str) -> set[float]:
    """Return the numbers of the question and of the lines that share a content word with it."""
    about = content_words(question)
    lines = [line for line in facts.splitlines() if content_words(line) & about]
    return {value for text in (question, *lines) for value in find_numbers(text)}


def _apply(signs: Sequence[str], values: Sequence[float]) -> float | None:
    if any(sign in "*x\u00d7" for sign in signs):
        return values[0] * values[1] if len(values) == 2 else None
    return sum(value if sign == "+" else -value for sign, value in zip(signs, values, strict=True))


def _most_decimals(texts: Sequence[str]) -> int:
    return max(len(text.rpartition(".")[2]) if "." in text else 0 for text in texts)


def _plain(value: float, *, decimals: int) -> str:
    return f"{value:.{min(decimals, 4)}f}" if decimals else f"{value:g}"
