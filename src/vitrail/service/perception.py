"""Tell what an engine perceives in the images of a request, without a question: for people who want to see why."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Protocol

from vitrail.domain.chat import ChatRequest
from vitrail.domain.errors import InvalidArgument
from vitrail.domain.keys import Grant
from vitrail.domain.models import Model
from vitrail.domain.perception import Perceived
from vitrail.engines.base import Engine, Perceiver
from vitrail.ingest.prepare import Ingest
from vitrail.service.admission import Admission
from vitrail.service.catalog import Catalog


class PerceivingEngine(Engine, Perceiver, Protocol):
    """An engine that can be asked for its perception."""


@dataclass(frozen=True, slots=True)
class PerceivedImage:
    """What was perceived in one image of a request, and which one that is."""

    where: str
    perceived: Perceived


class Perceptions:
    """Ask for perception; `engines` maps the id of every model that has one to its engine, in slots."""

    def __init__(
        self, *, catalog: Catalog, admission: Admission, ingest: Ingest, engines: Mapping[str, PerceivingEngine]
    ) -> None:
        self._catalog = catalog
        self._admission = admission
        self._ingest = ingest
        self._engines = engines

    def models(self, grant: Grant) -> tuple[Model, ...]:
        """Return the models of this grant that tell what they perceive."""
        return tuple(model for model in self._catalog.visible(grant) if model.id in self._engines)

    async def perceive(self, request: ChatRequest, grant: Grant) -> tuple[PerceivedImage, ...]:
        """Return what is perceived in every image, in order; counted as a request of the model, and not billed.

        Raises UnknownModel, InvalidArgument for a model without perception, RateLimited, OutOfCredits, and whatever the
        images are refused for.
        """
        model = self._catalog.resolve_language(request.model, grant)
        engine = self._engines.get(model.id)
        if engine is None:
            known = ", ".join(one.id for one in self.models(grant)) or "none of this server"
            raise InvalidArgument(
                f"The model {model.id} does not tell what it perceives.", hint=f"Models that do: {known}."
            )
        await self._admission.admit_completion(grant, model)
        images = await self._ingest.measure(request.image_references)
        pictures = await self._ingest.prepare(
            images, team_id=grant.team_id, long_edge_px=engine.capabilities.picture_long_edge_px
        )
        return tuple(
            [
                PerceivedImage(where=image.where, perceived=await engine.perceive(picture, asker=grant.key.id))
                for image, picture in zip(images, pictures, strict=True)
            ]
        )
