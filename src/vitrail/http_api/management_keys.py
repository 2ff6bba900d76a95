"""`/management/auth`: API keys of a team, what ACLs can name, and the management key itself."""

from __future__ import annotations

import asyncio
import binascii
from base64 import urlsafe_b64decode, urlsafe_b64encode
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

from starlette.datastructures import QueryParams
from starlette.responses import Response

from vitrail.domain.errors import InvalidArgument, NotFound
from vitrail.domain.keys import AclKind, ApiKey, acl
from vitrail.http_api import wire_management as wire
from vitrail.http_api.exchange import ManagedExchange
from vitrail.http_api.json_answer import render_json
from vitrail.http_api.management_values import parse_instant, parse_limits, parse_mask, parse_number, render_instant
from vitrail.http_api.route import MOST_ROWS

ENDPOINTS = ("chat", "image", "messages", "models", "tokenize")
_FOREIGN_TOKEN = "`paginationToken` is none that this server gave."
_UPDATED = {
    "name": "name",
    "acls": "acls",
    "disabled": "disabled",
    "blocked": "blocked",
    "qps": "qps",
    "qpm": "qpm",
    "tpm": "tpm",
    "expireTime": "expire_time",
}


async def create_api_key(managed: ManagedExchange) -> Response:
    """Make an API key for a team; its secret is in this answer alone."""
    asked = await managed.read_body(wire.CreateApiKey)
    new = await asyncio.to_thread(
        managed.management.keyring.create,
        name=asked.name,
        team=managed.team.id,
        acls=tuple(asked.acls),
        limits=parse_limits(asked.qps, asked.qpm, asked.tpm),
        expires_at=parse_instant(asked.expire_time, where="expireTime"),
        by=managed.by,
    )
    return render_json(_render_key(new.key, secret=new.secret))


async def list_api_keys(managed: ManagedExchange) -> Response:
    """List the API keys of a team, oldest first, a page at a time."""
    query = QueryParams(managed.exchange.scope.get("query_string", b""))
    size = parse_page_size(query.get("pageSize"))
    after = parse_page_token(query.get("paginationToken"))
    keyring = managed.management.keyring
    keys = await asyncio.to_thread(keyring.list, team_id=managed.team.id, limit=size + 1, after=after)
    page = wire.ApiKeyPage(api_keys=[_render_key(key) for key in keys[:size]])
    if len(keys) > size:
        page.pagination_token = render_page_token(keys[size - 1].created_at, keys[size - 1].id)
    return render_json(page)


async def update_api_key(managed: ManagedExchange) -> Response:
    """Change what `fieldMask` names of an API key."""
    asked = await managed.read_body(wire.UpdateApiKey)
    names = parse_mask(asked.field_mask, known=_UPDATED)
    key = await _find_key(managed)
    changed = _apply(key, asked.api_key, names)
    return render_json(_render_key(await asyncio.to_thread(managed.management.keyring.update, changed, by=managed.by)))


async def rotate_api_key(managed: ManagedExchange) -> Response:
    """Give an API key another secret; the one of before works for a while longer."""
    asked = await managed.read_body(wire.RotateApiKey)
    key = await _find_key(managed)
    keyring = managed.management.keyring
    new = await asyncio.to_thread(keyring.rotate, key.id, grace_seconds=asked.grace_seconds, by=managed.by)
    return render_json(_render_key(new.key, secret=new.secret))


async def delete_api_key(managed: ManagedExchange) -> Response:
    """Delete an API key; its usage stays on record."""
    key = await _find_key(managed)
    await asyncio.to_thread(managed.management.keyring.delete, key.id)
    return render_json(wire.DeletedApiKey(api_key_id=key.id))


async def show_propagation(managed: ManagedExchange) -> Response:
    """Tell whether all processes know an API key as it is now."""
    key = await _find_key(managed)
    seconds = managed.management.keyring.cache_seconds
    age = (datetime.now(UTC) - key.modified_at).total_seconds()
    return render_json(wire.Propagation(propagated=age >= seconds, longest_seconds=seconds))


async def list_acl_models(managed: ManagedExchange) -> Response:
    """List the models that an ACL can name."""
    models = managed.exchange.services.catalog.models
    rows = [wire.AclTarget(name=m.id, acl=acl(AclKind.MODEL, m.id), aliases=list(m.aliases)) for m in models]
    return render_json(wire.ModelNames(models=rows))


