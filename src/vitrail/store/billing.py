"""SQL of money: ledger entries, balances, credit grants and the limits of teams. Called by `service.billing`.

A balance is changed in the transaction that writes its entry, under the lock of its row.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any

from sqlalchemy import Connection, Row, Select, func, insert, or_, select, update

from vitrail.domain.billing import Amounts, CreditGrant, EntryKind, Funds, LedgerEntry, month_of
from vitrail.store.conflicts import insert_absent, insert_if_absent
from vitrail.store.schema import balances, completions, credit_grants, ledger_entries, teams
from vitrail.store.times import from_ms, to_ms


def lock_funds(connection: Connection, team_id: str, *, now: datetime) -> Funds:
    """Return what a team has, for changing it: nobody else changes it before the transaction ends.

    Grants that have expired are among the grants; a new month begins without debt.
    """
    month = month_of(now)
    insert_if_absent(connection, balances, team_id=team_id, prepaid_ticks=0, postpaid_month=month, postpaid_ticks=0)
    row = lock_balance(connection, team_id)
    assert row is not None
    if row.postpaid_month < month:
        values = {"postpaid_month": month, "postpaid_ticks": 0}
        connection.execute(update(balances).where(balances.c.team_id == team_id).values(values))
        row = connection.execute(select(balances).where(balances.c.team_id == team_id)).one()
    return _funds(connection, team_id, row, _list_left(connection, team_id))


def lock_balance(connection: Connection, team_id: str) -> Row[Any] | None:
    """Return the kept balance of a team, which nobody else changes before the transaction ends."""
    return connection.execute(select(balances).where(balances.c.team_id == team_id).with_for_update()).first()


def read_funds(connection: Connection, team_id: str, *, now: datetime) -> Funds:
    """Return what a team can spend now, without a lock."""
    grants = tuple(grant for grant in _list_left(connection, team_id) if grant.can_be_used(now))
    row = connection.execute(select(balances).where(balances.c.team_id == team_id)).first()
    funds = _funds(connection, team_id, row, grants)
    month = month_of(now)
    if funds.month < month:
        return Funds(grants, funds.prepaid_ticks, month, 0, funds.postpaid_limit_ticks)
    return funds


def insert_entry(connection: Connection, entry: LedgerEntry) -> bool:
    """Write an entry and change the balance by it; tell whether it is new. The funds have to be locked."""
    return insert_entries(connection, (entry,)) == 1


def insert_entries(connection: Connection, entries: Sequence[LedgerEntry]) -> int:
    """Write entries of one team and change its balance by those that are new; return how many are."""
    new_ids = insert_absent(connection, ledger_entries, [_row(entry) for entry in entries])
    new = [entry for entry in entries if entry.id in new_ids]
    if not new:
        return 0
    amounts = sum((entry.amounts for entry in new), Amounts())
    connection.execute(
        update(balances)
        .where(balances.c.team_id == new[0].team_id)
        .values(
            prepaid_ticks=balances.c.prepaid_ticks + amounts.prepaid_ticks,
            postpaid_ticks=balances.c.postpaid_ticks - amounts.postpaid_ticks,
        )
    )
    changes: Counter[str] = Counter()
    for entry in new:
        if entry.kind is not EntryKind.GRANT:  # its row is written with what it gives
            changes.update(entry.grants)
    for grant_id, ticks in changes.items():
        _change_grant(connection, grant_id, ticks)
    return len(new)


def insert_grant(connection: Connection, grant: CreditGrant) -> None:
    """Write a credit grant; its entry is written by `insert_entry`."""
    connection.execute(
        insert(credit_grants).values(
            id=grant.id,
            team_id=grant.team_id,
            amount_ticks=grant.amount_ticks,
            left_ticks=grant.left_ticks,
            created_at_ms=to_ms(grant.created_at),
            expires_at_ms=to_ms(grant.expires_at) if grant.expires_at else None,
            note=grant.note,
        )
    )


def list_grants(connection: Connection, team_id: str) -> tuple[CreditGrant, ...]:
    """Return every credit grant of a team, oldest first, also what is used up."""
    return tuple(_grant(row) for row in connection.execute(_grants(team_id)))


def find_spend(connection: Connection, reference: str) -> LedgerEntry | None:
    """Return the entry that paid for a completion, by the completion's, the request's or the entry's own id."""
    rows = connection.execute(
        select(ledger_entries).where(
            ledger_entries.c.kind == EntryKind.SPEND,
            or_(
                ledger_entries.c.id == reference,
                ledger_entries.c.completion_id == reference,
                ledger_entries.c.request_id == reference,
            ),
        )
    ).all()
    return _entry(rows[0]) if len(rows) == 1 else None


