"""Judge an answer: right, abstained, wrong. Pure; called by the runner, the self-test and other programs."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import TypeAlias, TypeVar, assert_never

from .abstention import declines, denies, is_negated, is_unable, misses, offers_instead
from .languages import MONTHS
from .question import (
    AbsentAnswer,
    AllAnswer,
    Answer,
    BothAnswer,
    DateAnswer,
    Json,
    JsonAnswer,
    Kind,
    NumberAnswer,
    OpenAnswer,
    Question,
    TextAnswer,
    TimeAnswer,
    TranscriptAnswer,
    YesNoAnswer,
)
from .reading import Mention, find_days, find_numbers, find_texts, find_times, is_day, tidy, words_of

_R = TypeVar("_R")
_Single: TypeAlias = TextAnswer | NumberAnswer | DateAnswer | TimeAnswer


class Verdict(StrEnum):
    """What became of a question."""

    RIGHT = "right"
    ABSTAINED = "abstained"
    WRONG = "wrong"
    ERROR = "error"


@dataclass(frozen=True, slots=True)
class Span:
    """A value said in the answer, and whether it is the one that was wanted."""

    start: int
    end: int
    is_right: bool


_YES = re.compile(r"\b(?:yes|ja|oui|sí|si|sì)\b", re.I)
_NO = re.compile(r"\b(?:no|nein|non(?=\s*(?:[,.;!]|$)))\b", re.I)
_HEDGE = re.compile(r"^\W*(?:or|oder|ou|o|oppure|/|to|bis|-)\W*$", re.I)
_CONCLUDES = re.compile(
    r"=|\b(?:so|therefore|thus|hence|altogether|together|total|sum|difference|answer|result|also|daher|insgesamt|zusammen|donc|"
    r"ensemble|juntos|suma|entonces|quindi|insieme|in tutto)\b",
    re.I,
)
_MONTH = "|".join(name for names in MONTHS.values() for name in names)
_SENTENCE = re.compile(rf"(?<!\d)\.\s|(?<=\d)\.\s(?!\d|(?:{_MONTH})\b)|[!?]\s|\n+", re.I)
_EXPLAINED = (Kind.COUNT, Kind.REASON)
_MIN_RECALL, _MIN_PRECISION = 0.9, 0.75


def score(question: Question, said: str) -> Verdict:
    """The verdict on one answer; an empty one is an error."""
    text = tidy(said)
    if not text:
        return Verdict.ERROR
    if isinstance(question.answer, JsonAnswer):
        return _score_json(question.answer, said)
    if recites(question, text) and not (question.kind in _EXPLAINED and _concludes(question, text)):
        return Verdict.WRONG
    if is_right(question.answer, text, question.text):
        return Verdict.RIGHT
    return Verdict.ABSTAINED if _abstains(question, text) else Verdict.WRONG


def count_leaves(answer: JsonAnswer, said: str) -> tuple[int, int]:
    """How many leaves of a JSON answer are right, and how many there are."""
    return _leaves(answer.expected, _parsed(said))


def recites(question: Question, text: str) -> bool:
    """Whether the answer gives back most of the document in place of an answer."""
    if isinstance(question.answer, (TranscriptAnswer, AllAnswer, JsonAnswer)):
        return False
    marks = [line for line in dict.fromkeys(question.printed) if sum(map(str.isalpha, line)) >= 4]
    marks = [line for line in marks if line.lower() not in question.text.lower()]
    said = sum(bool(find_texts(text, (line,))) for line in marks)
    return said >= 3 and said > 0.6 * len(marks)


def is_right(answer: Answer, text: str, question: str) -> bool:
    """Whether a tidied answer says what is expected."""
    match answer:
        case TextAnswer() | NumberAnswer() | DateAnswer() | TimeAnswer():
            return _is_settled(text, _spans(answer, text, question))
        case YesNoAnswer(yes):
            return _said_yes(text) is yes
        case AllAnswer(texts, others):
            return all(find_texts(text, (each,)) for each in texts) and not find_texts(text, others)
        case TranscriptAnswer(whole):
            return _is_transcript(whole, text)
        case AbsentAnswer(asked, values, neighbours):
            offered = offers_instead(text, question, asked=asked, values=values, neighbours=neighbours)
            return (declines(text) or denies(text) or misses(text, asked)) and not offered
        case BothAnswer(first, second):
            return _is_both(first, second, text, question)
        case OpenAnswer(accept):
            return declines(text) or (denies(text) if not accept else bool(find_texts(text, accept)))
        case JsonAnswer():
            return _score_json(answer, text) is Verdict.RIGHT
        case _:
            assert_never(answer)


def _concludes(question: Question, text: str) -> bool:
    """An enumeration of the document ends in the number or text that was wanted."""
    if not isinstance(question.answer, (NumberAnswer, TextAnswer)):
        return False
    spans = _spans(question.answer, text, question.text)
    cuts = [match.end() for match in _CONCLUDES.finditer(text)][-1:]
    tail = [span for span in spans if cuts and span.start >= cuts[0]]
    return bool(tail) and all(span.is_right for span in tail)


def _abstains(question: Question, text: str) -> bool:
    match question.answer:
        case YesNoAnswer():
            return is_unable(text) and _said_yes(text) is None
        case TextAnswer() | NumberAnswer() | DateAnswer() | TimeAnswer():
            wrong = [span for span in _spans(question.answer, text, question.text) if not span.is_right]
            plain = declines(text) or (question.kind is not Kind.COUNT and denies(text))
            return plain and not wrong
        case AbsentAnswer() | OpenAnswer():
            return False
        case _:
            return declines(text)


def _spans(answer: TextAnswer | NumberAnswer | DateAnswer | TimeAnswer, text: str, question: str) -> list[Span]:
    """The values of the answer's sort that the text says; those that the question says are left out."""
    match answer:
        case NumberAnswer(value):
            known = {number for mention in find_numbers(question) for number in mention.readings} - {value}
            return _judged(
                find_numbers(text), lambda r: any(abs(v - value) < 1e-6 for v in r), lambda r: bool(r & known)
            )
        case DateAnswer(day):
            return _judged(find_days(text), lambda r: is_day(r, day), lambda _: False)
        case TimeAnswer(minutes):
            known_times = {time for mention in find_times(question) for time in mention.readings} - {minutes}
            return _judged(find_times(text), lambda r: minutes in r, lambda r: bool(r & known_times))
        case TextAnswer(accept, others):
            right = {tidy(each) for each in accept}
            known_texts = {tidy(each) for each in others if find_texts(tidy(question), (each,))} - right
            if len(known_texts) == len(others):
                known_texts = set()
            return _judged(find_texts(text, (*accept, *others)), lambda r: bool(r & right), lambda r: r <= known_texts)


