"""Look up in the pictures' text what a question quotes or names, so that the language model need not search. Pure.

Called by answers. `Is Norwich listed?` and `Which image says "Exit"?` are decided by a search, not by a model's memory.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from vitrail.engines.facts.cells import look_up_cells, look_up_lists
from vitrail.engines.facts.facts_text import find_heading
from vitrail.engines.facts.labelled import asks_for_title, find_labelled
from vitrail.engines.facts.sheet import FactSheet
from vitrail.engines.facts.words import COMMON_NAMES, capitalises_nouns, find_inner_names, fold

MOST_PHRASES = 6
_LINES = re.compile(
    r"\b(?:how many lines|(?:number of|count) (?:the |all )?lines|wie viele zeilen|combien de lignes)\b"
)
_QUOTED = re.compile(r"[\"\u201c\u201e\u00ab]\s*([^\"\u201c\u201d\u201e\u00ab\u00bb]{2,80}?)\s*[\"\u201d\u201c\u00bb]")


def look_up(question: str, sheets: Sequence[FactSheet]) -> tuple[str, ...]:
    """Return a fact for every phrase in quotes and every name in the question: where it stands, or that it does not."""
    texts = [_squeeze(sheet.text) for sheet in sheets]
    return tuple(_place(phrase, [_squeeze(phrase) in text for text in texts]) for phrase in find_phrases(question))


def find_values(question: str, sheets: Sequence[FactSheet], facts: str) -> tuple[str, ...]:
    """Return facts made for the question: the heading, lines counted, cells and labelled values that it names.

    Of several pictures only cells, since for the rest it is not known which picture is meant.
    """
    if len(sheets) != 1:
        found = [(number, table) for number, sheet in enumerate(sheets, 1) for table in sheet.tables]
        return tuple(f"In image {number}: {cell}" for number, table in found for cell in look_up_cells(question, table))
    heading = find_heading(sheets[0])
    if heading is not None and asks_for_title(question):
        return (f"The heading is: {' '.join(sheets[0].rows[heading].texts)}",)
    if _LINES.search(fold(question)) and not sheets[0].tables:
        return (f"The text has {len(sheets[0].rows)} lines.",)
    cells = [cell for table in sheets[0].tables for cell in look_up_cells(question, table)]
    return (*cells, *look_up_lists(question, sheets[0]), *find_labelled(question, facts))


def find_phrases(question: str) -> list[str]:
    """Return what stands in quotes and, unless the language capitalises all nouns, runs of capitalised words."""
    quoted = _QUOTED.findall(question)
    rest = _QUOTED.sub(" ", question)
    named = [] if capitalises_nouns(rest) else find_inner_names(rest)
    names = [name for name in named if not set(fold(name).split()) <= COMMON_NAMES]
    return [phrase for phrase in dict.fromkeys([*quoted, *names]) if _squeeze(phrase)][:MOST_PHRASES]


def _place(phrase: str, found: list[bool]) -> str:
    where = [f"image {number}" for number, is_there in enumerate(found, 1) if is_there]
    if not where:
        return f'"{phrase}" does not stand in the text.'
    if len(found) == 1:
        return f'"{phrase}" stands in the text.'
    return f'"{phrase}" stands in {" and ".join(where)}{" only" if len(where) < len(found) else ""}.'


def _squeeze(text: str) -> str:
    return re.sub(r"\W+", "", fold(text))
