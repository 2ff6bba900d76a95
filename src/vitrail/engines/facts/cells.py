"""Look up the cells of a table that a question names by row and column, and count rows over a limit. Pure.

Called by lookups. Small language models slip by a row or a column, above all where cells are empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from vitrail.engines.facts.clock import read_clocks
from vitrail.engines.facts.figures import ALL_PARTS, find_series
from vitrail.engines.facts.numerals import find_numbers, read_number
from vitrail.engines.facts.sheet import FactSheet, Table
from vitrail.engines.facts.words import fold

MOST_CELLS = 6
NOTHING = "nothing stands there"
_EXTREME = re.compile(
    r"\b(?:most|least|highest|lowest|largest|smallest|greatest|biggest|cheapest|dearest|longest|shortest|fewest|maximum"
    r"|minimum|hochste[nrs]?|niedrigste[nrs]?|teuerste[nrs]?|billigste[nrs]?|gunstigste[nrs]?|meisten|wenigsten"
    r"|plus (?:eleve|haut|bas|cher|grand|petit)\w*|mayor|menor|mas (?:caro|barato|alto|bajo)"
    r"|piu (?:alto|basso|caro|economico)\w*)\b"
)
_MORE = re.compile(r"\b(?:more|greater|higher|larger|above|over|exceeds?|exceeding)\b(?:\s+than)?\s*(\d[\d.,]*)")
_LESS = re.compile(r"\b(?:less|fewer|lower|smaller|below|under)\b(?:\s+than)?\s*(\d[\d.,]*)")


def look_up_cells(question: str, table: Table) -> list[str]:
    """Return what stands where a row and a column of the question meet, or where a cell of the question stands."""
    folded = fold(question)
    columns = [index for index, title in enumerate(table.header) if index and _names(folded, title)]
    records = [(name, record) for record in table.records if (name := _name_row(folded, record, table))]
    if columns and records:
        found = [_cell(table, name, record, index) for name, record in records for index in columns]
    else:
        found = [*_over_limit(folded, table, columns), *_standing(folded, table)]
        found += [] if records else [_count(table, index) for index in columns if _is_sparse(table)]
    return found if len(found) <= MOST_CELLS else []


def _name_row(question: str, record: tuple[str, ...], table: Table) -> str:
    """Return the first cell that names the row in the question: any of words, in a plan with gaps only its label."""
    cells = record[:1] if _is_sparse(table) else (record[0], *(cell for cell in record[1:] if not _has_digit(cell)))
    return next((cell for cell in cells if _names(question, cell)), "")


def _cell(table: Table, name: str, record: tuple[str, ...], index: int) -> str:
    value = read_clocks([cell for row in table.records for cell in row]).get(record[index], record[index])
    return f"{name}, {table.header[index]}: {value or NOTHING}."


def _standing(question: str, table: Table) -> Iterator[str]:
    """Yield row and column of a worded cell that the question names."""
    for record in table.records:
        for title, value in list(zip(table.header, record, strict=True))[1:]:
            if title and value and not _has_digit(value) and _names(question, value):
                yield f"{value} stands at {record[0]}, {title}."


def look_up_lists(question: str, sheet: FactSheet) -> list[str]:
    """Return the highest and lowest of the series that the question compares, and how many are over its limit."""
    folded = fold(question)
    series = find_series(sheet)
    named = [one for one in series if one.title and _names(folded, one.title)]
    whole = [one for one in series if one.title in ("", ALL_PARTS)]
    found = [one.describe() for one in named or whole] if _EXTREME.search(folded) else []
    if not sheet.tables:
        found += [line for one in whole for line in _compare(folded, one.values, "items", "")]
    return found[:MOST_CELLS]


def _over_limit(question: str, table: Table, columns: list[int]) -> Iterator[str]:
    """Yield how many rows have more or less in a column than the question says."""
    for index in columns:
        values = [read_number(record[index]) for record in table.records]
        known = [value for value in values if value is not None]
        if len(known) == len(values):
            yield from _compare(question, known, "rows", f" in {table.header[index]}")


def _compare(question: str, values: Sequence[float], things: str, place: str) -> Iterator[str]:
    for pattern, word, sign in ((_MORE, "more", 1), (_LESS, "less", -1)):
        found = pattern.search(question)
        limits = find_numbers(found[1].rstrip(".,")) if found else ()
        if limits:
            count = sum(sign * value > sign * limits[0] for value in values)
            yield f"{count} of the {len(values)} {things} have {word} than {limits[0]:g}{place}."


def _count(table: Table, index: int) -> str:
    return f"{sum(bool(record[index]) for record in table.records)} entries stand under {table.header[index]}."


def _is_sparse(table: Table) -> bool:
    return not all(all(record) for record in table.records)


def _has_digit(text: str) -> bool:
    return any(map(str.isdigit, text))


def _names(question: str, phrase: str) -> bool:
    """Tell whether the folded question holds the phrase as whole words; times may be written with a dot or a colon."""
    words = re.escape(fold(phrase)).replace(r"\.", ":").replace(":", "[.:]")
    return bool(phrase) and re.search(rf"(?<!\w){words}(?!\w)", question) is not None