def _judged(
    mentions: Sequence[Mention[_R]],
    is_wanted: Callable[[frozenset[_R]], bool],
    is_known: Callable[[frozenset[_R]], bool],
) -> list[Span]:
    return [
        Span(m.start, m.end, is_wanted(m.readings))
        for m in mentions
        if is_wanted(m.readings) or not is_known(m.readings)
    ]


def _is_settled(text: str, spans: Sequence[Span]) -> bool:
    """The wanted value is said, and what else is said does not compete with it."""
    if not any(span.is_right for span in spans):
        return False
    if all(span.is_right for span in spans):
        return True
    for one, two in pairwise(spans):
        if one.is_right != two.is_right and _HEDGE.match(text[one.end : two.start]):
            return False
    if _ends_right(text, spans):
        return True
    wrong = [span for span in spans if not span.is_right]
    explained = re.search(r"[A-Za-z(=]", text[spans[0].end : wrong[0].start])
    return spans[0].is_right and bool(explained) and len(wrong) <= 3


def _ends_right(text: str, spans: Sequence[Span]) -> bool:
    """The last sentence, or what follows a concluding word, says the wanted value alone."""
    cuts = [match.end() for match in _SENTENCE.finditer(text[: spans[-1].start])][-1:]
    cuts += [match.end() for match in _CONCLUDES.finditer(text[: spans[-1].start])][-1:]
    return any(all(span.is_right for span in spans if span.start >= cut) for cut in cuts)


