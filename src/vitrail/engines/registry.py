"""Names of engines to what makes them. Called by `app.py`. An engine's libraries are loaded when it is asked for."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import cast

from vitrail.engines.base import Engine

FACTORIES = {
    "facts": ("vitrail.engines.facts.engine", "FactsEngine"),
    "llama": ("vitrail.engines.llama.engine", "LlamaEngine"),
    "upstream": ("vitrail.engines.upstream", "UpstreamEngine"),
    "scripted": ("vitrail.engines.scripted", "ScriptedEngine"),
}


def engine_names() -> tuple[str, ...]:
    """Return the engines that there are."""
    return tuple(FACTORIES)


def make_engine(name: str, /, *parts: object, **options: object) -> Engine:
    """Return a new engine, not yet started; `parts` and `options` are what its class takes.

    facts (the language engine, options), llama (options, gguf, mmproj), upstream (options, base_url=, key=, model=,
    kind=), scripted (path of the script or None, model=). Raises ValueError for a name that does not exist.
    """
    return factory(name)(*parts, **options)


def factory(name: str) -> Callable[..., Engine]:
    """Return the class of an engine, imported now."""
    if name not in FACTORIES:
        raise ValueError(f"there is no engine {name!r}; there are {', '.join(FACTORIES)}")
    module, class_name = FACTORIES[name]
    return cast("Callable[..., Engine]", getattr(import_module(module), class_name))
