"""The composition root: the only place that names concrete engines, the database and the servers."""

from __future__ import annotations

import os
import time
import uuid
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, assert_never, cast

from vitrail.domain.errors import Unavailable
from vitrail.engines.base import Engine, Restarting
from vitrail.engines.image_slots import ImageSlots
from vitrail.engines.llama.memory import plan_memory, read_available_bytes
from vitrail.engines.llama.trial import ProcessEngine, Trial, try_model
from vitrail.engines.memory_budget import MemoryBudget
from vitrail.engines.on_demand import OnDemand, Reloadable
from vitrail.engines.registry import make_engine
from vitrail.engines.request_log import RequestLog
from vitrail.engines.slots import Slots, SlotsOptions
from vitrail.engines.upstream_images import UpstreamImages
from vitrail.engines.weights import ModelFiles, WeightsStore, WeightsUnavailable
from vitrail.engines.weights_progress import PullProgress
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
from vitrail.settings import ModelEntry, RecordingOptions, Settings, SettingsError
from vitrail.store.database import Database, open_database
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
    ingest: Ingest
    engines: Mapping[str, Engine]


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


def make_data_dir(settings: Settings) -> None:
    """Make the data directory; raises SettingsError where that cannot be done, or nothing can be written in it."""
    try:
        settings.data_dir.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise SettingsError(f"The data directory {settings.data_dir} cannot be made: {error.strerror}.") from error
    if not os.access(settings.data_dir, os.W_OK | os.X_OK):
        raise SettingsError(
            f"The data directory {settings.data_dir} cannot be written; choose another with --data-dir."
        )


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


def build_image_engine(entry: ModelEntry, settings: Settings) -> ImageSlots:
    """Return the engine of an image model in its slots, not started."""
    assert entry.base_url is not None
    key = entry.api_key.get_secret_value() if entry.api_key else None
    model = entry.upstream_model or entry.id
    engine = UpstreamImages(settings.upstream, base_url=entry.base_url, model=model, key=key)
    return ImageSlots(engine, _slots_options(entry, settings), generations=settings.upstream.image_generations)


def _slots_options(entry: ModelEntry, settings: Settings) -> SlotsOptions:
    return settings.slots.model_copy(update={"generations": entry.slots or settings.slots.generations})


def plan_budget(settings: Settings) -> MemoryBudget | None:
    """Return what keeps the `llama` models within their memory; None where none is set.

    Raises SettingsError for a model that alone is larger.
    """
    budget_bytes = settings.memory.budget_bytes
    if budget_bytes is None:
        return None
    entries = [entry for entry in settings.models if entry.engine == "llama"]
    for entry in entries:
        needed_bytes = _plan_needed(_llama_files(entry, settings), settings)
        if needed_bytes > budget_bytes:
            raise SettingsError(
                f"The model {entry.id} needs {needed_bytes:,} bytes of memory (weights, context windows, prompt "
                f"cache); memory.budget_bytes is {budget_bytes:,}. Raise it, or lower llama.context_tokens, "
                "llama.parallel or llama.prompt_cache_mib."
            )
    generations = [_slots_options(entry, settings).generations or settings.llama.parallel for entry in entries]
    queue = settings.slots.queue + max(generations, default=0)
    return MemoryBudget(budget_bytes, wait_seconds=settings.slots.wait_seconds, queue=queue)


def build_engine(
    entry: ModelEntry, settings: Settings, *, log: RequestLog | None = None, memory: MemoryBudget | None = None
) -> Slots:
    """Return the engine of a model in its slots, not started; its weights have to be there.

    A scripted one writes what it is asked to `log`; a `llama` one shares `memory` with others, if there is a budget.
    """
    options = _slots_options(entry, settings)
    match entry.engine:
        case "facts":
            _, gguf = language_weights(entry, settings)
            window = {"context_tokens": settings.facts.context_tokens}
            language = make_engine("llama", settings.llama.model_copy(update=window), gguf)
            return Slots(make_engine("facts", language, settings.facts), options, generations=1)
        case "llama":
            files = _llama_files(entry, settings)
            engine = make_engine("llama", settings.llama, files.gguf, files.mmproj)
            if memory is not None:
                engine = OnDemand(
                    cast("Reloadable", engine),
                    memory,
                    name=entry.id,
                    needed_bytes=_plan_needed(files, settings),
                    hold_seconds=settings.memory.hold_seconds,
                )
            return Slots(engine, options, generations=settings.llama.parallel)
        case "upstream":
            key = entry.api_key.get_secret_value() if entry.api_key else None
            engine = make_engine(
                "upstream",
                settings.upstream,
                base_url=entry.base_url,
                model=entry.upstream_model or entry.id,
                key=key,
                kind=entry.server,
            )
            return Slots(engine, options, generations=settings.upstream.generations)
        case "scripted":
            recorded = entry.record_from and _recorded_engine(entry.record_from, settings)
            engine = make_engine("scripted", entry.script, model=entry.id, log=log, record_from=recorded)
            return Slots(engine, options, generations=64)
    assert_never(entry.engine)


