"""Draw a set of questions from a seed. The way in for everyone else; knows nothing of HTTP or scoring."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count as count_up
from random import Random

from .families import FAMILIES, Job, Sheet, usable_families
from .languages import Language
from .look import choose_look
from .photograph import Medium, photograph
from .question import (
    BothAnswer,
    DateAnswer,
    Draft,
    Kind,
    NumberAnswer,
    Question,
    TextAnswer,
    TimeAnswer,
)

# how much a set should have of each kind; those that few families can ask are weighted up
_WANTED: dict[Kind, float] = {
    Kind.READ: 10,
    Kind.DOC: 16,
    Kind.TABLE: 10,
    Kind.CHART: 20,
    Kind.COUNT: 8,
    Kind.COLOR: 18,
    Kind.REASON: 11,
    Kind.YESNO: 8,
    Kind.ABSENT: 12,
    Kind.CODE: 16,
    Kind.JSON: 8,
    Kind.PHOTO: 16,
}
_PER_DOCUMENT = 3
_COMPARE_SHARE = 0.07
_OFTEN_DARK = ("menu", "poster", "code", "dialog", "settings")
_ALIKE = (
    {"table", "timetable", "week plan", "product label", "invoice", "form"},
    {"card", "business card", "form", "ticket"},
    {"poster", "sign", "QR code notice", "list"},
)
_LANGUAGE_WEIGHTS = (40, 15, 15, 15, 15)
_ALONE = ("shapes", "photo")
_PAIRABLE = (NumberAnswer, TextAnswer, DateAnswer, TimeAnswer)


@dataclass(frozen=True, slots=True)
class Drawn:
    """A document as a file, with what can be asked about it."""

    family: str
    language: Language
    medium: Medium
    file: bytes
    sheet: Sheet


def draw_set(seed: int, count: int) -> list[Question]:
    """Draw `count` questions over fresh documents; the same seed gives the same set on the same machine.

    Words, values and questions depend on the seed alone; the appearance also on the fonts that are installed.
    """
    chosen: list[Question] = []
    tally: Counter[Kind] = Counter()
    previous: Drawn | None = None
    for index, family in enumerate(_family_order(seed)):
        rng = Random(f"{seed}/{index}/choice")
        drawn = draw_document(family, seed, index)
        if previous and family not in _ALONE and previous.family not in _ALONE and _is_comparison_due(tally):
            compared = _ask_about_two(f"{seed}-{index}-0", previous, drawn, rng)
            chosen += compared
            tally[Kind.COMPARE] += len(compared)
        for number, draft in enumerate(_choose(drawn.sheet.drafts, tally, rng), 1):
            chosen.append(
                Question(
                    id=f"{seed}-{index}-{number}",
                    kind=draft.kind,
                    family=family,
                    language=drawn.language.value,
                    medium=drawn.medium.value,
                    text=draft.text,
                    images=(drawn.file,),
                    answer=draft.answer,
                    printed=drawn.sheet.printed,
                )
            )
            tally[draft.kind] += 1
        previous = drawn
        if len(chosen) >= count:
            break
    return chosen[:count]


def draw_document(family: str, seed: int, index: int) -> Drawn:
    """One document of a family; `index` tells apart documents of one seed."""
    words, looks = Random(f"{seed}/{index}/words"), Random(f"{seed}/{index}/looks")
    language = words.choices(tuple(Language), _LANGUAGE_WEIGHTS)[0]
    dark_share = 0.35 if family in _OFTEN_DARK else 0.06
    look = choose_look(looks, dark_share=dark_share, is_english=language is Language.ENGLISH)
    sheet = FAMILIES[family](Job(language, words, looks, look))
    in_colour = any(draft.kind in (Kind.COLOR, Kind.PHOTO) for draft in sheet.drafts)
    file, medium = photograph(sheet.image, look.size_px, looks, in_colour=in_colour)
    return Drawn(family, language, medium, file, sheet)


def _family_order(seed: int) -> Iterator[str]:
    for turn in count_up():
        names = list(usable_families())
        Random(f"{seed}/{turn}/order").shuffle(names)
        yield from names


def _is_comparison_due(tally: Counter[Kind]) -> bool:
    return tally[Kind.COMPARE] <= sum(tally.values()) * _COMPARE_SHARE


def _choose(drafts: tuple[Draft, ...], tally: Counter[Kind], rng: Random) -> list[Draft]:
    """A few of a document's questions, of the kinds that the set lacks most."""
    pool, picked = list(drafts), Counter(tally)
    rng.shuffle(pool)
    taken: list[Draft] = []
    while pool and len(taken) < _PER_DOCUMENT:
        best = min(pool, key=lambda draft: (picked[draft.kind] + 1) / _WANTED[draft.kind])
        pool = [draft for draft in pool if draft is not best and draft.text != best.text]
        taken.append(best)
        picked[best.kind] += 1
    return taken


def _ask_about_two(name: str, first: Drawn, second: Drawn, rng: Random) -> list[Question]:
    """One question about two documents, or none where they have nothing to tell apart."""
    comparisons = _comparisons(first, second, rng)
    if not comparisons:
        return []
    text, answer = rng.choice(comparisons)
    printed = (*first.sheet.printed, *second.sheet.printed)
    family = f"{first.family}+{second.family}"
    question = Question(
        id=name,
        kind=Kind.COMPARE,
        family=family,
        language=first.language.value,
        medium=f"{first.medium.value}+{second.medium.value}",
        text=text,
        images=(first.file, second.file),
        answer=answer,
        printed=printed,
    )
    return [question]


def _comparisons(first: Drawn, second: Drawn, rng: Random) -> list[tuple[str, TextAnswer | BothAnswer]]:
    names = (
        ("image 1", "first image", "first", "image one", "1"),
        ("image 2", "second image", "second", "image two", "2"),
    )
    found: list[tuple[str, TextAnswer | BothAnswer]] = []
    nouns = {first.sheet.noun, second.sheet.noun}
    if len(nouns) == 2 and not any(nouns <= alike for alike in _ALIKE):
        which = rng.randrange(2)
        noun = (first, second)[which].sheet.noun
        found.append(
            (f"Which of the two images is a {noun}, image 1 or image 2?", TextAnswer(names[which], names[1 - which]))
        )
    totals = (first.sheet.total_cents, second.sheet.total_cents)
    if totals[0] and totals[1]:
        which = 0 if totals[0] > totals[1] else 1
        found.append(
            (
                "Leaving the currency aside, in which image is the total the larger number, image 1 or image 2?",
                TextAnswer(names[which], names[1 - which]),
            )
        )
    halves = [[d for d in drawn.sheet.drafts if isinstance(d.answer, _PAIRABLE)] for drawn in (first, second)]
    if halves[0] and halves[1]:
        one, two = rng.choice(halves[0]), rng.choice(halves[1])
        if isinstance(one.answer, _PAIRABLE) and isinstance(two.answer, _PAIRABLE):
            text = f"About the first image: {one.text} About the second image: {two.text}"
            found.append((text, BothAnswer(one.answer, two.answer)))
    lines = [
        line for line in second.sheet.printed if len(line) > 7 and line.isascii() and line not in first.sheet.printed
    ]
    if lines:
        line = rng.choice(lines)
        found.append((f"In which image does “{line}” stand, image 1 or image 2?", TextAnswer(names[1], names[0])))
    return found
