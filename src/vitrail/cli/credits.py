"""`vitrail credits`: give, sell and refund credits, show what a team has and how it came about, audit everything."""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import Annotated

import typer

from vitrail.cli.database import opened_database, parse_expiry, show_rows
from vitrail.cli.options import AsJson, ConfigFile, DataDir
from vitrail.domain.billing import TICKS_PER_USD
from vitrail.service.accounts import Accounts
from vitrail.service.audit import audit as run_audit
from vitrail.service.teams import Teams

Team = Annotated[str, typer.Argument(help="The team's id or name.")]
Amount = Annotated[str, typer.Argument(help="US dollars, such as 25 or 0.50.")]
Note = Annotated[str, typer.Option("--note", help="Why; kept with the entry.")]
_BY = "operator"
_MOST_TICKS = 10**18


def build_group() -> typer.Typer:
    """Return the `credits` commands."""
    group = typer.Typer(help="Free and prepaid credits of teams, and the ledger.", no_args_is_help=True)
    for command in (grant, buy, correct, refund, list_, entries, audit):
        group.command(command.__name__.rstrip("_"))(command)
    return group


def grant(
    team: Team,
    amount: Amount,
    expires: Annotated[str | None, typer.Option("--expires", help="30d, or 2027-01-31T00:00:00Z.")] = None,
    note: Note = "",
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Give free credits: they are spent first, those that expire soonest before the others."""
    ticks, expires_at = parse_dollars(amount), parse_expiry(expires)
    with opened_database(data_dir, config) as (database, _):
        Accounts(database).give_credits(Teams(database).find(team).id, ticks, by=_BY, expires_at=expires_at, note=note)
    print(f"Gave {dollars(ticks)} to {team}.")


def buy(team: Team, amount: Amount, note: Note = "", data_dir: DataDir = None, config: ConfigFile = None) -> None:
    """Add prepaid credits that a team has bought."""
    ticks = parse_dollars(amount)
    with opened_database(data_dir, config) as (database, _):
        Accounts(database).top_up(Teams(database).find(team).id, ticks, by=_BY, note=note)
    print(f"Added {dollars(ticks)} to {team}.")


def correct(
    team: Team,
    amount: Annotated[str, typer.Argument(help="US dollars; to take some away, put -- before a negative one.")],
    note: Note = "",
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Correct the prepaid credits of a team, up or down."""
    ticks = parse_dollars(amount.removeprefix("-")) * (-1 if amount.startswith("-") else 1)
    with opened_database(data_dir, config) as (database, _):
        Accounts(database).correct(Teams(database).find(team).id, ticks, by=_BY, note=note)
    print(f"Changed the prepaid credits of {team} by {dollars(ticks)}.")


def refund(
    reference: Annotated[str, typer.Argument(help="The completion's id, or the request id of its answer.")],
    note: Note = "",
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Pay back what a completion cost, once."""
    with opened_database(data_dir, config) as (database, _):
        entry = Accounts(database).refund(reference, by=_BY, note=note)
    print(f"Paid back {dollars(entry.amounts.total_ticks)}.")


def list_(team: Team, data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show the free credits of a team and what is left of each."""
    with opened_database(data_dir, config) as (database, _):
        grants = Accounts(database).list_grants(Teams(database).find(team).id)
    rows = [
        {
            "id": each.id,
            "given": dollars(each.amount_ticks),
            "left": dollars(each.left_ticks),
            "created": each.created_at.isoformat(timespec="seconds"),
            "expires": each.expires_at.isoformat(timespec="seconds") if each.expires_at else None,
            "note": each.note,
        }
        for each in grants
    ]
    show_rows(rows, ("given", "left", "created", "expires", "note"), as_json=as_json)


def entries(
    team: Team,
    limit: Annotated[int, typer.Option("--limit", min=1, help="How many, newest first.")] = 50,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Show the ledger of a team, newest first."""
    with opened_database(data_dir, config) as (database, _):
        found = Accounts(database).list_entries(Teams(database).find(team).id, limit=limit)
    rows = [
        {
            "at": entry.at.isoformat(timespec="seconds"),
            "kind": str(entry.kind),
            "free": dollars(entry.amounts.free_ticks),
            "prepaid": dollars(entry.amounts.prepaid_ticks),
            "postpaid": dollars(entry.amounts.postpaid_ticks),
            "ticks": entry.amounts.total_ticks,
            "request_id": entry.request_id,
            "completion_id": entry.completion_id,
            "by": entry.by,
            "note": entry.note,
        }
        for entry in found
    ]
    show_rows(rows, ("at", "kind", "free", "prepaid", "postpaid", "request_id", "note"), as_json=as_json)


def audit(data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Recompute every balance from the ledger; status 1 where one differs from what is kept."""
    with opened_database(data_dir, config) as (database, _):
        teams, differences = run_audit(database)
    rows = [
        {"team": d.team_id, "what": d.what, "kept_ticks": d.kept_ticks, "ledger_ticks": d.ledger_ticks}
        for d in differences
    ]
    if rows or as_json:
        show_rows(rows, ("team", "what", "kept_ticks", "ledger_ticks"), as_json=as_json)
    if not as_json:
        print(f"{teams} teams, {len(rows)} differences.")
    if rows:
        raise typer.Exit(1)


def dollars(ticks: int) -> str:
    """Return an amount in US dollars, to the tick where it has any: `$0.50`, `-$0.0000000123`."""
    whole, rest = divmod(abs(ticks), TICKS_PER_USD)
    digits = f"{rest:010d}".rstrip("0").ljust(2, "0")
    return f"{'-' if ticks < 0 else ''}${whole:,}.{digits}"


def parse_dollars(text: str, *, may_be_zero: bool = False) -> int:
    """Return US dollars as ticks, exactly; raises typer.BadParameter."""
    try:
        ticks = Decimal(text.removeprefix("$").replace(",", "")) * TICKS_PER_USD
    except InvalidOperation as error:
        raise typer.BadParameter(f"{text!r} is no amount; write US dollars such as 25 or 0.50.") from error
    is_amount = ticks.is_finite() and 0 <= ticks < _MOST_TICKS and ticks == ticks.to_integral_value()
    if not is_amount or (not ticks and not may_be_zero):
        raise typer.BadParameter(f"{text!r} is no amount above zero in steps of 10^-10 USD.")
    return int(ticks)
