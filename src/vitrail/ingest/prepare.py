"""Turn the image references of a request into prepared images: in parallel, in order, under one budget.

Called by the completion service in two steps: `measure` before the context-window check, `prepare` after it. Everything
that can be refused cheaply is refused before the first download, all that a header tells before anything is decoded.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from pydantic import BaseModel, ConfigDict, Field

from vitrail.domain.errors import Failure, ImageFetchFailed, InvalidArgument
from vitrail.domain.pictures import ImageReference, MeasuredImage, PreparedImage, SentImage, TilePlan
from vitrail.ingest.containers import check_container
from vitrail.ingest.data_uri import EncodedImage, decode_base64, is_data_uri, parse_data_uri
from vitrail.ingest.decode_task import Decoded, DecodeTask
from vitrail.ingest.fetch import Fetcher
from vitrail.ingest.holdings import HeldImage, Hold, Holdings
from vitrail.ingest.picture_cache import PictureCache, PictureKey
from vitrail.ingest.sniff import ImageHeader, sniff_image
from vitrail.ingest.tile import fit_inside, plan_tiles
from vitrail.ingest.workers import DecodeWorkers

_MIB = 1024 * 1024
_IN_A_THREAD_FROM_BYTES = 256 * 1024  # below, the work is shorter than the way to a thread
_SMALLER_HINT = "Send fewer or smaller images."

T = TypeVar("T")
R = TypeVar("R")


class IngestOptions(BaseModel):
    """What images of a request may cost."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    max_images: int = Field(1_000, ge=0, description="Images that one request may carry.")
    max_image_bytes: int = Field(10 * _MIB, gt=0, description="Bytes of one image, encoded as JPEG or PNG.")
    max_request_bytes: int = Field(256 * _MIB, gt=0, description="Bytes of all images of one request together.")
    max_image_pixels: int = Field(64_000_000, gt=0, description="Pixels of one image.")
    max_request_pixels: int = Field(1_000_000_000, gt=0, description="Pixels of all images of one request together.")
    held_bytes: int = Field(
        1024 * _MIB, gt=0, description="Image bytes, encoded and prepared, that all requests in flight may hold."
    )
    concurrency_per_request: int = Field(8, ge=1, description="Images of one request that are worked on at once.")
    cache_bytes: int = Field(128 * _MIB, ge=0, description="Prepared pictures that are kept for the next request.")


