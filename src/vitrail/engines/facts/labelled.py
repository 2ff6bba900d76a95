"""Find the one value whose label a question says word for word, so that no neighbour is taken for it. Pure.

Called by lookups. `What is the batch?` finds `Batch: A1885`; `What is the due date?` does not find `Date: 2 May`, since
the label is only a part of what is asked for.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vitrail.engines.facts.words import EMPTY_WORDS, content_words, fold, word_set

MOST_WORDS = 5
_BEFORE = re.compile(r"([^\W\d_]+)[\s-]+$")
_TITLE_WORDS = word_set("title heading headline uberschrift titel titre titulo titolo encabezado intestazione")
_NEXT = re.compile(r"^\s+([^\W\d_]+)")
_AFTER = re.compile(r"^(?:-\w|\s+(?:of|de|du|des|d'|di|del|della|der|von|per)\b)")
_FREE = EMPTY_WORDS | word_set("der die das den dem le la les el los las il lo gli un una une des du de di del al off")


def find_labelled(question: str, facts: str) -> tuple[str, ...]:
    """Return the lines `Label: value` for the labels in the question; those that name several values are left out."""
    folded = fold(question)
    pairs = list(_pairs(facts))
    labels = [label for label, _ in pairs]
    named = [label for label in labels if labels.count(label) == 1 and _is_asked(folded, label)]
    longest = [label for label in named if not any(label != other and label in other for other in named)]
    return tuple(f"{label}: {value}" for label, value in pairs if label in longest)


def asks_for_title(question: str) -> bool:
    """Tell whether the question is about the heading of the page, not about a job title or a title bar."""
    folded = fold(question)
    return any(_is_asked(folded, word, alone=True) for word in _TITLE_WORDS)


def _pairs(facts: str) -> Iterator[tuple[str, str]]:
    for line in facts.splitlines():
        for cell in line.split(" | "):
            label, colon, value = cell.partition(": ")
            if colon and value and len(label.split()) <= MOST_WORDS and content_words(label):
                yield label, value


def _is_asked(question: str, label: str, *, alone: bool = False) -> bool:
    """Tell whether the question says the label and no word before it, nor one `of` it, makes it another thing.

    With `alone` no word of content may follow either, as in `title bar`; after a label it may be a verb.
    """
    for found in re.finditer(rf"(?<!\w){re.escape(fold(label))}(?!\w)", question):
        rest = question[found.end() :]
        near = [_BEFORE.search(question[: found.start()]), _NEXT.match(rest) if alone else None]
        if all(word is None or word[1] in _FREE for word in near) and not _AFTER.match(rest):
            return True
    return False
