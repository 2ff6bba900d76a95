"""`xai_api.Auth`: what the key that asks is, and what it may do."""

from __future__ import annotations

from datetime import UTC, datetime

from google.protobuf.timestamp_pb2 import Timestamp
from xai_sdk.proto import auth_pb2

from vitrail.grpc_api.call import AdmittedCall, Message


async def show_api_key(call: AdmittedCall) -> Message:
    """Show the key that was sent, redacted."""
    key = call.grant.key
    return auth_pb2.ApiKey(
        redacted_api_key=key.redacted,
        user_id=key.user_id,
        name=key.name,
        create_time=_render_time(key.created_at),
        modify_time=_render_time(key.modified_at),
        modified_by=key.modified_by,
        team_id=key.team_id,
        acls=key.acls,
        api_key_id=key.id,
        api_key_blocked=key.blocked,
        team_blocked=key.team_blocked,
        disabled=key.disabled,
    )


def _render_time(moment: datetime) -> Message:
    """Return a time; one without a zone is in UTC already."""
    time = Timestamp()
    time.FromDatetime(moment if moment.tzinfo else moment.replace(tzinfo=UTC))
    return time
