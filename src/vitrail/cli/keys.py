"""`vitrail keys`: API keys and management keys in the database of a data directory."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Annotated

import typer

from vitrail.cli.acl_warnings import warn_of_acls
from vitrail.cli.database import opened_database, parse_expiry, parse_span, show_rows
from vitrail.cli.options import AsJson, ConfigFile, DataDir
from vitrail.domain.keys import ApiKey, ManagementKey
from vitrail.domain.limits import LARGEST_LIMIT, Limits
from vitrail.service.keyring import Keyring
from vitrail.service.management_keys import ManagementKeys
from vitrail.service.teams import DEFAULT_TEAM
from vitrail.settings import Settings

Reference = Annotated[str, typer.Argument(help="The key's id, name or redacted form.")]
Acls = Annotated[list[str] | None, typer.Option("--acl", help="Such as api-key:model:NAME; may be repeated.")]
Expires = Annotated[str | None, typer.Option("--expires", help="When it ends: 30d, or 2027-01-31T00:00:00Z.")]
Qps = Annotated[int | None, typer.Option("--qps", min=1, max=LARGEST_LIMIT, help="Most requests a second.")]
Qpm = Annotated[int | None, typer.Option("--qpm", min=1, max=LARGEST_LIMIT, help="Most requests a minute.")]
Tpm = Annotated[int | None, typer.Option("--tpm", min=1, max=LARGEST_LIMIT, help="Most tokens a minute.")]
_COLUMNS = ("name", "redacted", "team_id", "state", "last_used", "expires", "acls")


def build_group() -> typer.Typer:
    """Return the `keys` commands."""
    group = typer.Typer(help="API keys: hashed in the database, shown once.", no_args_is_help=True)
    for command in (create, list_, update, rotate, block, unblock, delete):
        group.command(command.__name__.rstrip("_"))(command)
    return group


def create(
    name: Annotated[str, typer.Option("--name", help="What the key is for.")],
    team: Annotated[str | None, typer.Option("--team", help="Who owns it (default); made if new.")] = None,
    acl: Acls = None,
    qps: Qps = None,
    qpm: Qpm = None,
    tpm: Tpm = None,
    expires: Expires = None,
    management: Annotated[
        bool, typer.Option("--management", help="A key of the management API: of the team named, or for all teams.")
    ] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Make a key and print it, this once; without --acl it may use every model and endpoint."""
    expires_at = parse_expiry(expires)
    if management:
        if acl or qps or qpm or tpm:
            raise typer.BadParameter("a management key has no ACLs and no limits", param_hint="--management")
        with opened_database(data_dir, config) as (database, _):
            made = ManagementKeys(database).create(name=name, team=team, expires_at=expires_at)
        _print_secret(made.secret, _management_row(made.key), as_json=as_json)
        return
    with _keyring(data_dir, config) as (keyring, settings):
        new = keyring.create(
            name=name,
            team=team or DEFAULT_TEAM,
            acls=tuple(acl) if acl else None,
            limits=Limits(qps, qpm, tpm),
            expires_at=expires_at,
        )
    _print_secret(new.secret, _row(new.key), as_json=as_json)
    _warn(new.key, settings)


def list_(
    management: Annotated[bool, typer.Option("--management", help="Management keys instead.")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show every key, without its secret."""
    with opened_database(data_dir, config) as (database, settings):
        if management:
            rows = [_management_row(key) for key in ManagementKeys(database).list()]
        else:
            rows = [_row(key) for key in Keyring(database, settings.keys, monotonic=time.monotonic).list()]
    show_rows(rows, _COLUMNS[:-1] if management else _COLUMNS, as_json=as_json)


def update(
    key: Reference,
    name: Annotated[str | None, typer.Option("--name", help="Another name.")] = None,
    acl: Acls = None,
    qps: Qps = None,
    qpm: Qpm = None,
    tpm: Tpm = None,
    no_limits: Annotated[bool, typer.Option("--no-limits", help="Take away its own limits first.")] = False,
    expires: Expires = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Change what is named of a key; ACLs that are named take the place of those it has."""
    with _keyring(data_dir, config) as (keyring, settings):
        found = keyring.find_one(key)
        limits = Limits(qps, qpm, tpm) if no_limits else Limits(qps, qpm, tpm).over(found.limits)
        changed = replace(
            found,
            name=name or found.name,
            acls=tuple(acl) if acl else found.acls,
            limits=limits,
            expires_at=parse_expiry(expires) or found.expires_at,
        )
        print(f"Changed {keyring.update(changed).redacted}.")
    if acl:
        _warn(changed, settings)


def rotate(
    key: Reference,
    grace: Annotated[str, typer.Option("--grace", help="How long the secret of before still works.")] = "24h",
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Give a key another secret and print it, this once."""
    with _keyring(data_dir, config) as (keyring, _):
        new = keyring.rotate(key, grace_seconds=parse_span(grace).total_seconds())
    _print_secret(new.secret, _row(new.key), as_json=as_json)


def block(key: Reference, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Block a key; requests with it are refused with 403."""
    with _keyring(data_dir, config) as (keyring, _):
        print(f"Blocked {keyring.block(key).redacted}.")


def unblock(key: Reference, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Let a blocked key work again."""
    with _keyring(data_dir, config) as (keyring, _):
        print(f"Unblocked {keyring.block(key, blocked=False).redacted}.")


def delete(
    key: Reference,
    management: Annotated[bool, typer.Option("--management", help="A management key.")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Delete a key for good; its usage stays on record."""
    if management:
        with opened_database(data_dir, config) as (database, _):
            print(f"Deleted {ManagementKeys(database).delete(key).redacted}.")
        return
    with _keyring(data_dir, config) as (keyring, _):
        print(f"Deleted {keyring.delete(key).redacted}.")


@contextmanager
def _keyring(data_dir: Path | None, config: Path | None) -> Iterator[tuple[Keyring, Settings]]:
    with opened_database(data_dir, config) as (database, settings):
        yield Keyring(database, settings.keys, monotonic=time.monotonic), settings


def _warn(key: ApiKey, settings: Settings) -> None:
    """Say on standard error what the key will not be able to do."""
    for sentence in warn_of_acls(key.acls, settings.served_models):
        print(f"Note: {sentence}", file=sys.stderr)


def _print_secret(secret: str, row: dict[str, object], *, as_json: bool) -> None:
    if as_json:
        print(json.dumps({"api_key": secret, **row}))
        return
    print(secret)
    print("This key is not shown again; only its hash is kept.", file=sys.stderr)


def _row(key: ApiKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "redacted": key.redacted,
        "team_id": key.team_id,
        "created": key.created_at.isoformat(),
        "blocked": key.blocked,
        "state": "blocked" if key.blocked else "disabled" if key.disabled else "active",
        "last_used": key.last_used_at.isoformat(timespec="seconds") if key.last_used_at else None,
        "expires": key.expires_at.isoformat(timespec="seconds") if key.expires_at else None,
        "acls": list(key.acls),
        "qps": key.limits.requests_per_second,
        "qpm": key.limits.requests_per_minute,
        "tpm": key.limits.tokens_per_minute,
    }


def _management_row(key: ManagementKey) -> dict[str, object]:
    return {
        "id": key.id,
        "name": key.name,
        "redacted": key.redacted,
        "team_id": key.team_id or "all teams",
        "created": key.created_at.isoformat(),
        "state": "blocked" if key.blocked else "active",
        "last_used": key.last_used_at.isoformat(timespec="seconds") if key.last_used_at else None,
        "expires": key.expires_at.isoformat(timespec="seconds") if key.expires_at else None,
    }
