"""`GET /v1/api-key`: what the key that asks is, and what it may do."""

from __future__ import annotations

from msgspec import Struct
from starlette.responses import Response

from vitrail.http_api.exchange import AdmittedExchange
from vitrail.http_api.json_answer import render_json
from vitrail.http_api.management_values import render_instant


class ApiKeyInfo(Struct):
    """A key without its secret."""

    redacted_api_key: str
    user_id: str
    name: str
    create_time: str
    modify_time: str
    modified_by: str
    team_id: str
    acls: list[str]
    api_key_id: str
    team_blocked: bool
    api_key_blocked: bool
    api_key_disabled: bool


async def show_api_key(admitted: AdmittedExchange) -> Response:
    """Show the key that was sent, redacted."""
    key = admitted.grant.key
    return render_json(
        ApiKeyInfo(
            redacted_api_key=key.redacted,
            user_id=key.user_id,
            name=key.name,
            create_time=render_instant(key.created_at),
            modify_time=render_instant(key.modified_at),
            modified_by=key.modified_by,
            team_id=key.team_id,
            acls=list(key.acls),
            api_key_id=key.id,
            team_blocked=key.team_blocked,
            api_key_blocked=key.blocked,
            api_key_disabled=key.disabled,
        )
    )
