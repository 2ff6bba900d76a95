"""Write fact sheets as text for the language model. Pure; called by conversation. Unsure things are not in a sheet."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from statistics import median

from vitrail.engines.facts.clock import read_clocks
from vitrail.engines.facts.figures import find_series
from vitrail.engines.facts.pairs import find_pair_rows
from vitrail.engines.facts.sheet import Box, Caption, Colour, FactSheet, Medium, Table, TextRow
from vitrail.engines.facts.spans import describe_spans

BACKGROUND_SHARE = 0.5
FEW_ROWS = 3
HEADING = 1.25  # times the median line height
WORKED_OUT = "Worked out: "
EMPTY = "(empty)"
CUT = "(more text left out)"
PLURALS = {
    "person": "people",
    "mouse": "mice",
    "sheep": "sheep",
    "bus": "buses",
    "couch": "couches",
    "bench": "benches",
}


def render_facts(sheet: FactSheet, *, characters: int) -> str:
    """Return the facts of one picture, a line each, cut at `characters`."""
    text = "\n".join(_lines(sheet))
    return text if len(text) <= characters else text[:characters].rsplit("\n", 1)[0] + f"\n{CUT}"


def _lines(sheet: FactSheet) -> Iterator[str]:
    kind = "Photo" if sheet.medium is Medium.PHOTO else "Picture"
    yield f"{kind}, {sheet.width_px} x {sheet.height_px} pixels" + (", black and white" if sheet.greyscale else "")
    for code in sheet.codes:
        yield f"{code.format} contains: {code.text}"
    yield from _things(sheet)
    yield from _colours(sheet)
    if sheet.bars:
        yield "Bar chart: " + "; ".join(f"{bar.label} = {bar.value}" for bar in sheet.bars)
    if sheet.rows:
        yield "Text:"
        yield from _text(sheet)
    worked_out = [f"{len(_items(table))} rows in the table" for table in sheet.tables]
    worked_out += [one.describe() for one in find_series(sheet)]
    worked_out += describe_spans(sheet)
    yield from (WORKED_OUT + one for one in worked_out)


def _things(sheet: FactSheet) -> Iterator[str]:
    if sheet.objects:
        counts = Counter(one.name for one in sheet.objects)
        things = [count_noun(count, name, at_least=name in sheet.unsure) for name, count in counts.items()]
        yield "Seen: " + ", ".join(things)
        for one in sheet.objects:
            yield f"- {one.name}: {describe_place(one.box, sheet)}"
    if sheet.label:
        kinds = f" (a kind of {' / '.join(sheet.label.kinds)})" if sheet.label.kinds else ""
        yield f"Looks most like: {sheet.label.name}{kinds}"
    if sheet.faces:
        yield f"Human faces: {len(sheet.faces)}"
    if sheet.shapes:
        yield "Shapes: " + ", ".join(count_noun(one.count, f"{one.colour} {one.name}".strip()) for one in sheet.shapes)
        forms = Counter[str]()
        for shape in sheet.shapes:
            forms[shape.name] += shape.count
        yield "By form: " + ", ".join(count_noun(count, name) for name, count in forms.most_common())
        yield f"Shapes in all: {sum(one.count for one in sheet.shapes)}"
    if sheet.unseen and not sheet.has_document:
        yield "Not there: " + ", ".join(sorted(sheet.unseen))


def _colours(sheet: FactSheet) -> Iterator[str]:
    if not sheet.colours or (sheet.greyscale and sheet.medium is Medium.PHOTO):
        return
    if sheet.has_document:
        if sheet.colours[0].share > BACKGROUND_SHARE and len(sheet.rows) <= FEW_ROWS and not sheet.bars:
            yield f"Background: {sheet.colours[0].name}"
    elif sheet.shapes:
        yield f"Background: {sheet.colours[0].name}"
    else:
        yield "Colors: " + describe_colours(sheet.colours)


def describe_colours(colours: Sequence[Colour]) -> str:
    """Return the colours with their shares, largest first."""
    return ", ".join(f"{one.name} {one.share:.0%}" for one in colours[:5])


def _text(sheet: FactSheet) -> Iterator[str]:
    """Yield the rows: a table's as records, each value with its column's name; labels before their values."""
    tables = {table.first_row: table for table in sheet.tables}
    charted = {text for bar in sheet.bars for text in (bar.label, bar.value)}
    pair_rows = find_pair_rows(sheet.rows)
    skip_until = 0
    heading = find_heading(sheet)
    for index, row in enumerate(sheet.rows):
        if index < skip_until or (charted and charted.issuperset(row.texts)):
            continue
        table = tables.get(index)
        if table:
            skip_until = index + 1 + len(table.records)
            yield from _records(table)
        elif index in pair_rows and not sheet.captions:
            yield f"{row.texts[0].rstrip(' :.')}: {row.texts[1]}"
        else:
            line = join_cells(_captioned(row, sheet.captions))
            yield from [("Heading: " if index == heading else "") + line] if line else []


def _captioned(row: TextRow, captions: Sequence[Caption]) -> list[str]:
    """Return the cells of a row, values with the label from above, those labels themselves left out."""
    label_of = {caption.value: caption.label.text.rstrip(" :") for caption in captions}
    labels = {caption.label for caption in captions}
    return [
        f"{label_of[cell]}: {cell.text}" if cell in label_of else cell.text for cell in row.cells if cell not in labels
    ]


def find_heading(sheet: FactSheet) -> int | None:
    """Return the row that is set larger than the rest and stands before most of it, or None."""
    heights_px = [max(cell.box.height_px for cell in row.cells) for row in sheet.rows]
    if len(heights_px) < FEW_ROWS:
        return None
    tallest = heights_px.index(max(heights_px))
    return tallest if tallest <= len(heights_px) // 3 and heights_px[tallest] >= HEADING * median(heights_px) else None


def join_cells(texts: Sequence[str]) -> str:
    """Return the cells of a row as a line; a cell that ends in a colon names the next one."""
    return " | ".join(texts).replace(": | ", ": ")


def _records(table: Table) -> Iterator[str]:
    cells = [value for record in table.records for value in record]
    clocks = read_clocks(cells)
    empty = EMPTY if "" in (value for record in _items(table) for value in record) else ""
    for record in table.records:
        yield " | ".join(
            f"{name}: {clocks.get(value, value) or empty}" if name else value
            for name, value in zip(table.header, record, strict=True)
            if value or (name and empty)
        )


def _items(table: Table) -> tuple[tuple[str, ...], ...]:
    """Return the records without the totals at the end: sparse ones after full ones."""
    full = [all(record[1:]) for record in table.records]
    items = full.count(True)
    return table.records[:items] if items and all(full[:items]) else table.records


def describe_place(box: Box, sheet: FactSheet) -> str:
    """Return where a box is, by thirds of the picture, and how much of it it takes."""
    across = ("left", "middle", "right")[min(2, int(3 * box.centre_x_px / max(1, sheet.width_px)))]
    down = ("top", "middle", "bottom")[min(2, int(3 * box.centre_y_px / max(1, sheet.height_px)))]
    place = (
        "in the middle"
        if across == down == "middle"
        else f"{down} {across}"
        if down != "middle"
        else f"on the {across}"
    )
    return place


def count_noun(count: int, name: str, *, at_least: bool = False) -> str:
    """Return `2 cats`, `1 person` or `at least 2 people`."""
    head = f"{'at least ' if at_least else ''}{count}"
    return f"{head} {name if count == 1 else pluralise(name)}"


def pluralise(name: str) -> str:
    """Return the English plural of a class name."""
    first, _, last = name.rpartition(" ")
    if last in PLURALS:
        plural = PLURALS[last]
    elif last.endswith(("s", "sh", "ch", "x")):
        plural = last + "es"
    elif last.endswith("y") and last[-2:-1] not in "aeiou":
        plural = last[:-1] + "ies"
    else:
        plural = last + "s"
    return f"{first} {plural}".strip()
