"""`/management/auth/teams`: make, list and block teams, and limit what each may ask of a model."""

from __future__ import annotations

import asyncio

from starlette.responses import Response

from vitrail.domain.keys import Team
from vitrail.domain.limits import Limits
from vitrail.http_api import wire_management as wire
from vitrail.http_api.exchange import ManagedExchange
from vitrail.http_api.json_answer import render_json
from vitrail.http_api.management_values import parse_limits, parse_mask, render_instant

_UPDATED = ("blocked",)


async def list_teams(managed: ManagedExchange) -> Response:
    """List the teams that the management key may see."""
    teams = await asyncio.to_thread(managed.management.teams.list)
    return render_json(wire.TeamList(teams=[_render_team(t) for t in teams if managed.key.team_id in (None, t.id)]))


async def create_team(managed: ManagedExchange) -> Response:
    """Make a team."""
    asked = await managed.read_body(wire.CreateTeam)
    return render_json(_render_team(await asyncio.to_thread(managed.management.teams.create, asked.name)))


async def update_team(managed: ManagedExchange) -> Response:
    """Change what `fieldMask` names of a team: block every key of it, or let them work again."""
    asked = await managed.read_body(wire.UpdateTeam)
    parse_mask(asked.field_mask, known=_UPDATED)
    teams, team_id = managed.management.teams, managed.team.id
    return render_json(_render_team(await asyncio.to_thread(teams.block, team_id, blocked=asked.team.blocked)))


async def list_rate_limits(managed: ManagedExchange) -> Response:
    """List the rate limits that were set for a team, by model."""
    limits = await asyncio.to_thread(managed.management.teams.list_limits, managed.team.id)
    return render_json(wire.RateLimitList(rate_limits=[_render_limits(*each) for each in sorted(limits.items())]))


async def set_rate_limits(managed: ManagedExchange) -> Response:
    """Set the rate limits of a team for a model, or for every other one; without numbers, take them away."""
    asked = await managed.read_body(wire.SetRateLimits)
    limits = parse_limits(asked.qps, asked.qpm, asked.tpm)
    teams, models = managed.management.teams, managed.exchange.services.catalog.models
    await asyncio.to_thread(teams.limit, managed.team.id, asked.model, limits, models=models)
    return await list_rate_limits(managed)


def _render_team(team: Team) -> wire.TeamRow:
    created = render_instant(team.created_at)
    return wire.TeamRow(team_id=team.id, name=team.name, blocked=team.blocked, create_time=created)


def _render_limits(model: str, limits: Limits) -> wire.RateLimitsRow:
    tokens = limits.tokens_per_minute
    return wire.RateLimitsRow(
        model=model,
        qps=limits.requests_per_second,
        qpm=limits.requests_per_minute,
        tpm=None if tokens is None else str(tokens),
    )
