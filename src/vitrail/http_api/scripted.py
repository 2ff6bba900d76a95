"""`/v1/scripted/...`: what the scripted models of this server were asked, and the script they play.

These routes exist only where a model is scripted. For tests: see docs/testing.md.
"""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from starlette.responses import Response

from vitrail.domain.request_log import LoggedRequest
from vitrail.http_api.exchange import AdmittedExchange
from vitrail.http_api.json_answer import render_json
from vitrail.http_api.json_body import decode_body
from vitrail.service.scripted import ScriptDesk


class RequestList(Struct):
    """The requests that scripted models got, oldest first; only the last thousand."""

    object: Literal["list"]
    data: list[LoggedRequest]


class Forgotten(Struct):
    """How many requests were forgotten."""

    deleted: int


class ScriptChange(Struct):
    """A script in YAML (or JSON, which is YAML too), and the one model that is to play it if not all are."""

    script: str
    model: str | None = None


class ScriptInPlay(Struct):
    """The scripted models that now play from the beginning."""

    models: list[str]


async def list_requests(admitted: AdmittedExchange) -> Response:
    """List what the scripted models were asked and how they answered."""
    return render_json(RequestList(object="list", data=list(_desk(admitted).requests())))


async def forget_requests(admitted: AdmittedExchange) -> Response:
    """Empty the list of requests."""
    return render_json(Forgotten(deleted=_desk(admitted).forget()))


async def play_script(admitted: AdmittedExchange) -> Response:
    """Play this script instead of the configured one, from its beginning."""
    exchange = admitted.exchange
    limit_bytes = min(exchange.options.tokenize_body_bytes, exchange.options.body_bytes)
    async with exchange.bodies.read(exchange.headers, exchange.receive, limit_bytes=limit_bytes) as body:
        change = decode_body(body, ScriptChange)
    return render_json(ScriptInPlay(models=list(_desk(admitted).play(change.script, model=change.model))))


async def rewind_script(admitted: AdmittedExchange) -> Response:
    """Play the configured script again, from its beginning."""
    return render_json(ScriptInPlay(models=list(await _desk(admitted).rewind())))


def _desk(admitted: AdmittedExchange) -> ScriptDesk:
    desk = admitted.exchange.services.scripted
    assert desk is not None  # the routes are mounted only then
    return desk
