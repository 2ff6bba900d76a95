"""What a family is given and hands back, and questions that many families share. Imported by every family."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from random import Random

from PIL import Image

from ..languages import Language, MoneyStyle, label, labels_anywhere
from ..look import Look
from ..page import Page
from ..phrasing import phrase
from ..question import (
    AbsentAnswer,
    DateAnswer,
    Draft,
    Json,
    JsonAnswer,
    Kind,
    NumberAnswer,
    TextAnswer,
    TimeAnswer,
    TranscriptAnswer,
    YesNoAnswer,
)


@dataclass(frozen=True, slots=True)
class Job:
    """One document to draw: `rng` decides the words and questions, `looks` the appearance alone."""

    language: Language
    rng: Random
    looks: Random
    look: Look

    def say(self, key: str) -> str:
        """A label as this document prints it."""
        text = label(key, self.language)
        return text[0].upper() + text[1:]


@dataclass(frozen=True, slots=True)
class Sheet:
    """A drawn document with its questions; `noun` names the sort of document in English, `total_cents` its total."""

    noun: str
    image: Image.Image
    drafts: tuple[Draft, ...]
    printed: tuple[str, ...]
    total_cents: int | None = None


def sheet_of(page: Page, noun: str, drafts: Sequence[Draft], *, total_cents: int | None = None) -> Sheet:
    """The finished page with its questions."""
    return Sheet(noun, page.finish(), tuple(drafts), tuple(page.printed), total_cents)


def ask_text(job: Job, key: str, value: str, others: Sequence[str] = (), *, kind: Kind = Kind.DOC) -> Draft:
    """Asks for a labelled text."""
    return Draft(kind, phrase("field", job.language, job.rng, x=key), TextAnswer((value,), _without(others, value)))


def ask_day(job: Job, key: str, value: date, others: Sequence[date] = ()) -> Draft:
    """Asks for a labelled day."""
    rest = tuple(day for day in others if day != value)
    return Draft(Kind.DOC, phrase("field", job.language, job.rng, x=key), DateAnswer(value, rest))


def ask_time(job: Job, key: str, value: int, others: Sequence[int] = ()) -> Draft:
    """Asks for a labelled time of day."""
    rest = tuple(minutes for minutes in others if minutes != value)
    return Draft(Kind.DOC, phrase("field", job.language, job.rng, x=key), TimeAnswer(value, rest))


def ask_cents(job: Job, key: str, cents: int, others: Sequence[int] = ()) -> Draft:
    """Asks for a labelled amount."""
    return Draft(Kind.DOC, phrase("field", job.language, job.rng, x=key), number_of_cents(cents, others))


def ask_missing(job: Job, key: str, values: Sequence[str], neighbours: Sequence[str] = ()) -> Draft:
    """Asks for a labelled thing that is not there; values that are there belong to the neighbours' labels."""
    words = tuple(word for neighbour in neighbours for word in labels_anywhere(neighbour))
    answer = AbsentAnswer(labels_anywhere(key), tuple(values), words)
    return Draft(Kind.ABSENT, phrase("field", job.language, job.rng, x=key), answer)


def ask_transcript(job: Job, page: Page) -> Draft:
    """Asks for every word on the page."""
    text = phrase("transcribe", job.language, job.rng)
    return Draft(Kind.READ, text, TranscriptAnswer("\n".join(page.printed)))


def ask_title(job: Job, title: str, others: Sequence[str] = ()) -> Draft:
    """Asks for the heading."""
    return Draft(Kind.READ, phrase("title", job.language, job.rng), TextAnswer((title,), _without(others, title)))


def ask_json(wish: str, fields: Mapping[str, tuple[str, Json]]) -> Draft:
    """Asks for named fields as JSON; each has its JSON type and its expected value."""
    schema = object_schema({name: kind for name, (kind, _) in fields.items()})
    expected = {name: value for name, (_, value) in fields.items()}
    return Draft(Kind.JSON, wish, JsonAnswer(schema, expected))


