"""Tell whether a date is one of the facts written another way. Pure; called by the checks of an answer."""

from __future__ import annotations

import re

from vitrail.engines.facts.words import fold, fold_words

# The first letters of the months in English, German, French, Spanish and Italian.
_MONTHS = {
    start: number
    for number, starts in enumerate(
        (
            "jan ene gen",
            "feb fev",
            "mar",
            "apr avr abr",
            "may mai mag",
            "jun juin giu",
            "jul juil lug",
            "aug aou ago",
            "sep set",
            "oct okt ott",
            "nov",
            "dec dez dic",
        ),
        1,
    )
    for start in starts.split()
}
_DAY = r"\d{1,2}(?:st|nd|rd|th|\.|er)?"
_WRITTEN = re.compile(
    rf"(?:(?P<day>{_DAY})\s+(?:of\s+|de\s+)?)?(?P<month>(?:{'|'.join(_MONTHS)})[^\W\d_]{{0,9}})\.?(?:\s+(?P<late>{_DAY})(?!\d))?"
    r"(?:,?\s+(?:de\s+)?(?P<year>\d{4}))?",
    re.IGNORECASE,
)
_FIGURES = re.compile(r"\d{1,4}(?:[-/.:]\d{1,4}){1,2}(?!\w)|\d{1,2}[:.h]\d{2}")


def month_number(word: str) -> int | None:
    """Return 1 to 12 for the name of a month in any of the five languages."""
    folded = fold(word)
    return _MONTHS.get(folded[:4]) or _MONTHS.get(folded[:3])


def drop_known_dates(text: str, facts: str) -> str:
    """Return the text without the dates that some line of the facts holds, in whatever order or spelling."""
    known = [_parts_of(line) | _short_years(line) for line in facts.splitlines()]

    def blank(found: re.Match[str]) -> str:
        parts = _parts_of(found[0])
        return " " if len(parts) > 1 and any(parts <= line for line in known) else found[0]

    return _FIGURES.sub(blank, _WRITTEN.sub(blank, text))


def holds_date(text: str, facts: str) -> bool:
    """Tell whether the whole text is a date or time that the facts hold."""
    return not re.search(r"\w", drop_known_dates(text, facts))


def _parts_of(text: str) -> set[int]:
    """Return the figures of a text, and the numbers of the months it names."""
    figures = {int(part) for part in re.findall(r"\d{1,4}", text)}
    return figures | {number for word in fold_words(text) if (number := month_number(word))}


def _short_years(text: str) -> set[int]:
    """Return the last two digits of every year."""
    return {int(year) % 100 for year in re.findall(r"(?<!\d)(?:19|20)\d\d(?!\d)", text)}