def list_entries(
    connection: Connection,
    team_id: str,
    *,
    limit: int,
    before: tuple[int, str] | None = None,
    is_prepaid: bool = False,
) -> tuple[LedgerEntry, ...]:
    """Return entries of a team, newest first; `before` is (milliseconds, id) of the last one of the page before."""
    statement = select(ledger_entries).where(ledger_entries.c.team_id == team_id)
    if is_prepaid:
        statement = statement.where(ledger_entries.c.prepaid_ticks != 0)
    if before is not None:
        at, entry_id = before
        same = (ledger_entries.c.created_at_ms == at) & (ledger_entries.c.id < entry_id)
        statement = statement.where(or_(ledger_entries.c.created_at_ms < at, same))
    order = (ledger_entries.c.created_at_ms.desc(), ledger_entries.c.id.desc())
    return tuple(_entry(row) for row in connection.execute(statement.order_by(*order).limit(limit)))


def list_expired_teams(connection: Connection, *, now: datetime) -> tuple[str, ...]:
    """Return the teams that have a grant which expired with something left."""
    expired = (credit_grants.c.left_ticks != 0) & (credit_grants.c.expires_at_ms <= to_ms(now))
    return tuple(connection.execute(select(credit_grants.c.team_id).where(expired).distinct()).scalars())


def set_limits(connection: Connection, team_id: str, **ticks: int | None) -> bool:
    """Set `postpaid_limit_ticks` or `soft_limit_ticks` of a team; tell whether there is such a team."""
    return connection.execute(update(teams).where(teams.c.id == team_id).values(**ticks)).rowcount == 1


def find_limits(connection: Connection, team_id: str) -> tuple[int, int | None]:
    """Return the most debt of a month that the operator allows a team, and that the team allows itself."""
    row = connection.execute(
        select(teams.c.postpaid_limit_ticks, teams.c.soft_limit_ticks).where(teams.c.id == team_id)
    ).first()
    return (row.postpaid_limit_ticks, row.soft_limit_ticks) if row else (0, None)


def sum_entries(connection: Connection, team_id: str) -> Amounts:
    """Return the sum of all entries of a team."""
    return _sum(connection, select(*_SUMS).where(ledger_entries.c.team_id == team_id))


def sum_month(
    connection: Connection, team_id: str, month: int, *, kinds: Sequence[EntryKind] = tuple(EntryKind)
) -> Amounts:
    """Return the sum of a team's entries of one month, of all kinds or of some."""
    mine = (ledger_entries.c.team_id == team_id) & (ledger_entries.c.postpaid_month == month)
    return _sum(connection, select(*_SUMS).where(mine, ledger_entries.c.kind.in_(kinds)))


def sum_grants(connection: Connection, team_id: str) -> Mapping[str, int]:
    """Return for each grant of a team what its entries leave of it."""
    left: dict[str, int] = {}
    for text in connection.execute(
        select(ledger_entries.c.grants).where(ledger_entries.c.team_id == team_id)
    ).scalars():
        for grant_id, ticks in json.loads(text).items():
            left[grant_id] = left.get(grant_id, 0) + ticks
    return left


def find_balance(connection: Connection, team_id: str) -> tuple[int, int, int]:
    """Return the kept balance of a team: prepaid ticks, month (YYYYMM) and its postpaid debt in ticks."""
    row = connection.execute(select(balances).where(balances.c.team_id == team_id)).first()
    return (row.prepaid_ticks, row.postpaid_month, row.postpaid_ticks) if row else (0, 0, 0)


