"""Find numbers, days, times and texts in an answer, however written. Knows nothing of right or wrong."""

from __future__ import annotations

import functools
import re
import unicodedata
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from datetime import date
from typing import Generic, TypeVar

from .languages import MONTHS

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Mention(Generic[T]):
    """Something said between two offsets; more than one reading where the writing is ambiguous."""

    start: int
    end: int
    readings: frozenset[T]


_MONTH_NUMBERS = {
    form: number
    for names in MONTHS.values()
    for number, name in enumerate(names, 1)
    for form in (name.lower(), name.lower()[:3], name.lower()[:4])
    if not (form == "mar" and number == 5)
}
_MONTH = "(" + "|".join(sorted(map(re.escape, _MONTH_NUMBERS), key=len, reverse=True)) + r")\.?"
_DAY_FORMS = (
    re.compile(r"(?<!\d)(?P<y>\d{4})[-/.](?P<m>\d{1,2})[-/.](?P<d>\d{1,2})(?!\d)"),
    re.compile(r"(?<!\d)(?P<a>\d{1,2})[-/.] ?(?P<b>\d{1,2})[-/.] ?(?P<y>\d{4}|\d{2})(?!\d)"),
    re.compile(
        r"(?<!\d)(?P<d>\d{1,2})(?:st|nd|rd|th|er|º|°|\.)?[ -](?:of |de |di )?"
        rf"(?P<month>{_MONTH})(?:,? (?:de |del )?|-)?(?P<y>\d{{4}})?(?!\w)"
    ),
    re.compile(rf"(?<!\w)(?P<month>{_MONTH}) (?P<d>\d{{1,2}})(?:st|nd|rd|th)?(?!\d)(?:,? (?P<y>\d{{4}}))?(?!\d)"),
)
_TIME = re.compile(
    r"(?<![\d.,:])(?P<h>\d{1,2})(?:(?::|\.| ?h ?)(?P<m>\d{2})(?::\d{2})?)?\s*(?P<half>[ap]\.?m\b\.?|uhr\b)?(?![\d%])",
    re.I,
)
_NUMBER = re.compile(
    r"(?<![\w.,])(?<!\w[-/])[-−]?\d{1,3}(?:[ \u00a0\u202f'’]\d{3}(?!\d))+(?:[.,]\d+)?(?!\d)"
    r"|(?<![\w.,])(?<!\w[-/])[-−]?\d+(?:[.,]\d+)*"
)
_CURRENCY = re.compile(r"\b(EUR|USD|GBP|CAD|CHF)(?=\d)|(?<=\d)(EUR|USD|GBP|CAD|CHF)\b", re.I)
_NO_ANSWER_NUMBER = re.compile(
    r"^\s*\d+[.)]\s(?=\S)|\b(?:per|pro|pour|por) 100 ?(?:g|ml)\b|\d+(?:[.,]\d+)? ?%|\d+(?:st|nd|rd|th)\b", re.M | re.I
)
_WORDS = {
    word: number
    for words in (
        "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen sixteen",
        "null eins zwei drei vier fünf sechs sieben acht neun zehn elf zwölf",
        "zéro un deux trois quatre cinq six sept huit neuf dix onze douze",
        "cero uno dos tres cuatro cinco seis siete ocho nueve diez once doce",
        "zero uno due tre quattro cinque sei sette otto nove dieci undici dodici",
    )
    for number, word in enumerate(words.split())
}
_NUMBER_WORD = re.compile(r"\b(" + "|".join(_WORDS) + r")\b", re.I)
_SAME = str.maketrans(
    {
        "’": "'",
        "‘": "'",
        "`": "'",
        "“": '"',
        "”": '"',
        "„": '"',
        "«": '"',
        "»": '"',
        "–": "-",
        "—": "-",
        "−": "-",
        "\u00a0": " ",
        "\u202f": " ",
    }
)


def tidy(text: str) -> str:
    """The answer without markdown and typographic variants; line breaks stay."""
    plain = unicodedata.normalize("NFC", text).translate(_SAME)
    plain = re.sub(r"\*+|^#+ |^> ", "", plain, flags=re.M)
    plain = re.sub(r"^\s*[-•] (?=\S)", "", plain, flags=re.M)
    return plain.strip()


def find_numbers(text: str) -> list[Mention[float]]:
    """Every number: digits with any separators, or small number words; not days, clock times, percents or codes."""
    hidden = _blank(text, (mention for mention in find_days(text)))
    hidden = re.sub(r"\b\d{1,2}:\d{2}\b", lambda match: " " * len(match.group()), hidden)
    hidden = _NO_ANSWER_NUMBER.sub(lambda match: " " * len(match.group()), hidden)
    hidden = _CURRENCY.sub(lambda match: " " * len(match.group()), hidden)
    found = []
    for match in _NUMBER.finditer(hidden):
        if re.match(r"[A-Za-z]+\d|_", hidden[match.end() :]):
            continue
        found.append(Mention(match.start(), match.end(), _values(match.group())))
    if not found:
        for match in _NUMBER_WORD.finditer(hidden):
            found.append(Mention(match.start(), match.end(), frozenset({float(_WORDS[match.group().lower()])})))
    return found