async def list_acl_endpoints(managed: ManagedExchange) -> Response:
    """List the endpoints that an ACL can name."""
    rows = [wire.AclTarget(name=name, acl=acl(AclKind.ENDPOINT, name)) for name in ENDPOINTS]
    return render_json(wire.EndpointNames(endpoints=rows))


async def show_management_key(managed: ManagedExchange) -> Response:
    """Show the management key that was sent."""
    key = managed.key
    return render_json(
        wire.ManagementKeyInfo(
            api_key_id=key.id,
            redacted_api_key=key.redacted,
            name=key.name,
            create_time=render_instant(key.created_at),
            scope="SCOPE_OPERATOR" if key.team_id is None else "SCOPE_TEAM",
            team_id=key.team_id,
            expire_time=render_instant(key.expires_at) if key.expires_at else None,
        )
    )


def parse_page_size(text: str | None) -> int:
    """Return how many rows a page is to have; raises InvalidArgument."""
    size = parse_number(text, where="pageSize") if text else MOST_ROWS
    if not 1 <= size <= MOST_ROWS:
        raise InvalidArgument(f"`pageSize` is from 1 to {MOST_ROWS}, not {size}.")
    return size


def parse_page_token(text: str | None) -> tuple[int, str] | None:
    """Return (milliseconds, id) of the last row of the page before; raises InvalidArgument."""
    if not text:
        return None
    try:
        at, _, row_id = urlsafe_b64decode(text.encode()).decode().partition(":")
        at_ms = int(at)
    except (ValueError, binascii.Error) as error:
        raise InvalidArgument(_FOREIGN_TOKEN) from error
    if not 0 <= at_ms < 2**63:
        raise InvalidArgument(_FOREIGN_TOKEN)
    return at_ms, row_id


def render_page_token(at: datetime, row_id: str) -> str:
    """Return the token that leads on from a row."""
    return urlsafe_b64encode(f"{round(at.timestamp() * 1000)}:{row_id}".encode()).decode()


async def _find_key(managed: ManagedExchange) -> ApiKey:
    """Return the key that the path names, if the management key may see it; raises NotFound."""
    key_id = managed.exchange.path_value("api_key_id")
    key = await asyncio.to_thread(managed.management.keyring.find_one, key_id)
    if key.id != key_id or managed.key.team_id not in (None, key.team_id):
        raise NotFound(f"There is no API key with the id {key_id[:64]!r}.")
    return key


def _apply(key: ApiKey, asked: wire.ApiKeyFields, names: list[str]) -> ApiKey:
    values: dict[str, Any] = {name: getattr(asked, _UPDATED[name]) for name in names}
    limits = parse_limits(
        values.get("qps", key.limits.requests_per_second),
        values.get("qpm", key.limits.requests_per_minute),
        values.get("tpm", key.limits.tokens_per_minute),
    )
    expires_at = parse_instant(values["expireTime"], where="expireTime") if "expireTime" in values else key.expires_at
    return replace(
        key,
        name=values.get("name", key.name),
        acls=tuple(values.get("acls", key.acls)),
        disabled=values.get("disabled", key.disabled),
        blocked=values.get("blocked", key.blocked),
        limits=limits,
        expires_at=expires_at,
    )


def _render_key(key: ApiKey, *, secret: str | None = None) -> wire.ApiKeyRow:
    fields: dict[str, Any] = {
        "api_key_id": key.id,
        "redacted_api_key": key.redacted,
        "name": key.name,
        "team_id": key.team_id,
        "user_id": key.user_id,
        "create_time": render_instant(key.created_at),
        "modify_time": render_instant(key.modified_at),
        "modified_by": key.modified_by,
        "disabled": key.disabled,
        "blocked": key.blocked,
        "acl_strings": list(key.acls),
        "expire_time": render_instant(key.expires_at) if key.expires_at else None,
        "last_used_time": render_instant(key.last_used_at) if key.last_used_at else None,
        "qps": key.limits.requests_per_second,
        "qpm": key.limits.requests_per_minute,
        "tpm": None if key.limits.tokens_per_minute is None else str(key.limits.tokens_per_minute),
    }
    return wire.ApiKeyRow(**fields) if secret is None else wire.NewApiKey(**fields, api_key=secret)
