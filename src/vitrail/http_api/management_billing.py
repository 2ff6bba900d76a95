"""`/management/v1/billing/teams/{team_id}`: credits, spending limits and the preview of the invoice."""

from __future__ import annotations

import asyncio

from starlette.datastructures import QueryParams
from starlette.responses import Response

from vitrail.domain.billing import EntryKind, LedgerEntry
from vitrail.domain.errors import InvalidArgument, PermissionDenied
from vitrail.domain.invoices import InvoiceLine, UnitType
from vitrail.http_api import wire_management as wire
from vitrail.http_api.exchange import ManagedExchange
from vitrail.http_api.json_answer import render_json
from vitrail.http_api.management_keys import parse_page_size, parse_page_token, render_page_token
from vitrail.http_api.management_values import parse_instant, parse_money, render_instant, render_money
from vitrail.service.accounts import SpendingLimits

_ORIGINS = {
    EntryKind.PURCHASE: "PURCHASE",
    EntryKind.SPEND: "SPEND",
    EntryKind.REFUND: "REFUND",
    EntryKind.MANUAL: "MANUAL",
}


async def show_balance(managed: ManagedExchange) -> Response:
    """Show the prepaid credits of a team and how they came about, newest first, a page at a time."""
    query = QueryParams(managed.exchange.scope.get("query_string", b""))
    size = parse_page_size(query.get("pageSize"))
    before = parse_page_token(query.get("paginationToken"))
    accounts, team_id = managed.management.accounts, managed.team.id
    entries = await asyncio.to_thread(accounts.list_entries, team_id, limit=size + 1, before=before, is_prepaid=True)
    funds = await asyncio.to_thread(accounts.show_funds, team_id)
    balance = wire.PrepaidBalance(
        changes=[_render_change(entry) for entry in entries[:size]], total=render_money(-funds.prepaid_ticks)
    )
    if len(entries) > size:
        balance.pagination_token = render_page_token(entries[size - 1].at, entries[size - 1].id)
    return render_json(balance)


async def top_up(managed: ManagedExchange) -> Response:
    """Add prepaid credits to a team."""
    asked = await managed.read_body(wire.TopUp)
    ticks = parse_money(asked.amount, where="amount")
    accounts, team_id = managed.management.accounts, managed.team.id
    entry = await asyncio.to_thread(accounts.top_up, team_id, ticks, by=managed.by, note=asked.note)
    funds = await asyncio.to_thread(accounts.show_funds, team_id)
    return render_json(wire.TopUpDone(change=_render_change(entry), total=render_money(-funds.prepaid_ticks)))


async def show_spending_limits(managed: ManagedExchange) -> Response:
    """Show the most that a team may owe in a month."""
    limits = await asyncio.to_thread(managed.management.accounts.show_limits, managed.team.id)
    return render_json(_render_limits(limits))


async def set_spending_limits(managed: ManagedExchange) -> Response:
    """Set the most that a team may owe in a month: the hard limit by an operator, the soft one by the team too."""
    asked = await managed.read_body(wire.SpendingLimitAsked)
    hard, soft = asked.desired_hard_spending_limit, asked.desired_soft_spending_limit
    if hard is None and soft is None:
        raise InvalidArgument("Neither `desiredSoftSpendingLimit` nor `desiredHardSpendingLimit` was sent.")
    if hard is not None and managed.key.team_id is not None:
        raise PermissionDenied("The hard spending limit is set by an operator; this management key is of a team.")
    limits = await asyncio.to_thread(
        managed.management.accounts.limit,
        managed.team.id,
        hard_ticks=None if hard is None else parse_money(hard, where="desiredHardSpendingLimit"),
        soft_ticks=None if soft is None else parse_money(soft, where="desiredSoftSpendingLimit"),
    )
    return render_json(_render_limits(limits))


async def lift_soft_spending_limit(managed: ManagedExchange) -> Response:
    """Take away the limit that a team had set itself; what the operator allows holds."""
    limits = await asyncio.to_thread(managed.management.accounts.lift_soft_limit, managed.team.id)
    return render_json(_render_limits(limits))


