"""Work out what lies between times and between years, which small models get wrong. Called by facts_text."""

from __future__ import annotations

import re
from collections.abc import Iterator

from vitrail.engines.facts.clock import find_clocks, read_clock, read_clocks
from vitrail.engines.facts.figures import name_column
from vitrail.engines.facts.sheet import FactSheet, Table

DAY = 24 * 60


def describe_spans(sheet: FactSheet) -> list[str]:
    """Return the spans of the time columns of tables, or those between the only two times and years of the page."""
    if sheet.tables:
        return [span for table in sheet.tables for span in _table_spans(table)]
    return [*_clock_span(sheet), *_year_span(sheet)]


def _year_span(sheet: FactSheet) -> list[str]:
    years = sorted({int(year) for year in re.findall(r"(?<![\w-])(?:19|20)\d\d(?!\w)", sheet.text)})
    return [f"{years[1] - years[0]} years from {years[0]} to {years[1]}"] if len(years) == 2 else []


def _clock_span(sheet: FactSheet) -> list[str]:
    times = [clock for row in sheet.rows for text in row.texts for clock in find_clocks(text)]
    if len(times) != 2 or times[0] == times[1]:
        return []
    return [f"{(times[1] - times[0]) % DAY} minutes from {_write(times[0])} to {_write(times[1])}"]


def _table_spans(table: Table) -> Iterator[str]:
    full = [record for record in table.records if all(record)]
    if len(full) < 2:
        return
    dotted = read_clocks([value for record in full for value in record])
    named = name_column(full)
    spans: dict[str, str] = {}
    for index, title in enumerate(table.header):
        clocks = [read_clock(dotted.get(record[index], record[index])) for record in full]
        times = [clock for clock in clocks if clock is not None]
        if index != named and len(times) == len(full):
            first, last = full[0][named], full[-1][named]
            spans[title] = f"{(times[-1] - times[0]) % DAY} minutes from {first} to {last}"
    if len(spans) < len(table.header) - 1:
        return  # rows that are one journey each, not the stops of one
    if len(set(spans.values())) == 1:
        yield next(iter(spans.values()))
    else:
        yield from (f"{title}: {span}" for title, span in spans.items())


def _write(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
