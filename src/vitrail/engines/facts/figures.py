"""Work out counts, sums, highest and lowest values, which small language models get wrong. Called by facts_text."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from math import isclose

from vitrail.engines.facts.clock import find_clocks, read_clocks
from vitrail.engines.facts.numerals import read_number, read_quantity
from vitrail.engines.facts.sheet import FactSheet, TextRow

FEWEST_VALUES = 2
ALL_PARTS = "Whole list"
_ONE_CELL = re.compile(r"(.*?[^\W\d_].*?)(?:\s*[:\u2026]|\s*\.{2,}|\s+[-\u2013])\s*(\D{0,4}\d[\d.,]*\D{0,4})")
TOTAL_SHARE = 0.95  # a last value this near to the sum of the others is a total that includes something more


@dataclass(frozen=True, slots=True)
class Series:
    """Named numbers of one kind, in the order they stand; `title` is the column's, where it has one."""

    title: str
    names: tuple[str, ...]
    texts: tuple[str, ...]
    values: tuple[float, ...]
    is_list: bool = False

    def describe(self) -> str:
        """Return what can be worked out, as one line of facts."""
        order = sorted(range(len(self.values)), key=lambda index: self.values[index])
        lowest, highest = order[0], order[-1]
        lead = f"{self.title}: " if self.title else ""
        lead += f"{len(self.values)} items listed, " if self.is_list or not self.title else ""
        return (
            f"{lead}most / highest / dearest is {self.names[highest]} ({self.texts[highest]}), "
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
        clocks = read_clocks([value for record in full for value in record])
        named = name_column(full)
        for index, title in enumerate(table.header):
            if index != named and not all(record[index] in clocks for record in full):
                found += _series(title, [(record[named], record[index]) for record in full])
    if not sheet.tables:
        found += _list_series(sheet.rows)
    return tuple(found)


def _list_series(rows: Sequence[TextRow]) -> Iterator[Series]:
    """Yield lists; where headings divide one, first the whole of it and then each part under its heading."""
    for parts in _pair_runs(rows):
        if len(parts) > 1:
            yield from _series(ALL_PARTS, [pair for _, part in parts for pair in part], is_list=True)
        for heading, part in parts:
            yield from _series(heading if len(parts) > 1 else "", part, is_list=True)


def _series(title: str, pairs: Sequence[tuple[str, str]], *, is_list: bool = False) -> Iterator[Series]:
    """Yield the pairs as a series when they are numbers, cut off where totals begin."""
    quantities = [read_quantity(text) for _, text in pairs]
    known = [quantity[0] for quantity in quantities if quantity]
    if len(known) != len(quantities) or len(known) < FEWEST_VALUES:
        return
    end = _items_before_total(known)
    if end is None or end < FEWEST_VALUES:
        return
    names, texts = tuple(name for name, _ in pairs[:end]), tuple(text for _, text in pairs[:end])
    yield Series(title, names, texts, tuple(known[:end]), is_list=is_list)


def _items_before_total(values: Sequence[float]) -> int | None:
    """Return how many values come before the first that is the sum of all above it; None when that is not clear."""
    for end in range(2, len(values)):
        if isclose(values[end], sum(values[:end]), abs_tol=0.005):
            return end
    if len(values) > FEWEST_VALUES and abs(values[-1]) >= TOTAL_SHARE * abs(sum(values[:-1])):
        return None
    return len(values)


def name_column(records: Sequence[tuple[str, ...]]) -> int:
    """Return the first column of different texts without digits, else the first."""
    for index, column in enumerate(zip(*records, strict=True)):
        if len(set(column)) == len(column) and not any(char.isdigit() for text in column for char in text):
            return index
    return 0


def _pair_runs(rows: Sequence[TextRow]) -> Iterator[list[tuple[str, list[tuple[str, str]]]]]:
    """Yield lists of neighbouring rows of the form name, number, set alike; each as its parts under their headings."""
    parts: list[tuple[str, list[tuple[str, str]]]] = []
    manner: object = None
    heading = ""
    for row in rows:
        pair = _read_pair(row.texts)
        if pair is None:
            is_heading = len(row.cells) == 1 and not any(map(str.isdigit, row.texts[0])) and not heading
            if not is_heading and parts:
                yield parts
                parts = []
            heading = row.texts[0] if is_heading else ""
            continue
        if parts and manner != _manner(row, pair):
            yield parts
            parts = []
        if heading or not parts:
            parts.append((heading, []))
        parts[-1][1].append(pair)
        manner, heading = _manner(row, pair), ""
    if parts:
        yield parts


def _manner(row: TextRow, pair: tuple[str, str]) -> object:
    """Return how a row is set: its cells, the decimals and unit of its number."""
    quantity = read_quantity(pair[1])
    return len(row.cells), _count_decimals(pair[1]), quantity and quantity[1]


def _count_decimals(text: str) -> int:
    found = re.search(r"[.,](\d{1,2})\D*$", text)
    return len(found[1]) if found else 0


def _read_pair(texts: tuple[str, ...]) -> tuple[str, str] | None:
    """Return name and number of a row such as `Soup | 4.20` or `Soup: 4.20 EUR`."""
    if any(find_clocks(text) for text in texts):
        return None
    if len(texts) == 1:
        found = _ONE_CELL.fullmatch(texts[0])
        texts = (found[1], found[2]) if found else texts
    if len(texts) == 2 and re.search(r"(?<![\d.,])0\d", texts[1]):
        return None  # an identifier or telephone number
    if len(texts) == 2 and read_quantity(texts[1]) is not None and read_number(texts[0]) is None:
        return texts[0], texts[1]
    return None


def _plain(value: float) -> str:
    return f"{value:.2f}".rstrip("0").rstrip(".") if value != int(value) else str(int(value))