def _said_yes(text: str) -> bool | None:
    marks = sorted([(m.start(), True) for m in _YES.finditer(text)] + [(m.start(), False) for m in _NO.finditer(text)])
    if re.search(r"\byes (?:or|and) no\b", text, re.I):
        return None
    if not marks:
        return False if is_negated(text) and not is_unable(text) else None
    first = re.match(r"\W*(?:the answer is:? )?\W*", text, re.I)
    if marks[0][0] == (first.end() if first else 0):
        return marks[0][1]
    kinds = {yes for _, yes in marks}
    return kinds.pop() if len(kinds) == 1 and True in kinds else None


def _is_transcript(whole: str, text: str) -> bool:
    wanted, said = words_of(whole), words_of(text)
    same = sum(b.size for b in difflib.SequenceMatcher(None, wanted, said, autojunk=False).get_matching_blocks())
    return bool(said) and same >= _MIN_RECALL * len(wanted) and same >= _MIN_PRECISION * len(said)


def _is_both(first: _Single, second: _Single, text: str, question: str) -> bool:
    spans = [_spans(each, text, question) for each in (first, second)]
    right = [[span for span in each if span.is_right] for each in spans]
    if not right[0] or not right[1]:
        return False
    taken = [span for each in right for span in each]
    wrong = [span for each in spans for span in each if not span.is_right]
    if any(all(span.end <= other.start or other.end <= span.start for other in taken) for span in wrong):
        return False
    same = type(first) is type(second) and right[0] != right[1]
    return not same or right[0][0].start < right[1][-1].start


def _score_json(answer: JsonAnswer, said: str) -> Verdict:
    got = _parsed(said)
    if got is None:
        return Verdict.ABSTAINED if declines(said) else Verdict.WRONG
    right, total = _leaves(answer.expected, got)
    return Verdict.RIGHT if right == total else Verdict.WRONG


def _parsed(said: str) -> Json:
    try:
        parsed: Json = json.loads(said)
    except ValueError:
        return None
    return parsed


def _leaves(want: Json, got: Json) -> tuple[int, int]:
    """Right leaves and all leaves; what is surplus counts as a wrong leaf, and rows may come in any order."""
    if isinstance(want, Mapping):
        have = got if isinstance(got, Mapping) else {}
        parts = [_leaves(value, have[key]) if key in have else (0, _size(value)) for key, value in want.items()]
        surplus = len(set(have) - set(want))
        return sum(right for right, _ in parts), sum(total for _, total in parts) + surplus
    if isinstance(want, Sequence) and not isinstance(want, str):
        rows = list(got) if isinstance(got, Sequence) and not isinstance(got, str) else []
        right = total = 0
        for value in want:
            scored = [_leaves(value, row) for row in rows]
            best = max(range(len(rows)), key=lambda i: scored[i][0], default=None)
            hits, leaves = (0, _size(value)) if best is None else scored[best]
            if best is not None:
                rows.pop(best)
            right, total = right + hits, total + leaves
        return right, total + len(rows)
    return int(_is_leaf(want, got)), 1


def _size(want: Json) -> int:
    if isinstance(want, Mapping):
        return sum(_size(value) for value in want.values())
    if isinstance(want, Sequence) and not isinstance(want, str):
        return sum(_size(value) for value in want)
    return 1


def _is_leaf(want: Json, got: Json) -> bool:
    if want is None or got is None or isinstance(want, bool) or isinstance(got, bool):
        return want is got
    if isinstance(want, (int, float)):
        return isinstance(got, (int, float)) and abs(want - got) < 1e-6
    if not isinstance(got, str) or not isinstance(want, str):
        return False
    days = [find_days(each) for each in (want, got)]
    if all(len(found) == 1 and len(each) <= 20 for found, each in zip(days, (want, got), strict=True)):
        return bool(days[0][0].readings & days[1][0].readings)
    return _folded(want) == _folded(got)


def _folded(text: str) -> str:
    """Without case, spacing and the marks that phone numbers and codes are written with or without."""
    return re.sub(r"[\s()/-]+", "", tidy(text).casefold()).strip(".,:;\"'")
