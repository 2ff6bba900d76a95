"""Make engines and find their weights: the only place that names concrete engines. Called by `app` and by commands."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import assert_never, cast

from vitrail.control_groups import read_available_bytes
from vitrail.data_dir import make_data_dir
from vitrail.domain.errors import Unavailable
from vitrail.domain.models import Model
from vitrail.engines.base import Engine
from vitrail.engines.image_slots import ImageSlots
from vitrail.engines.llama.memory import plan_memory
from vitrail.engines.llama.trial import ProcessEngine, Trial, try_model
from vitrail.engines.llama.window import read_window
from vitrail.engines.memory_budget import MemoryBudget
from vitrail.engines.on_demand import OnDemand, Reloadable
from vitrail.engines.registry import make_engine
from vitrail.engines.request_log import RequestLog
from vitrail.engines.slots import Slots, SlotsOptions
from vitrail.engines.upstream_images import UpstreamImages
from vitrail.engines.weights import ModelFiles, WeightsStore, WeightsUnavailable
from vitrail.engines.weights_progress import PullProgress
from vitrail.settings import ModelEntry, RecordingOptions, Settings, SettingsError


def build_image_engine(entry: ModelEntry, settings: Settings) -> ImageSlots:
    """Return the engine of an image model in its slots, not started."""
    assert entry.base_url is not None
    key = entry.api_key.get_secret_value() if entry.api_key else None
    model = entry.upstream_model or entry.id
    engine = UpstreamImages(settings.upstream, base_url=entry.base_url, model=model, name=entry.id, key=key)
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


def fit_window(model: Model, entry: ModelEntry, settings: Settings) -> Model:
    """Return the model with no more text than its engine takes, by its settings and its weights.

    Pictures are not held to that window here: they are billed by the tile rule, and may take fewer tokens of it.
    Raises Unavailable for weights that are not here or cannot be used.
    """
    match entry.engine:
        case "llama":
            gguf = _llama_files(entry, settings).gguf
            return replace(model, text_tokens=_read_window(gguf, settings.llama.context_tokens))
        case "facts":
            _, gguf = language_weights(entry, settings)
            return replace(model, text_tokens=_read_window(gguf, settings.facts.context_tokens))
        case _:
            return model


def _read_window(gguf: Path, context_tokens: int) -> int:
    try:
        return read_window(gguf, context_tokens=context_tokens)
    except (OSError, ValueError) as failure:
        raise Unavailable(f"The model file {gguf} cannot be used: {failure}.") from failure


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
                name=entry.id,
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
