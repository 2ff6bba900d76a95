"""Work out counts, sums, highest and lowest values, which small language models get wrong. Called by facts_text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from math import isclose

from vitrail.engines.facts.numerals import read_number
from vitrail.engines.facts.sheet import FactSheet, TextRow

FEWEST_VALUES = 2
_ONE_CELL = re.compile(r"(.*?[^\W\d_].*?)(?:\s*[:\u2026]|\s*\.{2,}|\s+[-\u2013])\s*(\D{0,4}\d[\d.,]*\D{0,4})")
TOTAL_SHARE = 0.95  # a last value this near to the sum of the others is a total that includes something more


@dataclass(frozen=True, slots=True)
class Series:
    """Named numbers of one kind, in the order they stand; `title` is the column's, where it has one."""

    title: str
    names: tuple[str, ...]
    texts: tuple[str, ...]
    values: tuple[float, ...]

    def describe(self) -> str:
        """Return what can be worked out, as one line of facts."""
        order = sorted(range(len(self.values)), key=lambda index: self.values[index])
        lowest, highest = order[0], order[-1]
        lead = f"{self.title}: " if self.title else f"{len(self.values)} items listed, "
        return (
            f"{lead}most / highest is {self.names[highest]} ({self.texts[highest]}), "
            f"least / lowest / cheapest is {self.names[lowest]} ({self.texts[lowest]}), "
            f"sum of all {len(self.values)} is {_plain(sum(self.values))}"
        )


def find_series(sheet: FactSheet) -> tuple[Series, ...]:
    """Return the bars of a chart, the figure columns of tables, and lists of names with one figure each."""
    if sheet.bars:
        return tuple(_series("", [(bar.label, bar.value) for bar in sheet.bars]))
    found: list[Series] = []
    for table in sheet.tables:
        full = [record for record in table.records if all(record)]
        named = _name_column(full)
        for index, title in enumerate(table.header):
            if index != named:
                found += _series(title, [(record[named], record[index]) for record in full])
    if not sheet.tables:
        for run in _pair_runs(sheet.rows):
            found += _series("", run)
    return tuple(found)


def _series(title: str, pairs: Sequence[tuple[str, str]]) -> Iterator[Series]:
    """Yield the pairs as a series when they are numbers, cut off where totals begin."""
    values = [read_number(text) for _, text in pairs]
    known = [value for value in values if value is not None]
    if len(known) != len(values) or len(known) < FEWEST_VALUES:
        return
    end = _items_before_total(known)
    if end is None or end < FEWEST_VALUES:
        return
    yield Series(
        title, tuple(name for name, _ in pairs[:end]), tuple(text for _, text in pairs[:end]), tuple(known[:end])
    )


def _items_before_total(values: Sequence[float]) -> int | None:
    """Return how many values come before the first that is the sum of all above it; None when that is not clear."""
    for end in range(2, len(values)):
        if isclose(values[end], sum(values[:end]), abs_tol=0.005):
            return end
    if len(values) > FEWEST_VALUES and abs(values[-1]) >= TOTAL_SHARE * abs(sum(values[:-1])):
        return None
    return len(values)


def _name_column(records: Sequence[tuple[str, ...]]) -> int:
    """Return the first column of different texts without digits, else the first."""
    for index, column in enumerate(zip(*records, strict=True)):
        if len(set(column)) == len(column) and not any(char.isdigit() for text in column for char in text):
            return index
    return 0


def _pair_runs(rows: Sequence[TextRow]) -> Iterator[list[tuple[str, str]]]:
    """Yield neighbouring rows of the form name, number, set in the same way: as many cells, as many decimals."""
    pairs = [(row, _read_pair(row.texts)) for row in rows]
    for is_pair, run in groupby(pairs, key=lambda one: one[1] and (len(one[0].cells), _count_decimals(one[1][1]))):
        found = [pair for _, pair in run if pair]
        if is_pair and len(found) >= FEWEST_VALUES:
            yield found


def _count_decimals(text: str) -> int:
    found = re.search(r"[.,](\d{1,2})\D*$", text)
    return len(found[1]) if found else 0


def _read_pair(texts: tuple[str, ...]) -> tuple[str, str] | None:
    """Return name and number of a row such as `Soup | 4.20` or `Soup: 4.20 EUR`."""
    if len(texts) == 1:
        found = _ONE_CELL.fullmatch(texts[0])
        texts = (found[1], found[2]) if found else texts
    if len(texts) == 2 and re.search(r"(?<![\d.,])0\d", texts[1]):
        return None  # an identifier or telephone number
    if len(texts) == 2 and read_number(texts[1]) is not None and read_number(texts[0]) is None:
        return texts[0], texts[1]
    return None


def _plain(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if value != int(value) else str(int(value))
