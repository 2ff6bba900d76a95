"""Look up the cells of a table that a question names by row and column, and count rows over a limit. Pure.

Called by lookups. Small language models slip by a row or a column, above all where cells are empty.
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from vitrail.engines.facts.clock import read_clocks
from vitrail.engines.facts.numerals import find_numbers, read_number
from vitrail.engines.facts.sheet import Table
from vitrail.engines.facts.words import fold

MOST_CELLS = 6
NOTHING = "nothing stands there"
_MORE = re.compile(r"\b(?:more|greater|higher|larger|above|over|exceeds?|exceeding)\b(?:\s+than)?\s*(\d[\d.,]*)")
_LESS = re.compile(r"\b(?:less|fewer|lower|smaller|below|under)\b(?:\s+than)?\s*(\d[\d.,]*)")


def look_up_cells(question: str, table: Table) -> list[str]:
    """Return what stands where a row and a column of the question meet, or where a cell of the question stands."""
    folded = fold(question)
    columns = [index for index, title in enumerate(table.header) if index and _names(folded, title)]
    records = [record for record in table.records if _names(folded, record[0])]
    if columns and records:
        found = [_cell(table, record, index) for record in records for index in columns]
    else:
        found = [*_over_limit(folded, table, columns), *_standing(folded, table)]
        found += [] if records else [_count(table, index) for index in columns if _is_sparse(table)]
    return found if len(found) <= MOST_CELLS else []


def _cell(table: Table, record: tuple[str, ...], index: int) -> str:
    value = read_clocks([cell for row in table.records for cell in row]).get(record[index], record[index])
    return f"{record[0]}, {table.header[index]}: {value or NOTHING}."


def _standing(question: str, table: Table) -> Iterator[str]:
    """Yield row and column of a worded cell that the question names."""
    for record in table.records:
        for title, value in list(zip(table.header, record, strict=True))[1:]:
            if title and value and not any(map(str.isdigit, value)) and _names(question, value):
                yield f"{value} stands at {record[0]}, {title}."


def _over_limit(question: str, table: Table, columns: list[int]) -> Iterator[str]:
    """Yield how many rows have more or less in a column than the question says."""
    for pattern, word, sign in ((_MORE, "more", 1), (_LESS, "less", -1)):
        found = pattern.search(question)
        limits = find_numbers(found[1].rstrip(".,")) if found else ()
        for index in columns if limits else ():
            values = [read_number(record[index]) for record in table.records]
            known = [value for value in values if value is not None]
            if len(known) == len(values):
                count = sum(sign * value > sign * limits[0] for value in known)
                yield f"{count} of the {len(known)} rows have {word} than {limits[0]:g} in {table.header[index]}."


def _count(table: Table, index: int) -> str:
    return f"{sum(bool(record[index]) for record in table.records)} entries stand under {table.header[index]}."


def _is_sparse(table: Table) -> bool:
    return not all(all(record) for record in table.records)


def _names(question: str, phrase: str) -> bool:
    """Tell whether the folded question holds the phrase as whole words; times may be written with a dot or a colon."""
    words = re.escape(fold(phrase)).replace(r"\.", ":").replace(":", "[.:]")
    return bool(phrase) and re.search(rf"(?<!\w){words}(?!\w)", question) is not None
