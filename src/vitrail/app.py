"""The composition root: with `app_engines` the only place that names concrete engines, the database and the servers."""

from __future__ import annotations

import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from typing import TYPE_CHECKING, cast

from vitrail.app_engines import build_engine, build_image_engine, fit_window, language_weights, plan_budget
from vitrail.data_dir import make_data_dir
from vitrail.engines.base import Engine, Restarting
from vitrail.engines.image_slots import ImageSlots
from vitrail.engines.memory_budget import MemoryBudget
from vitrail.engines.on_demand import OnDemand
from vitrail.engines.request_log import RequestLog
from vitrail.engines.slots import Slots
from vitrail.ingest.fetch import Fetcher
from vitrail.ingest.prepare import Ingest
from vitrail.ingest.workers import DecodeWorkers
from vitrail.service.accounts import Accounts
from vitrail.service.admission import Admission
from vitrail.service.billing import Billing
from vitrail.service.catalog import Catalog
from vitrail.service.completion import Completions
from vitrail.service.deferred import Deferred
from vitrail.service.health import HealthReport
from vitrail.service.housekeeping import Chore, Housekeeping
from vitrail.service.image_generation import ImageGenerations
from vitrail.service.invoices import Invoices
from vitrail.service.job_runner import JobRunner
from vitrail.service.kept_usage import KeptUsage
from vitrail.service.keyring import Keyring
from vitrail.service.ledger import Ledger
from vitrail.service.management_keys import ManagementKeys
from vitrail.service.perception import Perceptions
from vitrail.service.rate_limits import RateLimits
from vitrail.service.responses import Responses
from vitrail.service.scripted import ScriptDesk, Scripted
from vitrail.service.services import Management, Services
from vitrail.service.teams import Teams
from vitrail.service.tokens import Tokens
from vitrail.service.usage import Usage
from vitrail.settings import ModelEntry, Settings, SettingsError
from vitrail.store.database import Database, database_url, open_database
from vitrail.telemetry import Metrics

if TYPE_CHECKING:
    from vitrail.grpc_api.serving import GrpcServer

_USAGE_SECONDS, _LAST_USE_SECONDS, _SWEEP_SECONDS = 5.0, 10.0, 300.0

FACTS_LIMITS = (
    "It reads documents, screenshots, tables and codes and knows common objects; it does not understand open scenes "
    "and then says so. For a real vision model see docs/models.md."
)


@dataclass(frozen=True, slots=True)
class Runtime:
    """A running Vitrail without a network surface: everything a server or the command line calls."""

    settings: Settings
    services: Services
    keyring: Keyring
    completions: Completions
    jobs: JobRunner
    housekeeping: Housekeeping
    ledger: Ledger
    ingest: Ingest
    engines: Mapping[str, Engine]
    slots: tuple[Slots | ImageSlots, ...]

    async def drain(self) -> None:
        """Refuse whoever waits for a slot; what runs goes on."""
        for slots in self.slots:
            slots.drain()