def find_days(text: str) -> list[Mention[tuple[int | None, int, int]]]:
    """Every day as (year or None, month, day)."""
    found: list[Mention[tuple[int | None, int, int]]] = []
    for form in _DAY_FORMS:
        for match in form.finditer(text.lower()):
            if any(match.start() < other.end and other.start < match.end() for other in found):
                continue
            readings = frozenset(_days(match.groupdict()))
            if readings:
                found.append(Mention(match.start(), match.end(), readings))
    return sorted(found, key=lambda mention: mention.start)


def find_times(text: str) -> list[Mention[int]]:
    """Every time of day in minutes after midnight."""
    found = []
    hidden = _blank(text, find_days(text))
    for match in _TIME.finditer(hidden):
        hour, half = int(match["h"]), (match["half"] or "").lower().replace(".", "")
        if match["m"] is None and half not in ("am", "pm", "uhr"):
            continue
        minute = int(match["m"] or 0)
        if hour > 24 or minute > 59:
            continue
        if half in ("am", "pm") and hour <= 12:
            hour = hour % 12 + (12 if half == "pm" else 0)
        found.append(Mention(match.start(), match.end(), frozenset({hour * 60 + minute})))
    return found


def find_texts(text: str, wanted: Iterable[str]) -> list[Mention[str]]:
    """Every one of these texts, longer ones first, without regard to case, spacing and punctuation."""
    found: list[Mention[str]] = []
    for item in sorted({tidy(each) for each in wanted}, key=len, reverse=True):
        for match in _pattern(item).finditer(text):
            if not any(match.start() < other.end and other.start < match.end() for other in found):
                found.append(Mention(match.start(), match.end(), frozenset({item})))
    return sorted(found, key=lambda mention: mention.start)


def words_of(text: str) -> list[str]:
    """The words and numbers of a text, in lower case."""
    return re.findall(r"\w+(?:[.,:/@'-]\w+)*", tidy(text).casefold())


def is_day(readings: frozenset[tuple[int | None, int, int]], day: date) -> bool:
    """Whether one reading is that day; a reading without a year stands for any."""
    return bool(readings & {(day.year, day.month, day.day), (None, day.month, day.day)})


@functools.lru_cache(maxsize=4096)
def _pattern(item: str) -> re.Pattern[str]:
    """The item's words in order, with any spacing and punctuation between them but where a mark carries meaning."""
    pieces = re.split(r"([^\W_]+)", item)
    words, gaps = pieces[1::2], pieces[2::2]
    if not words:
        return re.compile(re.escape(item) or r"(?!)")
    body = _letters(words[0])
    for before, gap, word in zip(words, gaps, words[1:], strict=False):
        body += _gap(gap, between_digits=before[-1].isdigit() and word[0].isdigit()) + _letters(word)
    sign = re.escape(gaps[-1]) if gaps[-1] in ("+", "-") else r"(?!\w)(?![.,]\d)"
    return re.compile(r"(?<!\w)(?<!\d[.,])" + body + sign, re.I)


def _letters(word: str) -> str:
    return re.escape(word).replace("ß", "(?:ß|ss)")


def _gap(written: str, *, between_digits: bool) -> str:
    mark = written.strip()
    if mark in ("@", "_") or (between_digits and mark in (".", ",", ":")):
        return rf"\s*{re.escape(mark)}\s*"
    return r"[^\w.,:]*" if between_digits else r"[\W_]*"


def _values(written: str) -> frozenset[float]:
    sign = -1.0 if written[0] in "-−" else 1.0
    digits = re.sub(r"[ \u00a0\u202f'’]", "", written.lstrip("-−"))
    marks = re.findall(r"[.,]", digits)
    if not marks:
        return frozenset({sign * float(digits)})
    if len(set(marks)) == 2 or len(marks) == 1:
        whole, rest = re.split(r"[.,](?=[^.,]*$)", digits)
        decimal = float(re.sub(r"[.,]", "", whole) + "." + rest)
        grouped = (
            {float(re.sub(r"[.,]", "", digits))} if len(marks) == 1 and len(rest) == 3 and len(whole) <= 3 else set()
        )
        return frozenset(sign * value for value in {decimal, *grouped})
    return frozenset({sign * float(re.sub(r"[.,]", "", digits))})


def _days(parts: dict[str, str | None]) -> Iterator[tuple[int | None, int, int]]:
    year = int(parts["y"] or 0) if parts.get("y") else None
    year = year + 2000 if year is not None and year < 100 else year
    month_name = parts.get("month")
    if month_name:
        yield from _checked(year, _MONTH_NUMBERS[month_name.rstrip(".")], int(parts["d"] or 0))
    elif parts.get("m"):
        yield from _checked(year, int(parts["m"] or 0), int(parts["d"] or 0))
    else:
        first, second = int(parts["a"] or 0), int(parts["b"] or 0)
        yield from _checked(year, second, first)
        yield from _checked(year, first, second)


def _checked(year: int | None, month: int, day: int) -> Iterator[tuple[int | None, int, int]]:
    if 1 <= month <= 12 and 1 <= day <= 31:
        yield year, month, day


def _blank(text: str, mentions: Iterable[Mention[tuple[int | None, int, int]]]) -> str:
    for mention in mentions:
        text = text[: mention.start] + " " * (mention.end - mention.start) + text[mention.end :]
    return text