class Ingest:
    """Fetches, checks, measures and decodes images; owns its fetcher and its workers."""

    def __init__(self, options: IngestOptions, *, fetcher: Fetcher, workers: DecodeWorkers) -> None:
        self._options = options
        self._fetcher = fetcher
        self._workers = workers
        self._holdings = Holdings(options.held_bytes)
        self._cache = PictureCache(options.cache_bytes)

    @property
    def held_bytes(self) -> int:
        """Return the image bytes that requests in flight hold now."""
        return self._holdings.held_bytes

    def start(self) -> None:
        """Start the decode processes now, inside the running event loop, so that the first image need not wait."""
        self._workers.start()

    async def measure(self, references: Sequence[ImageReference]) -> tuple[MeasuredImage, ...]:
        """Return every image of a request with its size and tile plan, in order.

        Raises InvalidArgument, ImageFetchFailed or Unavailable; one failure ends the work on the others.
        """
        budget = _RequestBudget(self._options)
        sources = self._judge_all(references, budget)
        holds: list[Hold] = []
        try:
            return await _gather_in_order(
                lambda pair: self._measure_one(*pair, budget, holds),
                list(zip(references, sources, strict=True)),
                self._options.concurrency_per_request,
            )
        except BaseException:
            for hold in holds:
                hold.release()
            raise
        finally:
            holds.clear()  # from here on the images alone keep them

    async def prepare(
        self, images: Sequence[MeasuredImage], *, team_id: str, long_edge_px: int | None
    ) -> tuple[PreparedImage, ...]:
        """Return the pictures of measured images, in order; identical ones are decoded once.

        `long_edge_px` is what an engine's capabilities ask for: None for the tile plan's fitted size.
        Raises InvalidArgument or Unavailable.
        """
        digests = await _gather_in_order(_digest, images, self._options.concurrency_per_request)
        keys = [
            PictureKey(team_id, digest, image.plan, long_edge_px) for image, digest in zip(images, digests, strict=True)
        ]
        distinct: dict[PictureKey, MeasuredImage] = {}
        for key, image in zip(keys, images, strict=True):
            distinct.setdefault(key, image)
        pictures = await _gather_in_order(
            lambda item: self._prepare_one(*item), list(distinct.items()), self._options.concurrency_per_request
        )
        prepared = dict(zip(distinct, pictures, strict=True))
        return tuple(prepared[key] for key in keys)

    async def close(self) -> None:
        """End downloads and decode processes; safe to call twice."""
        self._cache.clear()
        await self._fetcher.close()
        await self._workers.close()

    def _judge_all(self, references: Sequence[ImageReference], budget: _RequestBudget) -> list[EncodedImage | None]:
        """Refuse what the text of the request alone tells; None stands for an image to download."""
        if len(references) > self._options.max_images:
            raise InvalidArgument(
                f"The request has {len(references):,} images, the limit is {self._options.max_images:,}.",
                where=references[self._options.max_images].where,
                hint=_SMALLER_HINT,
            )
        sources: list[EncodedImage | None] = []
        for reference in references:
            if is_data_uri(reference):
                encoded = parse_data_uri(reference, max_bytes=self._options.max_image_bytes)
                budget.add_bytes(encoded.decoded_bytes, reference.where)
                sources.append(encoded)
            else:
                self._fetcher.judge(reference)
                sources.append(None)
        return sources

    async def _measure_one(
        self, reference: ImageReference, encoded: EncodedImage | None, budget: _RequestBudget, holds: list[Hold]
    ) -> MeasuredImage:
        if encoded is not None:
            held = self._hold(encoded.decoded_bytes, holds)
            data, header = await _off_the_loop(_decode_and_sniff, encoded, size_bytes=encoded.decoded_bytes)
        else:
            data = await self._fetcher.fetch(reference, max_bytes=self._options.max_image_bytes)
            budget.add_bytes(len(data), reference.where)
            held = self._hold(len(data), holds)
            header = await _off_the_loop(_sniff_download, (data, reference.where), size_bytes=len(data))
        width_px, height_px = header.upright_size_px
        budget.add_pixels(width_px, height_px, reference.where)
        plan = plan_tiles(width_px, height_px, reference.detail)
        return HeldImage(
            data=data,
            format=header.format,
            width_px=width_px,
            height_px=height_px,
            orientation=header.orientation,
            plan=plan,
            where=reference.where,
            holds=(held, self._hold(3 * plan.fitted_width_px * plan.fitted_height_px, holds)),
        )

    def _hold(self, size_bytes: int, holds: list[Hold]) -> Hold:
        hold = self._holdings.hold(size_bytes)
        holds.append(hold)
        return hold

    async def _prepare_one(self, key: PictureKey, image: MeasuredImage) -> PreparedImage:
        found = self._cache.find(key)
        if found is not None:
            return found
        try:
            decoded = await self._workers.decode(self._task(image, key.long_edge_px), digest=key.digest)
        except InvalidArgument as error:
            raise InvalidArgument(error.message, where=image.where, hint=error.hint) from error
        prepared = PreparedImage(
            picture=decoded.picture,
            plan=image.plan,
            content_hash=_hash_content(decoded, image.plan, key.team_id),
            sent=SentImage(key.digest, image.width_px, image.height_px),
        )
        self._cache.keep(key, prepared)
        return prepared

    def _task(self, image: MeasuredImage, long_edge_px: int | None) -> DecodeTask:
        width_px, height_px = image.plan.fitted_width_px, image.plan.fitted_height_px
        if long_edge_px is not None:
            width_px, height_px = fit_inside(image.width_px, image.height_px, long_edge_px, long_edge_px)
        turned = image.orientation >= 5
        return DecodeTask(
            data=image.data,
            format=image.format,
            orientation=image.orientation,
            stored_width_px=image.height_px if turned else image.width_px,
            stored_height_px=image.width_px if turned else image.height_px,
            width_px=width_px,
            height_px=height_px,
            scaled_jpeg=self._workers.scaled_jpeg,
        )


