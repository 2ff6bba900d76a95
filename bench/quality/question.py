"""What is asked and what counts as right. Made by the families, judged by scoring. Knows nothing of drawing or HTTP."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from enum import StrEnum
from typing import TypeAlias

Json: TypeAlias = "bool | int | float | str | Sequence[Json] | Mapping[str, Json] | None"


class Kind(StrEnum):
    """What sort of question it is; the report has a row for each."""

    READ = "read"
    DOC = "doc"
    TABLE = "table"
    CHART = "chart"
    COUNT = "count"
    COLOR = "color"
    REASON = "reason"
    YESNO = "yesno"
    ABSENT = "absent"
    CODE = "code"
    COMPARE = "compare"
    JSON = "json"
    PHOTO = "photo"


@dataclass(frozen=True, slots=True)
class TextAnswer:
    """One of `accept` must be said; `others` are texts of the same sort that stand in the picture."""

    accept: tuple[str, ...]
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class NumberAnswer:
    """The number itself; `others` are numbers that stand in the picture."""

    value: float
    others: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class DateAnswer:
    """A day, in any usual way of writing it."""

    day: date
    others: tuple[date, ...] = ()


@dataclass(frozen=True, slots=True)
class TimeAnswer:
    """A time of day as minutes after midnight."""

    minutes: int
    others: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True)
class YesNoAnswer:
    """Yes or no, in any of the five languages."""

    yes: bool


@dataclass(frozen=True, slots=True)
class AllAnswer:
    """Every one of these texts must be said, and none of `others`."""

    texts: tuple[str, ...]
    others: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TranscriptAnswer:
    """The words of the picture, in order."""

    text: str


@dataclass(frozen=True, slots=True)
class AbsentAnswer:
    """The thing asked for is not there: right is to say so and to offer nothing in its place.

    `asked` are the words for the missing thing; `values` stand in the picture and may be said only next to one of
    the `neighbours` (the label that they do belong to).
    """

    asked: tuple[str, ...]
    values: tuple[str, ...] = ()
    neighbours: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class BothAnswer:
    """Two answers in one, one from each picture."""

    first: NumberAnswer | TextAnswer | DateAnswer | TimeAnswer
    second: NumberAnswer | TextAnswer | DateAnswer | TimeAnswer


@dataclass(frozen=True, slots=True)
class JsonAnswer:
    """A JSON value of this schema whose leaves are all as expected (text without regard to case)."""

    schema: Mapping[str, Json]
    expected: Json


@dataclass(frozen=True, slots=True)
class OpenAnswer:
    """An open scene: to decline is right, one of `accept` is right, anything else is not."""

    accept: tuple[str, ...]


Answer: TypeAlias = (
    TextAnswer
    | NumberAnswer
    | DateAnswer
    | TimeAnswer
    | YesNoAnswer
    | AllAnswer
    | TranscriptAnswer
    | AbsentAnswer
    | BothAnswer
    | JsonAnswer
    | OpenAnswer
)


@dataclass(frozen=True, slots=True)
class Draft:
    """A question of one document, before it is chosen."""

    kind: Kind
    text: str
    answer: Answer


@dataclass(frozen=True, slots=True)
class Question:
    """What is sent to the server and how its answer is judged.

    `images` are whole PNG or JPEG files; `printed` are the lines that stand in them; `language` is the document's.
    """

    id: str
    kind: Kind
    family: str
    language: str
    medium: str
    text: str
    images: tuple[bytes, ...]
    answer: Answer
    printed: tuple[str, ...]
