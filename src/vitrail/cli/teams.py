"""`vitrail teams`: who owns keys and pays, with the rate limits and spending limits of each."""

from __future__ import annotations

from typing import Annotated

import typer

from vitrail.cli.credits import dollars, parse_dollars
from vitrail.cli.database import opened_database, show_rows
from vitrail.cli.keys import Qpm, Qps, Tpm
from vitrail.cli.options import AsJson, ConfigFile, DataDir
from vitrail.domain.keys import ANY
from vitrail.domain.limits import Limits
from vitrail.service.accounts import Accounts
from vitrail.service.teams import Teams

Team = Annotated[str, typer.Argument(help="The team's id or name.")]
_COLUMNS = ("name", "id", "state", "free", "prepaid", "owed", "limit")


def build_group() -> typer.Typer:
    """Return the `teams` commands."""
    group = typer.Typer(help="Teams own keys and pay.", no_args_is_help=True)
    for command in (create, list_, limit, limits, block, unblock):
        group.command(command.__name__.rstrip("_"))(command)
    return group


def create(
    name: Annotated[str, typer.Argument(help="Its name.")], data_dir: DataDir = None, config: ConfigFile = None
) -> None:
    """Make a team and print its id."""
    with opened_database(data_dir, config) as (database, _):
        print(Teams(database).create(name).id)


def list_(data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show every team with its money."""
    rows = []
    with opened_database(data_dir, config) as (database, _):
        accounts = Accounts(database)
        for team in Teams(database).list():
            funds = accounts.show_funds(team.id)
            rows.append(
                {
                    "name": team.name,
                    "id": team.id,
                    "state": "blocked" if team.blocked else "active",
                    "free": dollars(funds.free_ticks),
                    "prepaid": dollars(funds.prepaid_ticks),
                    "owed": dollars(funds.postpaid_used_ticks),
                    "limit": dollars(funds.postpaid_limit_ticks),
                }
            )
    show_rows(rows, _COLUMNS, as_json=as_json)


def limit(
    team: Team,
    model: Annotated[str, typer.Option("--model", help="Model id; * for all others.")] = ANY,
    qps: Qps = None,
    qpm: Qpm = None,
    tpm: Tpm = None,
    postpaid: Annotated[str | None, typer.Option("--postpaid", help="Most debt of a month, in USD.")] = None,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Set a team's rate limits for a model (none named: as the model has them), or its spending limit."""
    with opened_database(data_dir, config) as (database, _):
        teams = Teams(database)
        if postpaid is not None:
            Accounts(database).limit(teams.find(team).id, hard_ticks=parse_dollars(postpaid, may_be_zero=True))
            print(f"{team} may owe {postpaid} USD a month.")
        if postpaid is None or qps or qpm or tpm:
            teams.limit(team, model, Limits(qps, qpm, tpm))
            print(f"Limits of {team} for {'every other model' if model == ANY else model} are set.")


def limits(team: Team, data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show the rate limits that were set for a team."""
    with opened_database(data_dir, config) as (database, _):
        found = Teams(database).list_limits(team)
    rows = [
        {"model": name, "qps": each.requests_per_second, "qpm": each.requests_per_minute, "tpm": each.tokens_per_minute}
        for name, each in sorted(found.items())
    ]
    show_rows(rows, ("model", "qps", "qpm", "tpm"), as_json=as_json)


def block(team: Team, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Block every key of a team."""
    with opened_database(data_dir, config) as (database, _):
        print(f"Blocked {Teams(database).block(team).name}.")


def unblock(team: Team, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Let a blocked team's keys work again."""
    with opened_database(data_dir, config) as (database, _):
        print(f"Unblocked {Teams(database).block(team, blocked=False).name}.")