@dataclass(slots=True)
class _RequestBudget:
    """What the images of one request have cost so far."""

    options: IngestOptions
    encoded_bytes: int = 0
    pixels: int = 0

    def add_bytes(self, size_bytes: int, where: str) -> None:
        """Count an image's bytes, or raise InvalidArgument when the request is over its limit."""
        self.encoded_bytes += size_bytes
        limit = self.options.max_request_bytes
        if self.encoded_bytes > limit:
            message = f"The images of the request have more than {limit:,} bytes together, which is the limit."
            raise InvalidArgument(message, where=where, hint=_SMALLER_HINT)

    def add_pixels(self, width_px: int, height_px: int, where: str) -> None:
        """Count an image's pixels, or raise InvalidArgument when it or the request is over the limit."""
        pixels, limit = width_px * height_px, self.options.max_image_pixels
        if pixels > limit:
            message = f"The image has {width_px} x {height_px} = {pixels:,} pixels, the limit is {limit:,}."
            raise InvalidArgument(message, where=where, hint="Send it scaled down.")
        self.pixels += pixels
        limit = self.options.max_request_pixels
        if self.pixels > limit:
            message = f"The images of the request have more than {limit:,} pixels together, which is the limit."
            raise InvalidArgument(message, where=where, hint=_SMALLER_HINT)


def _decode_and_sniff(encoded: EncodedImage) -> tuple[bytes, ImageHeader]:
    data = decode_base64(encoded)
    try:
        return data, _inspect(data)
    except InvalidArgument as error:
        raise InvalidArgument(error.message, where=encoded.where, hint=error.hint) from error


def _sniff_download(download: tuple[bytes, str]) -> ImageHeader:
    data, where = download
    try:
        return _inspect(data)
    except InvalidArgument as error:
        raise ImageFetchFailed(where=where) from error


def _inspect(data: bytes) -> ImageHeader:
    header = sniff_image(data)
    check_container(data, header)
    return header


def _hash_content(decoded: Decoded, plan: TilePlan, team_id: str) -> str:
    """Return the name of pixels, their size, the plan and the team; equal only when all of them are."""
    picture = decoded.picture
    parts = (
        decoded.pixels_sha256,
        f"{picture.width_px}x{picture.height_px}",
        f"{plan.columns}x{plan.rows} {plan.fitted_width_px}x{plan.fitted_height_px}",
        team_id,
    )
    return hashlib.sha256("\n".join(parts).encode("utf-8", "surrogatepass")).hexdigest()


async def _digest(image: MeasuredImage) -> str:
    return await _off_the_loop(lambda data: hashlib.sha256(data).hexdigest(), image.data, size_bytes=len(image.data))


async def _off_the_loop(work: Callable[[T], R], value: T, *, size_bytes: int) -> R:
    """Return `work(value)`, from a thread when it is about so many bytes that the event loop would stall."""
    if size_bytes < _IN_A_THREAD_FROM_BYTES:
        return work(value)
    return await asyncio.to_thread(work, value)


async def _gather_in_order(work: Callable[[T], Awaitable[R]], items: Sequence[T], at_once: int) -> tuple[R, ...]:
    """Return the result for every item, in order; the first failure cancels the rest and is raised as it is."""
    room = asyncio.Semaphore(at_once)

    async def one(item: T) -> R:
        async with room:
            return await work(item)

    tasks: list[asyncio.Task[R]] = []
    failure: BaseException | None = None
    try:
        async with asyncio.TaskGroup() as group:
            tasks.extend(group.create_task(one(item)) for item in items)
    except BaseExceptionGroup as failures:
        failure = _choose_failure(failures)
    if failure is None:
        return tuple(task.result() for task in tasks)
    try:
        raise failure
    finally:  # the failure's traceback leads to this frame, and megabytes with it, until a cycle is collected
        tasks.clear()
        del failure


def _choose_failure(failures: BaseExceptionGroup[BaseException]) -> BaseException:
    """Return what one answer says of several failures: our own fault before the client's."""
    return next((error for error in failures.exceptions if not isinstance(error, Failure)), failures.exceptions[0])
