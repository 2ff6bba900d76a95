"""Find what an answer says that nothing supports: numbers, names and colours. Pure; called by the engine.

A number has to stand in the facts or the conversation, or be worked out from numbers of rows that the question or
answer is about. A name has to stand there too. Everything else in the answer's wording is the model's own business.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from itertools import combinations

from vitrail.engines.facts.dates import drop_known_dates
from vitrail.engines.facts.facts_text import WORKED_OUT
from vitrail.engines.facts.numerals import find_numbers, parse_number
from vitrail.engines.facts.words import (
    COLOUR_WORDS,
    COMMON_NAMES,
    EMPTY_WORDS,
    base_form,
    capitalises_nouns,
    content_words,
    find_inner_names,
    fold,
    fold_words,
    is_english,
    split_words,
)

SMALL_NUMBERS = dict(
    zip(
        ["two", "three", "four", "five", "six", "seven", "eight", "nine", "ten", "eleven", "twelve"],
        range(2, 13),
        strict=True,
    )
)
BARE_WORDS = 4  # an answer of so few words is a name or value by itself
_FIGURE = re.compile(r"\w*\d(?:[\w.,:/'%+*-]*\w)?")
TOLERANCE = 0.006
MOST_LINES = 12


@dataclass(frozen=True, slots=True)
class Support:
    """What an answer may draw on: the facts as text, and everything said in the conversation."""

    facts: str
    said: str

    @property
    def whole(self) -> str:
        """Return both together."""
        return f"{self.facts}\n{self.said}"


def find_unsupported(answer: str, question: str, support: Support) -> tuple[str, ...]:
    """Return the words of the answer that have no support, in order."""
    found = [*_figures(answer, question, support), *_names(answer, support), *_colours(answer, support)]
    return tuple(dict.fromkeys(found))


def find_false_premises(question: str, facts: str) -> tuple[str, ...]:
    """Return numbers and, in an English question, names inside it that the facts do not hold.

    A question about `Q2 of 2024` cannot be answered from a chart of 2025, however near its figures look.
    """
    known = _figure_forms(facts)
    missing = [figure for figure in _FIGURE.findall(question) if _is_name(figure) and not _figure_forms(figure) & known]
    if is_english(question) and not capitalises_nouns(question):
        folded = set(fold_words(facts))
        missing += [
            name
            for name in _inner_words(question)
            if not name.isupper() and fold(name).removesuffix("'s") not in folded | COMMON_NAMES
        ]
    return tuple(dict.fromkeys(missing))


def _is_name(figure: str) -> bool:
    """Tell whether a figure names something: a year, or letters and digits as in `Q2`; others may be made up."""
    year = re.fullmatch(r"(?:19|20)\d\d", figure)
    return bool(year or re.fullmatch(r"[A-Z]+-?\d+\w*", figure))


def _figures(answer: str, question: str, support: Support) -> list[str]:
    known = _figure_forms(support.whole)
    values = set(find_numbers(support.whole))
    derived: set[float] | None = None
    missing = []
    for figure in _FIGURE.findall(drop_known_dates(answer, support.whole)):
        if _figure_forms(figure) <= known:
            continue
        value = parse_number(re.sub(r"[^\d.,]", "", figure).rstrip(".,"))
        if value is None or value in values:
            if value is None:
                missing.append(figure)
            continue
        derived = derive_numbers(question, answer, support.facts) if derived is None else derived
        if not any(abs(value - other) < TOLERANCE for other in derived):
            missing.append(figure)
    facts = set(fold_words(support.whole))
    for word in fold_words(answer):
        number = SMALL_NUMBERS.get(word)
        if number and word not in facts and float(number) not in values:
            missing.append(word)
    return missing


def derive_numbers(question: str, answer: str, facts: str) -> set[float]:
    """Return what can be worked out in one step from the lines that question or answer are about.

    Sums and differences of numbers that stand at the same place of two to four such lines, and products of one of them
    with a number of the question.
    """
    about = content_words(question) | content_words(answer)
    lines = [line for line in facts.splitlines() if content_words(line) & about and not line.startswith(WORKED_OUT)]
    columns: dict[int, list[float]] = {}
    for line in lines[:MOST_LINES]:
        for place, cell in enumerate(reversed(line.split(" | "))):
            columns.setdefault(place, []).extend(find_numbers(cell)[-1:])
    derived: set[float] = set()
    for values in columns.values():
        for size in range(2, 5):
            derived |= {sum(some) for some in combinations(values, size)}
        derived |= {abs(one - other) for one, other in combinations(values, 2)}
        derived |= {one * other for one in values for other in find_numbers(question)}
    return derived


def _names(answer: str, support: Support) -> list[str]:
    if capitalises_nouns(answer):
        return []
    known = {base_form(word) for word in fold_words(support.whole)} | set(fold_words(support.whole)) | COMMON_NAMES
    words = split_words(answer)
    names = words if len(words) <= BARE_WORDS and all(word[:1].isupper() for word in words) else _inner_words(answer)
    return [
        name
        for name in names
        if fold(name).removesuffix("'s") not in known | EMPTY_WORDS
        and not all(part in known for part in re.split(r"[-']", fold(name)))
        and fold(name).replace(" ", "") not in fold(support.whole).replace(" ", "")
    ]


def _inner_words(text: str) -> list[str]:
    return [word for name in find_inner_names(text) for word in split_words(name)]


def _colours(answer: str, support: Support) -> list[str]:
    known = {base_form(word) for word in fold_words(support.whole)}
    return [word for word in fold_words(answer) if word in COLOUR_WORDS and base_form(word) not in known]


def _figure_forms(text: str) -> set[str]:
    """Return every figure of the text in one spelling: folded, thousands marks and outer zeros away."""
    forms = set()
    for figure in _FIGURE.findall(text):
        value = parse_number(re.sub(r"^[^\d]+|[^\d]+$", "", figure)) if re.search(r"\d", figure) else None
        plain = re.fullmatch(r"[$\u20ac\u00a3]?\d[\d.,']*%?", figure)
        forms.add(f"{value:g}" if plain and value is not None and abs(value) < 1e6 else fold(figure))
    return forms
