"""Work out how many minutes lie between clock times, which small language models get wrong. Called by facts_text."""

from __future__ import annotations

from collections.abc import Iterator

from vitrail.engines.facts.clock import find_clocks, read_clock, read_clocks
from vitrail.engines.facts.figures import name_column
from vitrail.engines.facts.sheet import FactSheet, Table

DAY = 24 * 60


def describe_spans(sheet: FactSheet) -> list[str]:
    """Return the spans of the time columns of tables, or the one between the only two times of the page."""
    if sheet.tables:
        return [span for table in sheet.tables for span in _table_spans(table)]
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
    if len(set(spans.values())) == 1:
        yield next(iter(spans.values()))
    else:
        yield from (f"{title}: {span}" for title, span in spans.items())


def _write(minutes: int) -> str:
    return f"{minutes // 60:02}:{minutes % 60:02}"
