"""SQL of usage: settled completions grouped by names and slots of time, in one pass over the rows of a range.

The types of tokens are columns, so grouping by them takes no more rows: each part of a completion has its own sums.
Called by `service.usage`.
"""

from __future__ import annotations

import operator
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from functools import reduce
from typing import Any, NamedTuple

from sqlalchemy import ColumnElement, Connection, Integer, and_, case, func, literal, or_, select, true

from vitrail.domain.usage import (
    WHOLE,
    Compares,
    Comparison,
    Condition,
    Dimension,
    Fold,
    IsOneOf,
    Measure,
    Part,
    TokenType,
    Total,
    UsageQuery,
)
from vitrail.domain.usage_time import Buckets, Run
from vitrail.store.schema import api_keys, teams
from vitrail.store.schema import completions as table

_c = table.c
_ZERO: ColumnElement[int] = literal(0, Integer)
_CACHED = case((_c.cached_tokens < _c.text_tokens, _c.cached_tokens), else_=_c.text_tokens)  # part of the text tokens
_TICKS: dict[TokenType, ColumnElement[int]] = {
    TokenType.PROMPT_TEXT: _c.text_ticks,
    TokenType.CACHED_PROMPT_TEXT: _c.cached_ticks,
    TokenType.PROMPT_IMAGE: _c.image_ticks,
    TokenType.COMPLETION: _c.completion_ticks,
    TokenType.REASONING: _c.reasoning_ticks,
    TokenType.GENERATED_IMAGE: _c.generated_image_ticks,
}
_COLUMNS: dict[Measure, dict[TokenType, ColumnElement[int]]] = {
    Measure.TOKENS: {
        TokenType.PROMPT_TEXT: _c.text_tokens - _CACHED,
        TokenType.CACHED_PROMPT_TEXT: _CACHED,
        TokenType.PROMPT_IMAGE: _c.image_tokens,
        TokenType.COMPLETION: _c.completion_tokens,
        TokenType.REASONING: _c.reasoning_tokens,
    },
    Measure.USD: {**_TICKS, TokenType.UNSPLIT: _c.cost_ticks - reduce(operator.add, _TICKS.values())},
    Measure.IMAGES: {TokenType.GENERATED_IMAGE: _c.generated_images},
}
_OF_WHOLE: dict[Measure, ColumnElement[int]] = {
    Measure.TOKENS: _c.text_tokens + _c.image_tokens + _c.completion_tokens + _c.reasoning_tokens,
    Measure.USD: _c.cost_ticks,
    Measure.IMAGES: _c.generated_images,
}
_NAMES: dict[Dimension, ColumnElement[str]] = {
    Dimension.MODEL: _c.model,
    Dimension.API_KEY: _c.api_key_id,
    Dimension.ENDPOINT: _c.endpoint,
    Dimension.REQUEST_IP: func.coalesce(_c.client_ip, ""),
    Dimension.TEAM: _c.team_id,
    Dimension.STATUS: _c.status,
}
_FOLDS: dict[Fold, Callable[[Any], ColumnElement[int]]] = {Fold.SUM: func.sum, Fold.MIN: func.min, Fold.MAX: func.max}
_COMPARE: dict[Comparison, Callable[[Any, Any], ColumnElement[bool]]] = {
    Comparison.EQUAL: operator.eq,
    Comparison.NOT_EQUAL: operator.ne,
    Comparison.OVER: operator.gt,
    Comparison.AT_LEAST: operator.ge,
    Comparison.UNDER: operator.lt,
    Comparison.AT_MOST: operator.le,
}
_IDS_AT_ONCE = 500


@dataclass(frozen=True, slots=True)
class SummedRow:
    """The items of one slot and group: how many, and what the totals that were asked are."""

    slot: int
    group: tuple[str, ...]
    items: int
    numbers: tuple[int, ...]


class SpreadRow(NamedTuple):
    """How often one number or name occurs among the items of a slot and group; a tuple, since there are very many."""

    slot: int
    group: tuple[str, ...]
    found: int | str
    items: int


def sum_usage(
    connection: Connection, query: UsageQuery, buckets: Buckets, totals: Sequence[Total], *, limit: int
) -> list[SummedRow] | None:
    """Return the totals of every slot and group that has items; None if they take more than `limit` rows."""
    parts = query.parts
    names = _select_names(query)
    counted = [_is_item(part, query.conditions) for part in parts]
    alone = len(parts) == 1
    columns: list[ColumnElement[Any]] = []
    for number, part in enumerate(parts):
        columns.append(_only(literal(1, Integer), counted[number], always=alone).label(f"items_{number}"))
        for place, total in enumerate(totals):
            value = _only(_number(part, total.of), counted[number], always=alone)
            columns.append(value.label(f"number_{number}_{place}"))
    inner = (
        select(_slot(buckets), *names, *columns).where(*_is_in_range(query, buckets), or_(False, *counted)).subquery()
    )
    keys = [inner.c.slot, *(inner.c[name.name] for name in names)]
    outer: list[ColumnElement[Any]] = []
    for number in range(len(parts)):
        outer.append(func.count(inner.c[f"items_{number}"]))
        outer += (_FOLDS[total.fold](inner.c[f"number_{number}_{at}"]) for at, total in enumerate(totals))
    rows = connection.execute(select(*keys, *outer).group_by(*keys).limit(limit + 1)).all()
    if len(rows) > limit:
        return None
    return [row for found in rows for row in _split_parts(query, found, len(names), len(totals))]