def list_wrong_spends(connection: Connection, team_id: str) -> tuple[tuple[str, int, int], ...]:
    """Return entries that paid another sum than their completion cost: id, cost and what was paid, in ticks.

    A completion that is not there cost nothing.
    """
    paid = -(ledger_entries.c.free_ticks + ledger_entries.c.prepaid_ticks + ledger_entries.c.postpaid_ticks)
    cost = func.coalesce(completions.c.cost_ticks, 0)
    statement = (
        select(ledger_entries.c.id, cost, paid)
        .outerjoin(completions, completions.c.id == ledger_entries.c.completion_id)
        .where(ledger_entries.c.team_id == team_id, ledger_entries.c.kind == EntryKind.SPEND, cost != paid)
    )
    return tuple((row[0], int(row[1]), int(row[2])) for row in connection.execute(statement))


_SUMS = tuple(
    func.coalesce(func.sum(column), 0)
    for column in (ledger_entries.c.free_ticks, ledger_entries.c.prepaid_ticks, ledger_entries.c.postpaid_ticks)
)


def _sum(connection: Connection, statement: Select[Any]) -> Amounts:
    free, prepaid, postpaid = connection.execute(statement).one()
    return Amounts(int(free), int(prepaid), int(postpaid))


def _funds(connection: Connection, team_id: str, row: Row[Any] | None, grants: tuple[CreditGrant, ...]) -> Funds:
    hard_ticks, soft_ticks = find_limits(connection, team_id)
    return Funds(
        grants=grants,
        prepaid_ticks=row.prepaid_ticks if row else 0,
        month=row.postpaid_month if row else 0,
        postpaid_used_ticks=row.postpaid_ticks if row else 0,
        postpaid_limit_ticks=hard_ticks if soft_ticks is None else min(hard_ticks, soft_ticks),
    )


def _list_left(connection: Connection, team_id: str) -> tuple[CreditGrant, ...]:
    return tuple(_grant(row) for row in connection.execute(_grants(team_id).where(credit_grants.c.left_ticks != 0)))


def _grants(team_id: str) -> Select[Any]:
    order = (credit_grants.c.created_at_ms, credit_grants.c.id)
    return select(credit_grants).where(credit_grants.c.team_id == team_id).order_by(*order)


def _change_grant(connection: Connection, grant_id: str, ticks: int) -> None:
    changed = credit_grants.c.left_ticks + ticks
    connection.execute(update(credit_grants).where(credit_grants.c.id == grant_id).values(left_ticks=changed))


def _grant(row: Row[Any]) -> CreditGrant:
    return CreditGrant(
        id=row.id,
        team_id=row.team_id,
        amount_ticks=row.amount_ticks,
        left_ticks=row.left_ticks,
        created_at=from_ms(row.created_at_ms),
        expires_at=from_ms(row.expires_at_ms) if row.expires_at_ms is not None else None,
        note=row.note,
    )


def _row(entry: LedgerEntry) -> dict[str, Any]:
    return {
        "id": entry.id,
        "team_id": entry.team_id,
        "kind": entry.kind,
        "free_ticks": entry.amounts.free_ticks,
        "prepaid_ticks": entry.amounts.prepaid_ticks,
        "postpaid_ticks": entry.amounts.postpaid_ticks,
        "postpaid_month": entry.month,
        "grants": json.dumps(dict(entry.grants)),
        "completion_id": entry.completion_id,
        "refunds_id": entry.refunds_id,
        "request_id": entry.request_id,
        "created_at_ms": to_ms(entry.at),
        "created_by": entry.by,
        "note": entry.note,
    }


def _entry(row: Row[Any]) -> LedgerEntry:
    return LedgerEntry(
        id=row.id,
        team_id=row.team_id,
        kind=EntryKind(row.kind),
        amounts=Amounts(row.free_ticks, row.prepaid_ticks, row.postpaid_ticks),
        month=row.postpaid_month,
        at=from_ms(row.created_at_ms),
        by=row.created_by,
        grants=json.loads(row.grants),
        completion_id=row.completion_id,
        request_id=row.request_id,
        refunds_id=row.refunds_id,
        note=row.note,
    )