def ask_json_rows(
    wish: str, name: str, columns: Mapping[str, str], rows: Sequence[Sequence[Json]], **fields: tuple[str, Json]
) -> Draft:
    """Asks for a list of rows as JSON, beside single fields."""
    rows_schema: Json = {"type": "array", "items": object_schema(columns)}
    single = object_schema({key: kind for key, (kind, _) in fields.items()})
    properties = {**_mapping(single["properties"]), name: rows_schema}
    schema: dict[str, Json] = {**single, "properties": properties, "required": list(properties)}
    expected: dict[str, Json] = {key: value for key, (_, value) in fields.items()}
    expected[name] = [dict(zip(columns, row, strict=True)) for row in rows]
    return Draft(Kind.JSON, wish, JsonAnswer(schema, expected))


def object_schema(types: Mapping[str, str]) -> dict[str, Json]:
    """A closed object schema; a type that ends in `?` may be null."""
    properties: dict[str, Json] = {
        name: {"type": [kind[:-1], "null"] if kind.endswith("?") else kind} for name, kind in types.items()
    }
    return {"type": "object", "properties": properties, "required": list(types), "additionalProperties": False}


def ask_priced(job: Job, prices: Mapping[str, int], unlisted: Sequence[str], money: MoneyStyle) -> list[Draft]:
    """The questions that any list of priced things allows; prices in cents."""
    rng, names = job.rng, list(prices)
    name, (first, second) = rng.choice(names), rng.sample(names, 2)
    cents = list(prices.values())
    dearest, cheapest = max(prices, key=lambda item: prices[item]), min(prices, key=lambda item: prices[item])
    limit = rng.choice(sorted(cents)[:-1]) + 1
    shown = tuple(money.write(value, bare=True) for value in cents)
    strange = rng.choice(list(unlisted))
    return [
        Draft(Kind.DOC, phrase("price", job.language, rng, x=name), number_of_cents(prices[name], cents)),
        Draft(
            Kind.ABSENT,
            phrase("price", job.language, rng, x=strange),
            AbsentAnswer((strange,), shown, tuple(names)),
        ),
        Draft(
            Kind.REASON,
            rng.choice(
                ("Which item is the most expensive?", "What is the dearest thing on it?", "Name the priciest item.")
            ),
            TextAnswer((dearest,), _without(names, dearest)),
        ),
        Draft(
            Kind.REASON,
            rng.choice(
                ("Which item costs the least?", "What is the cheapest item?", "Name the item with the lowest price.")
            ),
            TextAnswer((cheapest,), _without(names, cheapest)),
        ),
        Draft(
            Kind.REASON,
            phrase("sum", Language.ENGLISH, rng, a=first, b=second, of=""),
            number_of_cents(prices[first] + prices[second], cents),
        ),
        Draft(
            Kind.REASON,
            phrase("difference", Language.ENGLISH, rng, a=first, b=second, of=" in price"),
            number_of_cents(abs(prices[first] - prices[second]), cents),
        ),
        Draft(
            Kind.REASON,
            rng.choice(
                (
                    f"How many of the items cost more than {limit / 100:.2f}?",
                    f"Count the items with a price above {limit / 100:.2f}.",
                )
            ),
            NumberAnswer(sum(value > limit for value in cents)),
        ),
        *ask_listed(job, names, unlisted),
    ]


def ask_listed(job: Job, names: Sequence[str], strangers: Sequence[str]) -> list[Draft]:
    """Yes-or-no questions on whether something stands in the picture."""
    there, strange = job.rng.choice(list(names)), job.rng.choice(list(strangers))
    return [
        Draft(Kind.YESNO, phrase("listed", job.language, job.rng, x=there), YesNoAnswer(True)),
        Draft(Kind.YESNO, phrase("listed", job.language, job.rng, x=strange), YesNoAnswer(False)),
    ]


def number_of_cents(cents: int, others: Sequence[int] = ()) -> NumberAnswer:
    """An amount in cents as the number that is said."""
    return NumberAnswer(cents / 100, tuple(other / 100 for other in others if other != cents))


def _without(texts: Sequence[str], text: str) -> tuple[str, ...]:
    return tuple(other for other in texts if other != text)


def _mapping(value: Json) -> Mapping[str, Json]:
    if not isinstance(value, Mapping):
        raise TypeError("not an object")
    return value
