"""A database of every released schema becomes that of the code, with its rows, on SQLite and on Postgres alike."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from alembic.autogenerate import compare_metadata
from alembic.migration import MigrationContext
from sqlalchemy import Connection, create_engine, inspect, select, text

from vitrail.store.database import Database, DatabaseOptions, open_database, upgrade_schema
from vitrail.store.keys import find_key_by_id
from vitrail.store.schema import completions, metadata
from vitrail.store.teams import list_teams

RELEASED = ("0001", "0002", "0003")
TEAM, KEY = "10000000-0000-4000-8000-000000000000", "20000000-0000-4000-8000-000000000000"
OLD_ROWS = (
    "INSERT INTO teams (id, name, blocked, created_at_ms) VALUES (:team, 'kept', :no, 1)",
    "INSERT INTO api_keys (id, team_id, user_id, name, key_hash, redacted, acls, blocked, disabled, created_at_ms,"
    " modified_at_ms, modified_by) VALUES (:key, :team, :team, 'k', 'h', 'xai-...', '[]', :no, :no, 1, 1, 'x')",
    "INSERT INTO completions (id, request_id, team_id, api_key_id, endpoint, model, status, created_at_ms, text_tokens,"
    " image_tokens, cached_tokens, completion_tokens, reasoning_tokens, cost_ticks) VALUES ('c', 'r', :team, :key,"
    " 'chat', 'm', 'finished', 1, 3, 512, 0, 2, 0, 7)",
)


@pytest.mark.parametrize("revision", RELEASED)
def test_rows_of_an_older_schema_are_kept(database_url: str, tmp_path: Path, revision: str) -> None:
    """Team, key and completion are read as before; what is new has its default."""
    engine = create_engine(database_url)
    upgrade_schema(engine, revision)
    with engine.begin() as connection:
        _insert_old_rows(connection)
    engine.dispose()
    opened = open_database(DatabaseOptions(url=database_url), data_dir=tmp_path)
    team = opened.run_read(list_teams)[0]
    key = opened.run_read(lambda c: find_key_by_id(c, KEY))
    row = opened.run_read(lambda c: c.execute(select(completions)).one())
    opened.close()
    assert (team.name, team.postpaid_limit_ticks, team.soft_limit_ticks) == ("kept", 0, None)
    assert key is not None and key.name == "k" and key.limits.is_unlimited
    assert (row.cost_ticks, row.text_ticks, row.generated_images) == (7, 0, 0)


def test_the_code_before_can_go_on_beside_the_new_schema(database_url: str) -> None:
    """What it inserts, it can still insert: the migration runs before the new code is deployed."""
    engine = create_engine(database_url)
    upgrade_schema(engine)
    with engine.begin() as connection:
        _insert_old_rows(connection)
        assert connection.execute(select(completions.c.image_ticks)).scalar_one() == 0
    engine.dispose()


def test_the_migrations_give_the_schema_of_the_code(open_database_again: Callable[[], Database]) -> None:
    """On both databases nothing is missing and nothing is left over."""
    database = open_database_again()
    assert database.run(lambda c: compare_metadata(MigrationContext.configure(c), metadata)) == []


def test_both_databases_have_the_same_tables(tmp_path: Path, postgres: Callable[[], str]) -> None:
    """Columns, which of them may be null, primary keys and indices agree."""

    def shape(url: str) -> dict[str, object]:
        engine = create_engine(url)
        upgrade_schema(engine)
        seen = inspect(engine)
        shapes = {
            name: (
                {column["name"]: column["nullable"] for column in seen.get_columns(name)},
                seen.get_pk_constraint(name)["constrained_columns"],
                sorted(tuple(i["column_names"]) for i in seen.get_indexes(name) if not i["unique"]),
            )
            for name in seen.get_table_names()
        }
        engine.dispose()
        return shapes

    assert shape(f"sqlite:///{tmp_path / 'a.db'}") == shape(postgres())


def _insert_old_rows(connection: Connection) -> None:
    for statement in OLD_ROWS:
        connection.execute(text(statement), {"team": TEAM, "key": KEY, "no": False})


OPEN_AT_ONCE = """
import sys
from pathlib import Path
from vitrail.store.database import DatabaseOptions, open_database

url, folder = sys.argv[1], Path(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
open_database(DatabaseOptions(url=url), data_dir=folder).close()
"""


def test_processes_that_start_together_on_an_empty_database(database_url: str, tmp_path: Path) -> None:
    """One runs the migrations and the others wait for it: a cluster's first start is like any other."""
    command = [sys.executable, "-c", OPEN_AT_ONCE, database_url, str(tmp_path)]
    pipe = subprocess.PIPE
    started = [subprocess.Popen(command, stdin=pipe, stdout=pipe, stderr=pipe, text=True) for _ in range(4)]
    try:
        for process in started:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in started:
            assert process.stdin is not None
            process.stdin.write("\n")
            process.stdin.flush()
        complaints = [process.communicate(timeout=30)[1] for process in started]
    finally:
        for process in started:
            process.kill()
    assert complaints == [""] * 4
