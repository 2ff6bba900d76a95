"""THE path of an image generation: check -> draw -> look at the files -> settle. Called by the images route.

An answer is whole or it is none: images that were not handed over are not billed. Knows nothing of JSON or HTTP.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping
from datetime import UTC, datetime

import structlog

from vitrail.domain.completion import Usage
from vitrail.domain.errors import ContextTooLong, InvalidArgument, Unavailable
from vitrail.domain.images import GeneratedImage, ImageGeneration, ImageRequest
from vitrail.domain.keys import Grant
from vitrail.domain.models import Model
from vitrail.domain.settlement import CompletionStatus, Cost, Settlement, count_images_cost
from vitrail.engines.image_base import DrawnImage
from vitrail.engines.image_slots import ImageSlots
from vitrail.engines.words import count_words
from vitrail.ingest.sniff import sniff_image
from vitrail.service.admission import Admission
from vitrail.service.catalog import Catalog
from vitrail.service.ledger import Ledger
from vitrail.telemetry import Metrics


class ImageGenerations:
    """Draw images. `engines` maps the id of each image model to its engine in its slots."""

    def __init__(
        self,
        *,
        catalog: Catalog,
        admission: Admission,
        engines: Mapping[str, ImageSlots],
        ledger: Ledger,
        metrics: Metrics,
        new_id: Callable[[], str],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._catalog = catalog
        self._admission = admission
        self._engines = engines
        self._ledger = ledger
        self._metrics = metrics
        self._new_id = new_id
        self._now = now
        self._log = structlog.get_logger("vitrail.image_generation")

    def check_offered(self, grant: Grant) -> None:
        """Raise NotFound, with the setting that is missing, where this grant has no image model at all."""
        self._catalog.check_image_models(grant)

    async def generate(self, request: ImageRequest, grant: Grant) -> ImageGeneration:
        """Return the images, settled; raises any Failure, and then nothing was settled.

        Cancelling it before the images have come ends the generation; after that they are settled all the same.
        """
        self._ledger.check_room()
        model = self._catalog.resolve_image(request.model, grant)
        _check_prompt(request.prompt, model)
        permit = await self._admission.admit_completion(grant, model)
        try:
            await permit.reserve(tokens=0, cost_ticks=count_images_cost(request.n, model.prices).total_ticks)
            drawn = await self._engines[model.id].draw(request.prompt, n=request.n, asker=grant.key.id)
            images = tuple(self._look_at(image, request, model) for image in drawn)
            cost = count_images_cost(len(images), model.prices)
            await asyncio.shield(self._settle(model, grant, cost, len(images)))
        finally:
            await asyncio.shield(permit.close())
        return ImageGeneration(images=images, cost_ticks=cost.total_ticks, allowance=permit.allowance)

    def _look_at(self, image: DrawnImage, request: ImageRequest, model: Model) -> GeneratedImage:
        """Return the image if its header is that of a JPEG or PNG; raises Unavailable, for it is no client's fault."""
        try:
            header = sniff_image(image.data)
        except InvalidArgument as failure:
            self._log.warning("image model gave no image", model=model.id, seen=failure.message)
            raise Unavailable from failure
        return GeneratedImage(image.data, header.format, image.revised_prompt or request.prompt)

    async def _settle(self, model: Model, grant: Grant, cost: Cost, images: int) -> None:
        """Record the cost; images have no tokens."""
        usage = Usage(text_tokens=0, image_tokens=0, cost_ticks=cost.total_ticks)
        self._metrics.observe_completion(model.id, CompletionStatus.FINISHED, usage, None)
        await self._ledger.settle(
            Settlement(
                completion_id=self._new_id(),
                request_id=grant.request_id,
                team_id=grant.team_id,
                api_key_id=grant.key.id,
                endpoint=grant.endpoint,
                model=model.id,
                status=CompletionStatus.FINISHED,
                at=self._now(),
                usage=usage,
                cost=cost,
                client_ip=grant.client_ip,
                generated_images=images,
            )
        )


def _check_prompt(prompt: str, model: Model) -> None:
    if not prompt.strip():
        raise InvalidArgument("`prompt` is empty.")
    tokens = count_words(prompt)
    if tokens > model.context_tokens:
        raise ContextTooLong(
            f"This model's maximum prompt length is {model.context_tokens} but the request contains {tokens} tokens."
        )
