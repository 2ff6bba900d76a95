"""Make answers that the scorer must pass or fail, from what is expected. Called by the self-test and by storing."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from datetime import date, timedelta
from typing import assert_never

from .languages import MONTHS, Language
from .question import (
    AbsentAnswer,
    AllAnswer,
    Answer,
    BothAnswer,
    DateAnswer,
    Json,
    JsonAnswer,
    NumberAnswer,
    OpenAnswer,
    Question,
    TextAnswer,
    TimeAnswer,
    TranscriptAnswer,
    YesNoAnswer,
)

_UNSURE = ("I can't tell from this picture.", "Das kann ich nicht erkennen.", "Non riesco a leggerlo.")
_ABSENT = (
    "That is not shown in the picture.",
    "There is no such information on it.",
    "Das ist nicht angegeben.",
    "Ce n'est pas indiqué.",
    "No aparece en la imagen.",
    "Non è indicato.",
)
_OFF_TOPIC = "A heron crosses the violet marsh."


def samples_of(question: Question) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """(right answers, answers that are not right); made from the expected answer and its rivals in the picture."""
    good, bad = _samples(question.answer)
    bad = [*bad, _OFF_TOPIC, ""]
    if not isinstance(question.answer, (AbsentAnswer, OpenAnswer)):
        bad += _UNSURE
    if len(question.printed) >= 8 and not isinstance(question.answer, (TranscriptAnswer, AllAnswer, JsonAnswer)):
        bad.append("\n".join(question.printed))
    return tuple(dict.fromkeys(good)), tuple(dict.fromkeys(bad))


def _samples(answer: Answer) -> tuple[list[str], list[str]]:
    match answer:
        case TextAnswer(accept, others):
            right = accept[0]
            rivals = [other for other in others[:4] if right.lower() not in other.lower()]
            bad = [
                *rivals,
                *([_damaged(right)] if len(accept) == 1 else []),
                *(f"It is {rival}." for rival in rivals[:1]),
            ]
            bad += [", ".join([*rivals, right])] if len(rivals) >= 2 else []
            return [right, f"It is {right}.", f"**{right}**", right.upper()], bad
        case NumberAnswer(value, others):
            return _number_samples(value, others)
        case DateAnswer(day, other_days):
            days = [*other_days, day + timedelta(days=1), day.replace(year=day.year + 1)]
            return _written_days(day), [form for rival in days for form in _written_days(rival)[:2]]
        case TimeAnswer(minutes, other_times):
            times = [*other_times[:3], (minutes + 1) % 1440]
            return _written_times(minutes), [form for rival in times for form in _written_times(rival)[:2]]
        case YesNoAnswer(yes):
            words = (("Yes", "Ja.", "Oui", "Sí.", "Sì"), ("No", "Nein.", "Non", "No.", "No, it is not."))
            return list(words[not yes]), [*words[yes], "Yes or no."]
        case AllAnswer(texts, others):
            return ["\n".join(texts), ", ".join(texts)], [_damaged(texts[0]), *texts[1:], *others]
        case TranscriptAnswer(text):
            half = " ".join(text.split()[::2])
            return [text, text.upper(), text.replace("\n", " ")], [half, text.split()[0]]
        case AbsentAnswer(asked, values, _):
            bad = [*(f"It is {value}." for value in values[:3]), *values[:2]]
            bad += [f"The {asked[0]} is Mildred.", f"{asked[0]}: 4711", "It is not shown, but it is 4711."]
            return [*_ABSENT, *_UNSURE], bad
        case BothAnswer(first, second):
            return _both_samples(first, second)
        case JsonAnswer(_, expected):
            bad = [json.dumps(spoilt) for spoilt in _spoilt(expected)]
            return [json.dumps(expected), json.dumps(expected, ensure_ascii=False, indent=1)], [
                *bad,
                "{}",
                "[]",
                "null",
            ]
        case OpenAnswer(accept):
            return [*_UNSURE, *(f"A {word}." for word in accept)], ["A giraffe.", "On a Tuesday in Oslo, by Mildred."]
        case _:
            assert_never(answer)


def _number_samples(value: float, others: Sequence[float]) -> tuple[list[str], list[str]]:
    plain = f"{value:g}" if value < 1e5 else f"{value:.2f}".rstrip("0").rstrip(".")
    good = [plain, f"The answer is {plain}.", f"It comes to {value:,.2f}.", f"€{value:.2f}"]
    good.append(f"{value:,.2f} EUR".replace(",", "\0").replace(".", ",").replace("\0", "."))
    bad = [f"{other:g}" for other in others[:4] if other != value]
    bad += [f"{value + 1:g}", f"1{plain}", f"{plain}7" if "." in plain else f"{plain}.7", f"{plain} or {value + 1:g}"]
    return good, bad


def _both_samples(first: Answer, second: Answer) -> tuple[list[str], list[str]]:
    (good_one, bad_one), (good_two, bad_two) = _samples(first), _samples(second)
    bad_one, bad_two = [*bad_one, _OFF_TOPIC], [*bad_two, _OFF_TOPIC]
    good = [f"First image: {good_one[0]}\nSecond image: {good_two[0]}", f"{good_one[0]}; {good_two[0]}"]
    bad = [f"{bad_one[0]}; {good_two[0]}", f"{good_one[0]}; {bad_two[0]}", good_one[0], f"{bad_one[0]}; {bad_two[0]}"]
    return good, bad


def _written_days(day: date) -> list[str]:
    return [
        day.isoformat(),
        f"{day.day} {MONTHS[Language.ENGLISH][day.month - 1]} {day.year}",
        f"It is {MONTHS[Language.ENGLISH][day.month - 1]} {day.day}, {day.year}.",
        f"{day.day}. {MONTHS[Language.GERMAN][day.month - 1]} {day.year}",
        f"{day.day} {MONTHS[Language.FRENCH][day.month - 1]} {day.year}",
        f"{day.day} de {MONTHS[Language.SPANISH][day.month - 1]} de {day.year}",
        f"{day.day:02d}.{day.month:02d}.{day.year}",
        f"{day.day:02d}/{day.month:02d}/{day.year}",
    ]


def _written_times(minutes: int) -> list[str]:
    hour, minute = divmod(minutes, 60)
    half = f"{(hour - 1) % 12 + 1}:{minute:02d} {'pm' if hour >= 12 else 'am'}"
    return [f"{hour:02d}:{minute:02d}", f"{hour}.{minute:02d} Uhr", half, f"It starts at {hour:02d}h{minute:02d}."]


def _damaged(text: str) -> str:
    """The text with one letter or digit changed, as a misreading would."""
    middle = [i for i, letter in enumerate(text) if letter.isalnum()]
    spot = middle[len(middle) // 2]
    other = "7" if text[spot].isdigit() and text[spot] != "7" else "4" if text[spot].isdigit() else "q"
    return text[:spot] + (other if other != text[spot].lower() else "w") + text[spot + 1 :]


def _spoilt(value: Json) -> Iterator[Json]:
    """Copies of a JSON value, each wrong in one leaf or row."""
    if isinstance(value, Mapping):
        for key, inner in value.items():
            for spoilt in _spoilt(inner):
                yield {**value, key: spoilt}
        yield {**value, "extra": 1}
    elif isinstance(value, str):
        yield _damaged(value)
    elif isinstance(value, Sequence):
        yield list(value[:-1])
        yield [*value, value[-1]]
        for spoilt in _spoilt(value[0]):
            yield [spoilt, *value[1:]]
    elif value is None:
        yield "Mildred"
    else:
        yield value + 1
