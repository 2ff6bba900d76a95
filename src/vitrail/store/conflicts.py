"""Insert a row unless its key is taken: the one statement that SQLite and Postgres spell in their own ways."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, Table
from sqlalchemy.dialects import postgresql, sqlite


def insert_if_absent(connection: Connection, table: Table, **values: Any) -> bool:
    """Insert a row; tell whether it is new. A row of the same key that another writer inserts is waited for."""
    is_postgres = connection.dialect.name == "postgresql"
    insert = postgresql.insert(table) if is_postgres else sqlite.insert(table)
    statement = insert.values(**values).on_conflict_do_nothing().returning(*table.primary_key)
    return connection.execute(statement).first() is not None
