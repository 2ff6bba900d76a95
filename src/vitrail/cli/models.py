"""`vitrail models`: which models are configured, which weights are here, and fetching more."""

from __future__ import annotations

import asyncio
import dataclasses
import json
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Column, Table

from vitrail.app_engines import ModelCheck, check_model, open_weights
from vitrail.cli.options import AsJson, ConfigFile, DataDir, load
from vitrail.cli.tables import open_stdout
from vitrail.data_dir import make_data_dir
from vitrail.engines.weights import ModelFiles, WeightsUnavailable
from vitrail.engines.weights_progress import ConsoleProgress, render_size
from vitrail.telemetry import configure_logging


def build_group() -> typer.Typer:
    """Return the `models` commands."""
    group = typer.Typer(help="Models and their weights.", no_args_is_help=True)
    group.command("list")(list_)
    group.command("pull")(pull)
    group.command("remove")(remove)
    group.command("check")(check)
    return group


def list_(data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show the configured models and the named weights, with what is on this machine."""
    settings = load(data_dir=data_dir, config=config)
    store = open_weights(settings)
    window_tokens = settings.llama.context_tokens * settings.llama.parallel
    models = [{"id": m.id, "engine": m.engine, "aliases": list(m.aliases)} for m in settings.models]
    weights = [
        {
            "name": entry.name,
            "description": entry.description,
            "licence": entry.licence,
            "size_bytes": entry.size_bytes,
            "memory_bytes": entry.memory_bytes(window_tokens=window_tokens),
            "input": ["text", "image"] if entry.sees else ["text"],
            "origin": entry.origin,
            "here": store.locate_files(entry.name) is not None,
        }
        for entry in store.manifest()
    ]
    if as_json:
        print(json.dumps({"models": models, "weights": weights}))
        return
    console = open_stdout()
    table = Table("model", "engine", "also answers to", title="Configured models", title_justify="left")
    for entry in settings.models:
        table.add_row(entry.id, entry.engine, ", ".join(entry.aliases))
    console.print(table)
    columns = [Column(title, no_wrap=True) for title in ("weights", "size", "memory")]
    table = Table(*columns, "input", "licence", "here", "what", title="Named weights", title_justify="left")
    for known in store.manifest():
        table.add_row(
            known.name,
            render_size(known.size_bytes),
            render_size(known.memory_bytes(window_tokens=window_tokens)),
            "text, image" if known.sees else "text",
            known.licence,
            "yes" if store.locate_files(known.name) else "no",
            known.description,
        )
    console.print(table)
    console.print(f"Memory: the files and a context window of {window_tokens:,} tokens, as [llama] says.", markup=False)


def pull(
    name: Annotated[str, typer.Argument(help="Weights, as `vitrail models list` names them.")],
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Fetch weights: several sources, resumed where it stopped, checked by sha256."""
    settings = load(data_dir=data_dir, config=config)
    make_data_dir(settings)
    with ConsoleProgress(Console(stderr=True)) as progress:
        print(open_weights(settings).pull(name, progress))


def remove(
    name: Annotated[str, typer.Argument(help="Weights, as `vitrail models list` names them.")],
    data_dir: DataDir = None,
    config: ConfigFile = None,
) -> None:
    """Delete weights from the data directory, whole or begun."""
    freed = open_weights(load(data_dir=data_dir, config=config)).remove(name)
    print(f"{render_size(freed)} freed." if freed else f"Nothing of {name} is here.")


def check(
    name: Annotated[str | None, typer.Argument(help="Weights, as `vitrail models list` names them.")] = None,
    gguf: Annotated[Path | None, typer.Option(help="A GGUF file of your own instead.")] = None,
    mmproj: Annotated[Path | None, typer.Option(help="Its vision projector.")] = None,
    seconds: Annotated[float, typer.Option(min=1.0, help="How long to measure, loading included.")] = 20.0,
    data_dir: DataDir = None,
    config: ConfigFile = None,
    as_json: AsJson = False,
) -> None:
    """Tell whether a model fits into this machine, and measure how fast it is; fails if it does not fit."""
    settings = load(data_dir=data_dir, config=config)
    configure_logging(settings.log.model_copy(update={"level": "error"}))
    if (name is None) == (gguf is None):
        raise typer.BadParameter("either the name of weights, or --gguf")
    files = ModelFiles(gguf, mmproj) if gguf is not None else open_weights(settings).locate_files(name or "")
    if files is None:
        known = next(w for w in open_weights(settings).manifest() if w.name == name)
        memory = render_size(known.memory_bytes(window_tokens=settings.llama.context_tokens * settings.llama.parallel))
        raise WeightsUnavailable(
            f"The weights {name} are not here; they are a download of {render_size(known.size_bytes)}, and take "
            f"{memory} of memory and some to work with.",
            hint=f"Fetch them with `vitrail models pull {name} --data-dir {settings.data_dir}`.",
        )
    result = asyncio.run(check_model(files, settings, seconds=seconds))
    print(json.dumps(dataclasses.asdict(result) | {"fits": result.fits}) if as_json else _render_check(result))
    if not result.fits:
        raise typer.Exit(1)


def _render_check(result: ModelCheck) -> str:
    """The result in lines for people."""
    there = "unknown" if result.available_bytes is None else render_size(result.available_bytes)
    lines = [f"memory needed     {render_size(result.needed_bytes)} and some to work with; available: {there}"]
    if result.trial is None:
        return "\n".join([*lines, "It does not fit: choose a smaller model, context window or number of slots."])
    trial = result.trial
    measured = (
        ("memory taken", render_size(trial.resident_bytes), trial.resident_bytes),
        ("loading", f"{trial.load_seconds:.1f} s", trial.load_seconds),
        ("one picture", f"{trial.picture_seconds or 0:.1f} s to the first word", trial.picture_seconds),
        ("reading", f"{trial.prompt_tokens_per_second or 0:.0f} tokens/s", trial.prompt_tokens_per_second),
        ("writing", f"{trial.tokens_per_second or 0:.1f} tokens/s", trial.tokens_per_second),
    )
    lines += [f"{what:<17} {shown}" for what, shown, value in measured if value is not None]
    if trial.tokens_per_second is None:
        lines.append("It is too slow to be measured in this time: a larger --seconds tells more.")
    return "\n".join(lines)