@asynccontextmanager
async def open_runtime(
    settings: Settings, *, tell: Callable[[str], None] = lambda line: None, draining: Callable[[], bool] = lambda: False
) -> AsyncIterator[Runtime]:
    """Start every part in order and close all in reverse; `tell` hears a line about what takes long."""
    async with AsyncExitStack() as stack:
        make_data_dir(settings)
        database = open_database(settings.database, data_dir=settings.data_dir)
        stack.callback(database.close)
        metrics = Metrics()
        ingest = open_ingest(settings)
        stack.push_async_callback(ingest.close)
        ingest.start()
        engines: dict[str, Slots] = {}
        image_engines: dict[str, ImageSlots] = {}
        log = RequestLog()
        memory = plan_budget(settings)
        for entry in settings.models:
            tell(f"Starting {entry.id} on the {entry.engine} engine ...")
            if entry.makes_images:
                image_engines[entry.id] = await _start_image_engine(entry, settings, stack)
                metrics.watch_slots(entry.id, image_engines[entry.id])
                continue
            engines[entry.id] = await _start_engine(entry, settings, stack, log, memory)
            metrics.watch_slots(entry.id, engines[entry.id])
            if isinstance(engine := engines[entry.id].engine, Restarting):
                metrics.watch_restarts(entry.id, engine)
            if isinstance(engine := engines[entry.id].engine, OnDemand):
                metrics.watch_loads(entry.id, engine)
        desk = _script_desk(settings, engines, log)
        limits = RateLimits(settings.rate_limits)
        stack.push_async_callback(limits.close)
        runtime = _wire(
            settings, database, ingest, engines, image_engines, metrics, desk, limits=limits, draining=draining
        )
        await runtime.ledger.start()
        stack.push_async_callback(runtime.ledger.close)
        runtime.housekeeping.start()
        stack.push_async_callback(runtime.housekeeping.close)
        runtime.jobs.start()
        stack.push_async_callback(runtime.jobs.close)
        yield runtime


@asynccontextmanager
async def open_grpc(settings: Settings, services: Services) -> AsyncIterator[GrpcServer | None]:
    """Serve gRPC while the block runs, where a port is set for it; raises SettingsError where that cannot be done."""
    if settings.grpc.port is None:
        yield None
        return
    try:  # imported here, since the extra need not be installed
        from vitrail.grpc_api.serving import GrpcNotServed, serve_grpc
    except ImportError as error:
        raise SettingsError(
            f"gRPC needs packages that are not installed ({error.name}): pip install 'vitrail[grpc]'."
        ) from error
    async with AsyncExitStack() as stack:
        try:
            server = await stack.enter_async_context(serve_grpc(services, settings.grpc, settings.http))
        except GrpcNotServed as error:
            raise SettingsError(str(error)) from error
        yield server


def open_ingest(settings: Settings) -> Ingest:
    """Return the image ingest alone, which needs no engine; close it when done."""
    return Ingest(settings.images, fetcher=Fetcher(settings.fetch), workers=DecodeWorkers(settings.decode))


async def _start_engine(
    entry: ModelEntry, settings: Settings, stack: AsyncExitStack, log: RequestLog, memory: MemoryBudget | None
) -> Slots:
    engine = build_engine(entry, settings, log=log, memory=memory)
    stack.push_async_callback(engine.close)
    await engine.start()
    return engine


async def _start_image_engine(entry: ModelEntry, settings: Settings, stack: AsyncExitStack) -> ImageSlots:
    engine = build_image_engine(entry, settings)
    stack.push_async_callback(engine.close)
    await engine.start()
    return engine


def describe_models(runtime: Runtime) -> tuple[str, ...]:
    """Return lines that say which engine answers under which names, and what it cannot do."""
    lines: list[str] = []
    for entry in runtime.settings.models:
        names = ", ".join((entry.id, *entry.aliases))
        lines.append(f"Model {names}")
        match entry.engine:
            case "facts":
                name, _ = language_weights(entry, runtime.settings)
                lines += [f"  answered by the embedded engine with {name}. {FACTS_LIMITS}"]
            case "llama":
                lines += [f"  answered by llama.cpp with {entry.weights or entry.gguf}."]
                if isinstance(engine := cast("Slots", runtime.engines[entry.id]).engine, OnDemand):
                    lines += ["  Loaded." if engine.is_loaded else "  Loaded when it is asked for."]
            case "upstream":
                lines += [f"  {'images generated' if entry.makes_images else 'answered'} by {entry.base_url}."]
            case "scripted":
                lines += [f"  answered by the script {entry.script or 'of defaults'}: no model looks at the pictures."]
                if entry.record_from is not None:
                    lines += [f"  What no rule holds for is sent to {entry.record_from.base_url} and recorded."]
    return tuple(lines)


