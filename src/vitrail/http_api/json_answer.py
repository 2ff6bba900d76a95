"""A Struct as a JSON answer. Called by every route that answers whole."""

from __future__ import annotations

import msgspec
from starlette.responses import Response


def render_json(value: msgspec.Struct, *, status: int = 200, headers: dict[str, str] | None = None) -> Response:
    """Return `value` as an answer."""
    return Response(msgspec.json.encode(value), status_code=status, media_type="application/json", headers=headers)
