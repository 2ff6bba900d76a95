"""Insert rows unless their keys are taken: the one statement that SQLite and Postgres spell in their own ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_if_absent(connection: Connection, table: Table, **values: Any) -> bool:
    """Insert a row; tell whether it is new. A row of the same key that another writer inserts is waited for."""
    return bool(insert_absent(connection, table, (values,)))


def insert_absent(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> set[Any]:
    """Insert rows of a table with one key column; return the keys of those that are new."""
    if not rows:
        return set()
    insert = (postgresql if connection.dialect.name == "postgresql" else sqlite).insert(table)
    (key,) = table.primary_key
    # The rows as parameters: values inside the statement would have it compiled anew each time, which takes 1 ms.
    return set(connection.execute(insert.on_conflict_do_nothing().returning(key), list(rows)).scalars())
