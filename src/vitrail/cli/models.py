"""`vitrail models`: which models are configured, which weights are here, and fetching more."""

from __future__ import annotations

import json
from typing import Annotated

import typer
from rich.console import Console
from rich.table import Table

from vitrail.app import make_data_dir, open_weights
from vitrail.cli.options import AsJson, ConfigFile, DataDir, load
from vitrail.engines.weights_progress import ConsoleProgress, render_size


def build_group() -> typer.Typer:
    """Return the `models` commands."""
    group = typer.Typer(help="Models and their weights.", no_args_is_help=True)
    group.command("list")(list_)
    group.command("pull")(pull)
    return group


def list_(data_dir: DataDir = None, config: ConfigFile = None, as_json: AsJson = False) -> None:
    """Show the configured models and the named weights, with what is on this machine."""
    settings = load(data_dir=data_dir, config=config)
    store = open_weights(settings)
    models = [{"id": m.id, "engine": m.engine, "aliases": list(m.aliases)} for m in settings.models]
    weights = [
        {
            "name": entry.name,
            "description": entry.description,
            "licence": entry.licence,
            "size_bytes": entry.size_bytes,
            "here": store.locate_files(entry.name) is not None,
        }
        for entry in store.manifest()
    ]
    if as_json:
        print(json.dumps({"models": models, "weights": weights}))
        return
    console = Console()
    table = Table("model", "engine", "also answers to", title="Configured models", title_justify="left")
    for entry in settings.models:
        table.add_row(entry.id, entry.engine, ", ".join(entry.aliases))
    console.print(table)
    table = Table("weights", "size", "licence", "here", "what", title="Named weights", title_justify="left")
    for known in store.manifest():
        here = "yes" if store.locate_files(known.name) else "no"
        table.add_row(known.name, render_size(known.size_bytes), known.licence, here, known.description)
    console.print(table)


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
