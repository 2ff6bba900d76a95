"""Insert rows unless their keys are taken: the one statement that SQLite and Postgres spell in their own ways."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite

_ROWS_A_STATEMENT = 200  # SQLite takes 32,766 values in one


def insert_if_absent(connection: Connection, table: Table, **values: Any) -> bool:
    """Insert a row; tell whether it is new. A row of the same key that another writer inserts is waited for."""
    return bool(insert_absent(connection, table, (values,)))


def insert_absent(connection: Connection, table: Table, rows: Sequence[Mapping[str, Any]]) -> set[Any]:
    """Insert rows of a table with one key column; return the keys of those that are new."""
    is_postgres = connection.dialect.name == "postgresql"
    (key,) = table.primary_key
    new: set[Any] = set()
    for start in range(0, len(rows), _ROWS_A_STATEMENT):
        insert = postgresql.insert(table) if is_postgres else sqlite.insert(table)
        batch = list(rows[start : start + _ROWS_A_STATEMENT])
        new.update(connection.execute(insert.values(batch).on_conflict_do_nothing().returning(key)).scalars())
    return new