async def preview_invoice(managed: ManagedExchange) -> Response:
    """Show what the month that runs has cost so far, and which money pays for it."""
    management, team_id = managed.management, managed.team.id
    invoice = await asyncio.to_thread(management.invoices.preview, team_id)
    limits = await asyncio.to_thread(management.accounts.show_limits, team_id)
    core = wire.CoreInvoice(
        lines=[_render_line(line, managed) for line in invoice.lines],
        total_without_credits=render_money(invoice.total_ticks),
        free_credits_used=render_money(-invoice.paid.free_ticks),
        prepaid_credits=render_money(invoice.prepaid_left_ticks),
        prepaid_credits_used=render_money(-invoice.paid.prepaid_ticks),
        amount=render_money(-invoice.paid.postpaid_ticks),
    )
    cycle = wire.BillingCycle(year=invoice.year, month=invoice.month)
    return render_json(wire.InvoicePreview(core, cycle, render_money(limits.effective_ticks)))


async def list_credits(managed: ManagedExchange) -> Response:
    """List the free credits of a team, also those that are used up."""
    grants = await asyncio.to_thread(managed.management.accounts.list_grants, managed.team.id)
    rows = [
        wire.CreditRow(
            credit_id=grant.id,
            amount=render_money(grant.amount_ticks),
            left=render_money(grant.left_ticks),
            create_time=render_instant(grant.created_at),
            expire_time=render_instant(grant.expires_at) if grant.expires_at else None,
            note=grant.note,
        )
        for grant in grants
    ]
    return render_json(wire.CreditList(credits=rows))


async def give_credits(managed: ManagedExchange) -> Response:
    """Give free credits to a team; they are spent before all other money."""
    asked = await managed.read_body(wire.GiveCredits)
    await asyncio.to_thread(
        managed.management.accounts.give_credits,
        managed.team.id,
        parse_money(asked.amount, where="amount"),
        by=managed.by,
        expires_at=parse_instant(asked.expire_time, where="expireTime"),
        note=asked.note,
    )
    return await list_credits(managed)


async def refund(managed: ManagedExchange) -> Response:
    """Pay back what a completion of the team cost, once."""
    asked = await managed.read_body(wire.Refund)
    entry = await asyncio.to_thread(
        managed.management.accounts.refund, asked.reference, by=managed.by, note=asked.note, team_id=managed.team.id
    )
    amounts = entry.amounts
    return render_json(
        wire.Refunded(
            entry_id=entry.id,
            free=render_money(amounts.free_ticks),
            prepaid=render_money(amounts.prepaid_ticks),
            postpaid=render_money(amounts.postpaid_ticks),
        )
    )


def _render_change(entry: LedgerEntry) -> wire.BalanceChange:
    change = wire.BalanceChange(
        change_origin=_ORIGINS.get(entry.kind, "MANUAL"),
        amount=render_money(-entry.amounts.prepaid_ticks),
        create_time=render_instant(entry.at),
        team_id=entry.team_id,
        request_id=entry.request_id or "",
        note=entry.note,
    )
    if entry.kind is EntryKind.PURCHASE:
        change.topup_status = "SUCCEEDED"
    return change


def _render_limits(limits: SpendingLimits) -> wire.SpendingLimitsRow:
    hard = render_money(limits.hard_ticks)
    return wire.SpendingLimitsRow(
        wire.SpendingLimits(
            hard_sl_auto=hard,
            effective_hard_sl=hard,
            effective_sl=render_money(limits.effective_ticks),
            soft_sl=None if limits.soft_ticks is None else render_money(limits.soft_ticks),
        )
    )


def _render_line(line: InvoiceLine, managed: ManagedExchange) -> wire.InvoiceLine:
    """Return a line; its unit price is told where all its units had the price of today."""
    models = {model.id: model for model in managed.exchange.services.catalog.models}
    price = line.unit_type.price(models[line.model].prices) if line.model in models else 0
    ticks_each = price * 10**8 if line.unit_type is UnitType.GENERATED_IMAGE else price
    return wire.InvoiceLine(
        description=f"{line.model} - {line.unit_type}",
        unit_type=line.unit_type,
        unit_price=str(price) if ticks_each * line.units == line.amount_ticks else "",
        num_units=str(line.units),
        amount=render_money(line.amount_ticks),
    )
