"""`vitrail keys`: create, list, block, unblock and delete API keys in the database of a data directory."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from vitrail.app import make_data_dir
from vitrail.cli.options import AsJson, ConfigFile, DataDir, load
from vitrail.domain.keys import ApiKey
from vitrail.service.keyring import Keyring
from vitrail.service.teams import DEFAULT_TEAM
from vitrail.store.database import open_database

Reference = Annotated[str, typer.Argument(help="The key's id, name or redacted form.")]


def build_group() -> typer.Typer:
    """Return the `keys` commands."""
    group = typer.Typer(help="API keys: hashed in the database, shown once.", no_args_is_help=True)
    for command in (create, list_, block, unblock, delete):
        group.command(command.__name__.rstrip("_"))(command)
    return group


def create(
    name: Annotated[str, typer.Option("--name", help="What the key is for.")],
    team: Annotated[str, typer.Option("--team", help="Who owns it; made if new.")] = DEFAULT_TEAM,
    acl: Annotated[list[str] | None, typer.Option("--acl", help="Such as api-key:model:*; may be repeated.")] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, this once."""
    with _keyring(data_dir, config) as keyring:
        new = keyring.create(name=name, team=team, acls=tuple(acl or ()))
    if as_json:
        print(json.dumps({"api_key": new.secret, **_row(new.key)}))
        return
    print(new.secret)
    print("This key is not shown again; only its hash is kept.", file=sys.stderr)


def list_(data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show every key, without its secret."""
    with _keyring(data_dir, config) as keyring:
        rows = [_row(key) for key in keyring.list()]
    if as_json:
        print(json.dumps(rows))
        return
    table = Table("name", "key", "id", "created", "state", "acls")
    for row in rows:
        state = "blocked" if row["blocked"] else "active"
        acls = row["acls"] if isinstance(row["acls"], list) else []
        table.add_row(
            str(row["name"]), str(row["redacted"]), str(row["id"]), str(row["created"])[:19], state, "\n".join(acls)
        )
    Console().print(table)


def block(key: Reference, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Block a key; requests with it are refused with 403."""
    with _keyring(data_dir, config) as keyring:
        print(f"Blocked {keyring.block(key).redacted}.")


def unblock(key: Reference, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Let a blocked key work again."""
    with _keyring(data_dir, config) as keyring:
        print(f"Unblocked {keyring.block(key, blocked=False).redacted}.")


def delete(key: Reference, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Delete a key for good; its usage stays on record."""
    with _keyring(data_dir, config) as keyring:
        print(f"Deleted {keyring.delete(key).redacted}.")


@contextmanager
def _keyring(data_dir: Path | None, config: Path | None) -> Iterator[Keyring]:
    settings = load(data_dir=data_dir, config=config)
    make_data_dir(settings)
    database = open_database(settings.database, data_dir=settings.data_dir)
    try:
        yield Keyring(database, settings.keys, monotonic=time.monotonic)
    finally:
        database.close()


def _row(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "redacted": key.redacted,
        "team_id": key.team_id,
        "created": key.created_at.isoformat(),
        "blocked": key.blocked,
        "acls": list(key.acls),
    }
