"""The composition root: the only place that names concrete engines, the database and the servers."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass

from vitrail.domain.models import Model
from vitrail.engines.base import Engine
from vitrail.engines.registry import make_engine
from vitrail.engines.slots import Slots
from vitrail.engines.weights import WeightsStore
from vitrail.http_api.services import Services
from vitrail.ingest.fetch import Fetcher
from vitrail.ingest.prepare import Ingest
from vitrail.ingest.workers import DecodeWorkers
from vitrail.service.admission import Admission
from vitrail.service.catalog import Catalog
from vitrail.service.completion import Completions
from vitrail.service.health import HealthReport
from vitrail.service.keyring import Keyring
from vitrail.service.ledger import Ledger
from vitrail.service.tokens import Tokens
from vitrail.settings import ModelEntry, Settings
from vitrail.store.database import Database, open_database
from vitrail.telemetry import Metrics


@dataclass(frozen=True, slots=True)
class Runtime:
    """A running Vitrail without a network surface: everything a server or the command line calls."""

    settings: Settings
    services: Services
    keyring: Keyring
    completions: Completions
    ingest: Ingest
    engines: dict[str, Engine]


@asynccontextmanager
async def open_runtime(
    settings: Settings, *, tell: Callable[[str], None] = lambda line: None, draining: Callable[[], bool] = lambda: False
) -> AsyncIterator[Runtime]:
    """Start every part in order and close all in reverse; `tell` hears a line about what takes long."""
    async with AsyncExitStack() as stack:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
        database = open_database(settings.database, data_dir=settings.data_dir)
        stack.callback(database.close)
        metrics = Metrics()
        ingest = open_ingest(settings)
        stack.push_async_callback(ingest.close)
        engines = {}
        for entry in settings.models:
            tell(f"Starting {entry.id} on the {entry.engine} engine ...")
            engines[entry.id] = await _start_engine(entry, settings, stack)
        metrics.watch_slots({name: engine for name, engine in engines.items() if isinstance(engine, Slots)})
        runtime = _wire(settings, database, ingest, engines, metrics, draining=draining)
        yield runtime


def open_ingest(settings: Settings) -> Ingest:
    """Return the image ingest alone, which needs no engine; close it when done."""
    return Ingest(settings.images, fetcher=Fetcher(settings.fetch), workers=DecodeWorkers(settings.decode))


async def _start_engine(entry: ModelEntry, settings: Settings, stack: AsyncExitStack) -> Slots:
    engine = build_engine(entry, settings)
    stack.push_async_callback(engine.close)
    await engine.start()
    return engine


def _wire(
    settings: Settings,
    database: Database,
    ingest: Ingest,
    engines: dict[str, Engine],
    metrics: Metrics,
    *,
    draining: Callable[[], bool],
) -> Runtime:
    keyring = Keyring(database, settings.keys, monotonic=time.monotonic)
    models = [entry.model(engine=entry.engine) for entry in settings.models]
    catalog = Catalog(models, fingerprint_text=lambda model: engines[model.id].fingerprint)
    completions = Completions(
        catalog=catalog,
        ingest=ingest,
        engines=engines,
        ledger=Ledger(database, settings.ledger),
        metrics=metrics,
        new_id=lambda: str(uuid.uuid4()),
        monotonic=time.monotonic,
    )
    services = Services(
        admission=Admission(keyring),
        catalog=catalog,
        completions=completions,
        tokens=Tokens(catalog=catalog, ingest=ingest, engines=engines),
        health=HealthReport(engines, database, draining=draining),
        render_metrics=metrics.render,
        observe_request=metrics.observe_request,
    )
    return Runtime(
        settings=settings,
        services=services,
        keyring=keyring,
        completions=completions,
        ingest=ingest,
        engines=engines,
    )