def _recorded_engine(recording: RecordingOptions, settings: Settings) -> Engine:
    key = recording.api_key.get_secret_value() if recording.api_key else None
    return make_engine("upstream", settings.upstream, base_url=recording.base_url, model=recording.model, key=key)


def open_weights(settings: Settings) -> WeightsStore:
    """Return the store of weight files in the data directory."""
    return WeightsStore(settings.weights, settings.data_dir / "weights")


def pull_weights(settings: Settings, progress: PullProgress) -> None:
    """Fetch the weights that the configured models need and that are not here; blocks.

    `facts` takes the first of its language models that can be had. Raises WeightsUnavailable or SettingsError.
    """
    make_data_dir(settings)
    store = open_weights(settings)
    for entry in settings.models:
        if entry.engine == "facts":
            _pull_first(store, entry.language, progress)
        elif entry.engine == "llama" and entry.weights:
            store.pull(entry.weights, progress)


def _pull_first(store: WeightsStore, names: Sequence[str], progress: PullProgress) -> None:
    for name in names:
        try:
            store.pull(name, progress)
        except WeightsUnavailable as failure:
            progress.tell(f"{failure.sentence}")
        else:
            return
    raise WeightsUnavailable(f"None of the language models {', '.join(names)} could be fetched.")


def language_weights(entry: ModelEntry, settings: Settings) -> tuple[str, Path]:
    """Return name and file of the language model that a `facts` model narrates with; raises WeightsUnavailable."""
    store = open_weights(settings)
    for name in entry.language:
        path = store.locate(name)
        if path is not None:
            return name, path
    raise WeightsUnavailable(
        f"The language model of {entry.id} is not here ({', '.join(entry.language)}).",
        hint=f"Fetch it with `vitrail models pull {entry.language[0]} --data-dir {settings.data_dir}`.",
    )


def _llama_files(entry: ModelEntry, settings: Settings) -> ModelFiles:
    if entry.gguf is not None:
        return ModelFiles(gguf=entry.gguf, mmproj=entry.mmproj)
    assert entry.weights is not None
    files = open_weights(settings).locate_files(entry.weights)
    if files is None:
        raise WeightsUnavailable(
            f"The weights {entry.weights} are not here.",
            hint=f"Fetch them with `vitrail models pull {entry.weights} --data-dir {settings.data_dir}`.",
        )
    return files


@dataclass(frozen=True, slots=True)
class ModelCheck:
    """Whether a model fits into this machine and, if so, how fast it is; None for what cannot be known."""

    needed_bytes: int
    available_bytes: int | None
    trial: Trial | None

    @property
    def fits(self) -> bool:
        """Tell whether the memory suffices, as far as the machine tells."""
        return self.available_bytes is None or self.needed_bytes < self.available_bytes


async def check_model(files: ModelFiles, settings: Settings, *, seconds: float) -> ModelCheck:
    """Plan the memory of a model with these settings and, if it fits, try it for about `seconds`.

    Raises Unavailable, which says why, when the model cannot be loaded.
    """
    needed_bytes = _plan_needed(files, settings)
    check = ModelCheck(needed_bytes=needed_bytes, available_bytes=read_available_bytes(), trial=None)
    if not check.fits:
        return check
    engine = cast("ProcessEngine", make_engine("llama", settings.llama, files.gguf, files.mmproj))
    return replace(check, trial=await try_model(engine, seconds=seconds))


def _plan_needed(files: ModelFiles, settings: Settings) -> int:
    """The memory of a `llama` model with these settings; raises Unavailable for files that cannot be used."""
    options = settings.llama
    try:
        return plan_memory(
            files.gguf,
            files.mmproj,
            context_tokens=options.context_tokens,
            parallel=options.parallel,
            prompt_cache_mib=options.prompt_cache_mib,
        )
    except (OSError, ValueError) as failure:
        raise Unavailable(f"The model file {files.gguf} cannot be used: {failure}.") from failure


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
    models = [entry.model(engine=entry.engine) for entry in settings.models]
    all_engines: dict[str, Engine | ImageSlots] = {**engines, **image_engines}
    catalog = Catalog(models, fingerprint_text=lambda model: all_engines[model.id].fingerprint)
    billing = Billing(database, settings.billing)
    ledger = Ledger(database, settings.ledger, billing=billing)
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
            Chore("usage that was not written", ledger.flush, _USAGE_SECONDS, at_end=True),
            Chore("last use of keys", keyring.write_last_used, _LAST_USE_SECONDS, at_end=True),
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
        ingest=ingest,
        engines=engines,
    )
