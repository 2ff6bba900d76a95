"""The path of an image generation around its settlement: leaving late is billed once, a full spool draws nothing."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from tests.fixtures.image_maker import ImageMaker
from vitrail.domain.errors import Unavailable
from vitrail.domain.images import ImageRequest
from vitrail.domain.models import Modality, Model, Prices
from vitrail.domain.settlement import Settlement
from vitrail.engines.image_slots import ImageSlots
from vitrail.engines.slots import SlotsOptions
from vitrail.engines.upstream_images import UpstreamImages
from vitrail.engines.upstream_options import UpstreamOptions
from vitrail.service.billing import Billing, BillingOptions
from vitrail.service.catalog import Catalog
from vitrail.service.image_generation import ImageGenerations
from vitrail.service.ledger import Ledger, LedgerOptions
from vitrail.store.schema import completions
from vitrail.telemetry import Metrics


class WatchedLedger(Ledger):
    """The ledger, which says when it is asked to settle and waits for a word before it does."""

    def __init__(self, *parts: Any, **more: Any) -> None:
        super().__init__(*parts, **more)
        self.asked, self.go = asyncio.Event(), asyncio.Event()
        self.written = asyncio.Event()

    async def settle(self, settlement: Settlement) -> None:
        self.asked.set()
        await self.go.wait()
        await super().settle(settlement)
        self.written.set()


@pytest.fixture
async def drawing(bench):
    """A service with its ledger and the image server behind it."""
    maker = ImageMaker()
    await maker.start()
    slots = ImageSlots(UpstreamImages(UpstreamOptions(), base_url=maker.url, model="m"), SlotsOptions())
    await slots.start()
    ledger = WatchedLedger(
        bench.database, LedgerOptions(spool_rows=1), billing=Billing(bench.database, BillingOptions())
    )
    model = Model(
        id="painter", engine="upstream", created=1, output_modalities=(Modality.IMAGE,), prices=Prices(image=2)
    )
    catalog = Catalog([model], fingerprint_text=lambda _: slots.fingerprint)
    images = ImageGenerations(
        catalog=catalog,
        admission=bench.admission,
        engines={"painter": slots},
        ledger=ledger,
        metrics=Metrics(),
        new_id=lambda: "i-1",
    )
    yield images, ledger, maker
    await slots.close()
    await maker.close()


async def test_whoever_leaves_while_it_is_settled_is_billed_once(bench, drawing):
    """The images were there, so the row is written though nobody waits for it any more."""
    images, ledger, _ = drawing
    task = asyncio.create_task(images.generate(ImageRequest("A cat"), bench.grant))
    await ledger.asked.wait()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert bench.rows() == []
    ledger.go.set()
    await ledger.written.wait()
    assert [(row.id, row.cost_ticks) for row in bench.rows()] == [("i-1", 2 * 10**8)]


async def test_nothing_is_drawn_while_usage_cannot_be_written(bench, drawing):
    """A full spool refuses before the image server is asked."""
    images, ledger, maker = drawing
    ledger.go.set()
    bench.database.run(completions.drop)
    await images.generate(ImageRequest("A cat"), bench.grant)
    with pytest.raises(Unavailable, match="usage cannot be recorded"):
        await images.generate(ImageRequest("A cat"), bench.grant)
    assert len(maker.bodies) == 1
