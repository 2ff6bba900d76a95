"""Open the database of a data directory for one command, and print tables or JSON."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import typer
from rich.table import Table

from vitrail.cli.options import load
from vitrail.cli.tables import open_stdout
from vitrail.data_dir import make_data_dir
from vitrail.settings import Settings
from vitrail.store.database import Database, open_database

_CALL_SECONDS = 600.0  # somebody waits for a command, who can end it, and an audit looks at every entry
_UNITS = {"m": "minutes", "h": "hours", "d": "days", "w": "weeks"}


@contextmanager
def opened_database(data_dir: Path | None, config: Path | None) -> Iterator[tuple[Database, Settings]]:
    """Yield the database that the settings name, and the settings."""
    settings = load(data_dir=data_dir, config=config)
    make_data_dir(settings)
    database = open_database(settings.database, data_dir=settings.data_dir, call_seconds=_CALL_SECONDS)
    try:
        yield database, settings
    finally:
        database.close()


def show_rows(rows: Sequence[Mapping[str, Any]], columns: Sequence[str], *, as_json: bool) -> None:
    """Print rows as a table of some columns, or as JSON with all."""
    if as_json:
        print(json.dumps(list(rows)))
        return
    table = Table()
    for column in columns:
        table.add_column(column, overflow="fold")  # an id that is cut off cannot be copied
    for row in rows:
        table.add_row(*(_cell(row.get(column)) for column in columns))
    open_stdout().print(table)


def parse_span(text: str) -> timedelta:
    """Return a span such as `90m`, `24h`, `30d` or `2w`; raises typer.BadParameter."""
    unit = _UNITS.get(text[-1:])
    if unit is None or not text[:-1].isdecimal():
        raise typer.BadParameter(f"{text!r} is no span of time; write 90m, 24h, 30d or 2w.")
    return timedelta(**{unit: int(text[:-1])})


def parse_expiry(text: str | None) -> datetime | None:
    """Return when something expires, from a span or an ISO 8601 time; raises typer.BadParameter."""
    if text is None:
        return None
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return datetime.now(UTC) + parse_span(text)
    return moment.replace(tzinfo=UTC) if moment.tzinfo is None else moment


def _cell(value: Any) -> str:
    if value is None:
        return ""
    return "\n".join(map(str, value)) if isinstance(value, (list, tuple)) else str(value)
