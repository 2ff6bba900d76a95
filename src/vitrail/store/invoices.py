"""SQL of what a team used of each model in a span of time, and how that was paid. Called by `service.invoices`."""

from __future__ import annotations

from typing import Any

from sqlalchemy import Connection, func, select

from vitrail.domain.billing import Amounts, EntryKind
from vitrail.domain.invoices import InvoiceLine, UnitType
from vitrail.store.billing import sum_month
from vitrail.store.schema import completions

_c = completions.c
_PARTS: tuple[tuple[UnitType, Any, Any], ...] = (
    (UnitType.PROMPT_TEXT, _c.text_tokens - _c.cached_tokens, _c.text_ticks),
    (UnitType.CACHED_PROMPT_TEXT, _c.cached_tokens, _c.cached_ticks),
    (UnitType.PROMPT_IMAGE, _c.image_tokens, _c.image_ticks),
    (UnitType.COMPLETION, _c.completion_tokens, _c.completion_ticks),
    (UnitType.REASONING, _c.reasoning_tokens, _c.reasoning_ticks),
    (UnitType.GENERATED_IMAGE, _c.generated_images, _c.generated_image_ticks),
)


def sum_lines(connection: Connection, team_id: str, *, from_ms: int, to_ms: int) -> tuple[InvoiceLine, ...]:
    """Return a line for each model and kind of unit that was used from `from_ms` to before `to_ms`."""
    sums = [func.coalesce(func.sum(column), 0) for _, units, ticks in _PARTS for column in (units, ticks)]
    split = _PARTS[0][2]
    for _, _, ticks in _PARTS[1:]:
        split = split + ticks
    statement = (
        select(_c.model, func.coalesce(func.sum(_c.cost_ticks - split), 0), *sums)
        .where(_c.team_id == team_id, _c.created_at_ms >= from_ms, _c.created_at_ms < to_ms)
        .group_by(_c.model)
        .order_by(_c.model)
    )
    lines = []
    for model, unsplit, *numbers in connection.execute(statement):
        for index, (unit_type, _, _) in enumerate(_PARTS):
            units, ticks = int(numbers[2 * index]), int(numbers[2 * index + 1])
            if units or ticks:
                lines.append(InvoiceLine(model, unit_type, units, ticks))
        if unsplit:
            lines.append(InvoiceLine(model, UnitType.OLDER, 0, int(unsplit)))
    return tuple(lines)


def sum_paid(connection: Connection, team_id: str, month: int) -> Amounts:
    """Return how the completions of a month were paid, refunds taken off; each amount is below zero or zero."""
    return sum_month(connection, team_id, month, kinds=(EntryKind.SPEND, EntryKind.REFUND))
