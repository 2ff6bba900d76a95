"""`vitrail teams`: who owns keys and pays, with the rate limits and spending limits of each."""

from __future__ import annotations

from typing import Annotated

import typer

from vitrail.cli.credits import dollars, parse_dollars
from vitrail.cli.database import opened_database, show_rows
from vitrail.cli.keys import Qpm, Qps, Tpm
from vitrail.cli.options import AsJson, ConfigFile, DataDir
from vitrail.domain.errors import UnknownModel
from vitrail.domain.keys import ANY
from vitrail.domain.limits import Limits
from vitrail.service.accounts import Accounts, SpendingLimits
from vitrail.service.teams import Teams
from vitrail.settings import FACTS_MODEL, Settings
from vitrail.store.database import Database

Team = Annotated[str, typer.Argument(help="The team's id or name.")]
_COLUMNS = ("name", "id", "state", "free", "prepaid", "owed", "limit")
_KNOWN = f"of the settings file's models (without a file: {FACTS_MODEL.id})"


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
            funds, limits = accounts.show_funds(team.id), accounts.show_limits(team.id)
            rows.append(
                {
                    "name": team.name,
                    "id": team.id,
                    "state": "blocked" if team.blocked else "active",
                    "free": dollars(funds.free_ticks),
                    "prepaid": dollars(funds.prepaid_ticks),
                    "owed": dollars(funds.postpaid_used_ticks),
                    "limit": dollars(limits.effective_ticks),
                    "hard": dollars(limits.hard_ticks),
                    "soft": None if limits.soft_ticks is None else dollars(limits.soft_ticks),
                }
            )
    show_rows(rows, _COLUMNS, as_json=as_json)


def limit(
    team: Team,
    model: Annotated[str, typer.Option("--model", help=f"Id or alias, {_KNOWN}; * for all others.")] = ANY,
    qps: Qps = None,
    qpm: Qpm = None,
    tpm: Tpm = None,
    postpaid: Annotated[
        str | None, typer.Option("--postpaid", help="Most debt of a month, in USD, by the operator.")
    ] = None,
    soft: Annotated[
        str | None, typer.Option("--soft", help="The same by the team itself; the lower one holds.")
    ] = None,
    no_soft: Annotated[bool, typer.Option("--no-soft", help="Take away the limit that the team set itself.")] = False,
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Set a team's rate limits for a model (none named: as the model has them), or its spending limits."""
    if soft is not None and no_soft:
        raise typer.BadParameter("either a limit or none", param_hint="--soft, --no-soft")
    hard_ticks, soft_ticks = _parse_limit(postpaid), _parse_limit(soft)
    rates = Limits(qps, qpm, tpm)
    is_money = no_soft or hard_ticks is not None or soft_ticks is not None
    with opened_database(data_dir, config) as (database, settings):
        team_id = Teams(database).find(team).id
        if not is_money or not rates.is_unlimited:
            counted = _limit_rates(database, settings, team_id, model, rates)
            done = "taken away" if rates.is_unlimited else "set"
            print(f"Limits of {team} for {'every other model' if counted == ANY else counted} are {done}.")
        if is_money:
            accounts = Accounts(database)
            if no_soft:
                accounts.lift_soft_limit(team_id)
            print(_say_spending(team, accounts.limit(team_id, hard_ticks=hard_ticks, soft_ticks=soft_ticks)))


def limits(team: Team, data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show the rate limits that were set for a team, and (not as JSON: see `list`) what it may owe."""
    with opened_database(data_dir, config) as (database, _):
        team_id = Teams(database).find(team).id
        found, spending = Teams(database).list_limits(team_id), Accounts(database).show_limits(team_id)
    rows = [
        {"model": name, "qps": each.requests_per_second, "qpm": each.requests_per_minute, "tpm": each.tokens_per_minute}
        for name, each in sorted(found.items())
    ]
    show_rows(rows, ("model", "qps", "qpm", "tpm"), as_json=as_json)
    if not as_json:
        print(_say_spending(team, spending))


def block(team: Team, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Block every key of a team."""
    with opened_database(data_dir, config) as (database, _):
        print(f"Blocked {Teams(database).block(team).name}.")


def unblock(team: Team, data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Let a blocked team's keys work again."""
    with opened_database(data_dir, config) as (database, _):
        print(f"Unblocked {Teams(database).block(team, blocked=False).name}.")


def _limit_rates(database: Database, settings: Settings, team_id: str, model: str, limits: Limits) -> str:
    """Set rate limits and return the id under which they count; the models are those that `serve` would serve."""
    try:
        return Teams(database).limit(team_id, model, limits, models=settings.served_models)
    except UnknownModel as failure:
        hint = f"{failure.hint} If its settings file is another one, name that with --config."
        raise UnknownModel(failure.message, hint=hint) from failure


def _parse_limit(text: str | None) -> int | None:
    return None if text is None else parse_dollars(text, may_be_zero=True)


def _say_spending(team: str, limits: SpendingLimits) -> str:
    """Say what a team may owe: `acme may owe $40.00 a month: $100.00 by the operator, $40.00 by itself.`"""
    soft = "no limit" if limits.soft_ticks is None else dollars(limits.soft_ticks)
    by_whom = f"{dollars(limits.hard_ticks)} by the operator, {soft} by itself"
    return f"{team} may owe {dollars(limits.effective_ticks)} a month: {by_whom}."