def spread_usage(
    connection: Connection, query: UsageQuery, buckets: Buckets, of: Measure | Dimension, *, limit: int
) -> list[SpreadRow] | None:
    """Return how often each number (or name) of the items occurs; None if that takes more than `limit` rows."""
    out: list[SpreadRow] = []
    for part in query.parts:
        names = _select_names(query)
        found = _number(part, of) if isinstance(of, Measure) else _NAMES[of]
        is_item = _is_item(part, query.conditions)
        inner = (
            select(_slot(buckets), *names, found.label("found"))
            .where(*_is_in_range(query, buckets), is_item)
            .subquery()
        )
        keys = [inner.c.slot, *(inner.c[name.name] for name in names), inner.c.found]
        statement = select(*keys, func.count()).group_by(*keys).limit(limit - len(out) + 1)
        groups: dict[tuple[str, ...], tuple[str, ...]] = {}
        for slot, *named, value, items in connection.execute(statement).all():
            group = groups.get(key := tuple(named))
            if group is None:
                group = groups[key] = _group(query, part, named)
            out.append(SpreadRow(slot, group, value, items))
        if len(out) > limit:
            return None
    return out


def find_labels(connection: Connection, dimension: Dimension, names: Iterable[str]) -> dict[str, str]:
    """Return what people call API keys and teams; what is not there is called by nothing."""
    kind = {Dimension.API_KEY: api_keys, Dimension.TEAM: teams}.get(dimension)
    ids = sorted(set(names))
    if kind is None or not ids:
        return {}
    out: dict[str, str] = {}
    for at in range(0, len(ids), _IDS_AT_ONCE):
        rows = connection.execute(select(kind.c.id, kind.c.name).where(kind.c.id.in_(ids[at : at + _IDS_AT_ONCE])))
        out.update((row.id, row.name) for row in rows)
    return out


def _slot(buckets: Buckets) -> ColumnElement[int]:
    """Return the number of the slot that a completion lies in."""
    *runs, last = buckets.runs
    before = [
        (_c.created_at_ms < after.start_ms, _slot_of(run)) for run, after in zip(runs, buckets.runs[1:], strict=True)
    ]
    return (case(*before, else_=_slot_of(last)) if before else _slot_of(last)).label("slot")


def _slot_of(run: Run) -> ColumnElement[int]:
    return (_c.created_at_ms - run.start_ms) // run.slot_ms + run.first


def _select_names(query: UsageQuery) -> list[Any]:
    dimensions = (dimension for dimension in query.group_by if dimension is not Dimension.TOKEN_TYPE)
    return [_NAMES[dimension].label(f"name_{at}") for at, dimension in enumerate(dimensions)]


def _is_in_range(query: UsageQuery, buckets: Buckets) -> Iterator[ColumnElement[bool]]:
    if query.team_id is not None:
        yield _c.team_id == query.team_id
    yield _c.created_at_ms >= buckets.from_ms
    yield _c.created_at_ms < buckets.until_ms
    for condition in query.conditions:
        if isinstance(condition, IsOneOf) and condition.dimension is not Dimension.TOKEN_TYPE:
            name = _NAMES[condition.dimension]
            yield name.not_in(condition.names) if condition.negated else name.in_(condition.names)


def _is_item(part: Part, conditions: Iterable[Condition]) -> ColumnElement[bool]:
    """Return whether a completion has something of a part, and its numbers compare as they must."""
    has_some = true() if part == WHOLE else or_(False, *(_number(part, measure) != 0 for measure in _COLUMNS))
    numbers = (condition for condition in conditions if isinstance(condition, Compares))
    return and_(has_some, *(_COMPARE[n.comparison](_number(part, n.measure), n.number) for n in numbers))


def _number(part: Part, measure: Measure) -> ColumnElement[int]:
    if part == WHOLE:
        return _OF_WHOLE[measure]
    columns = [_COLUMNS[measure][kind] for kind in part.types if kind in _COLUMNS[measure]]
    return reduce(operator.add, columns) if columns else _ZERO


def _only(value: ColumnElement[int], counted: ColumnElement[bool], *, always: bool) -> ColumnElement[Any]:
    """Return a value where the part is an item, or else null."""
    return value if always else case((counted, value))


def _split_parts(query: UsageQuery, row: Sequence[Any], names: int, totals: int) -> Iterator[SummedRow]:
    slot, group, at = row[0], row[1 : 1 + names], 1 + names
    for part in query.parts:
        items, *numbers = row[at : at + 1 + totals]
        at += 1 + totals
        if items:
            yield SummedRow(int(slot), _group(query, part, group), items, tuple(int(n) for n in numbers))


def _group(query: UsageQuery, part: Part, names: Sequence[str]) -> tuple[str, ...]:
    """Return the names of a group in the order in which they were asked."""
    left = iter(names)
    return tuple(str(part.name) if d is Dimension.TOKEN_TYPE else next(left) for d in query.group_by)