def _script_desk(settings: Settings, engines: Mapping[str, Slots], log: RequestLog) -> ScriptDesk | None:
    """Return what lets tests look into the scripted models, if there are any."""
    ids = {name: entry.id for entry in settings.models for name in (entry.id, *entry.aliases)}
    scripted = {e.id: cast("Scripted", engines[e.id].engine) for e in settings.models if e.engine == "scripted"}
    return ScriptDesk(scripted, log, resolve=lambda name: ids.get(name, name)) if scripted else None


def _wire(
    settings: Settings,
    database: Database,
    ingest: Ingest,
    engines: Mapping[str, Slots],
    image_engines: Mapping[str, ImageSlots],
    metrics: Metrics,
    desk: ScriptDesk | None,
    *,
    limits: RateLimits,
    draining: Callable[[], bool],
) -> Runtime:
    keyring = Keyring(database, settings.keys, monotonic=time.monotonic)
    all_engines: dict[str, Engine | ImageSlots] = {**engines, **image_engines}
    pairs = zip(settings.served_models, settings.models, strict=True)
    models = [fit_window(model, entry, settings) for model, entry in pairs]
    catalog = Catalog(models, fingerprint_text=lambda model: all_engines[model.id].fingerprint)
    billing = Billing(database, settings.billing)
    kept = KeptUsage(settings.data_dir, database_url=database_url(settings.database, settings.data_dir))
    ledger = Ledger(database, settings.ledger, billing=billing, kept=kept)
    admission = Admission(keyring, limits=limits, billing=billing)
    completions = Completions(
        catalog=catalog,
        admission=admission,
        ingest=ingest,
        engines=engines,
        ledger=ledger,
        metrics=metrics,
        new_id=lambda: str(uuid.uuid4()),
        monotonic=time.monotonic,
    )
    images = ImageGenerations(
        catalog=catalog,
        admission=admission,
        engines=image_engines,
        ledger=ledger,
        metrics=metrics,
        new_id=lambda: str(uuid.uuid4()),
    )
    jobs = JobRunner(
        database,
        completions,
        admission,
        settings.deferred,
        new_id=lambda: str(uuid.uuid4()),
        monotonic=time.monotonic,
        paused=draining,
    )
    responses = Responses(database, settings.responses, completions=completions)
    accounts = Accounts(database)
    housekeeping = Housekeeping(
        (
            Chore("usage that was not written", ledger.flush, _USAGE_SECONDS),
            Chore("last use of keys", keyring.write_last_used, _LAST_USE_SECONDS, at_end=True),
            Chore("expired deferred completions", jobs.sweep, settings.deferred.sweep_seconds),
            Chore("expired responses", responses.sweep, _SWEEP_SECONDS),
            Chore("expired credits", accounts.write_off_expired, _SWEEP_SECONDS),
        )
    )
    services = Services(
        admission=admission,
        catalog=catalog,
        completions=completions,
        deferred=Deferred(database, completions, settings.deferred, wake=jobs.wake, new_id=lambda: str(uuid.uuid4())),
        responses=responses,
        tokens=Tokens(catalog=catalog, ingest=ingest, engines=engines),
        perceptions=Perceptions(
            catalog=catalog,
            admission=admission,
            ingest=ingest,
            engines={id: engine for id, engine in engines.items() if engine.capabilities.perception},
        ),
        images=images,
        management=Management(
            keys=ManagementKeys(database),
            keyring=keyring,
            teams=Teams(database),
            accounts=accounts,
            invoices=Invoices(database),
            usage=Usage(database, settings.usage),
        ),
        health=HealthReport(all_engines, database, draining=draining),
        render_metrics=metrics.render,
        observe_request=metrics.observe_request,
        scripted=desk,
    )
    return Runtime(
        settings=settings,
        services=services,
        keyring=keyring,
        completions=completions,
        jobs=jobs,
        housekeeping=housekeeping,
        ledger=ledger,
        ingest=ingest,
        engines=engines,
        slots=(*engines.values(), *image_engines.values()),
    )
