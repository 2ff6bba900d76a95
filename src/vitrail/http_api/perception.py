"""`/v1/perception`: which models tell what they perceive, and what that is for the images of a request."""

from __future__ import annotations

from typing import Literal

from msgspec import Struct
from starlette.responses import Response

from vitrail.domain.perception import PerceivedFact
from vitrail.http_api.exchange import AdmittedExchange
from vitrail.http_api.json_answer import render_json
from vitrail.http_api.opening import open_body
from vitrail.http_api.parse_chat import parse_chat
from vitrail.service.perception import PerceivedImage


class PerceivingModels(Struct):
    """The ids of the models that tell what they perceive."""

    models: list[str]


class FactRow(Struct):
    """One thing perceived; `box` is left, top, right, bottom in pixels of the row's width and height."""

    kind: Literal["text", "object", "face", "code", "label", "shape", "bar", "colour"]
    text: str
    confidence: float | None
    box: list[float] | None


class PerceivedRow(Struct):
    """What was perceived in one image, upright and of this size as the engine saw it."""

    where: str
    width: int
    height: int
    medium: str
    facts: list[FactRow]


class PerceivedList(Struct):
    """What was perceived in each image of the request."""

    object: Literal["list"]
    data: list[PerceivedRow]


async def list_perceiving_models(admitted: AdmittedExchange) -> Response:
    """List the models that tell what they perceive; none is an empty list."""
    models = admitted.exchange.services.perceptions.models(admitted.grant)
    return render_json(PerceivingModels(models=[model.id for model in models]))


async def show_perception(admitted: AdmittedExchange) -> Response:
    """Show what the model perceives in the images of a chat request; it is not answered, and nothing is billed."""
    perceptions = admitted.exchange.services.perceptions
    images = await open_body(
        admitted.exchange, parse_chat, lambda parsed: perceptions.perceive(parsed[0], admitted.grant)
    )
    return render_json(PerceivedList(object="list", data=[_render_image(image) for image in images]))


def _render_image(image: PerceivedImage) -> PerceivedRow:
    seen = image.perceived
    return PerceivedRow(
        where=image.where,
        width=seen.width_px,
        height=seen.height_px,
        medium=seen.medium,
        facts=[_render_fact(fact) for fact in seen.facts],
    )


def _render_fact(fact: PerceivedFact) -> FactRow:
    return FactRow(
        kind=fact.kind.value,
        text=fact.text,
        confidence=None if fact.confidence is None else round(fact.confidence, 3),
        box=None if fact.box_px is None else [round(edge, 1) for edge in fact.box_px],
    )
