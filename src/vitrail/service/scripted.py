"""Let tests look at what scripted models were asked, and change what they play. Knows nothing of YAML or HTTP."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Protocol

from vitrail.domain.errors import NotFound
from vitrail.domain.request_log import LoggedRequest


class Scripted(Protocol):
    """An engine that plays a script; `engines.scripted` is one."""

    def play(self, text: str) -> int:
        """Play this script from its beginning; raises InvalidArgument."""
        ...

    async def rewind(self) -> None:
        """Play the configured script from its beginning; raises Unavailable."""
        ...


class Log(Protocol):
    """What was asked; `engines.request_log` is one."""

    @property
    def requests(self) -> tuple[LoggedRequest, ...]:
        """Return what is kept, oldest first."""
        ...

    def clear(self) -> int:
        """Forget every request and return how many there were."""
        ...


class ScriptDesk:
    """The scripted models of a server by their ids, and the log that all of them write."""

    def __init__(self, engines: Mapping[str, Scripted], log: Log, *, resolve: Callable[[str], str]) -> None:
        self._engines = dict(engines)
        self._log = log
        self._resolve = resolve  # a name or alias to a model's id

    def requests(self) -> tuple[LoggedRequest, ...]:
        """Return what was asked, oldest first."""
        return self._log.requests

    def forget(self) -> int:
        """Empty the log and return how many requests it had."""
        return self._log.clear()

    def play(self, text: str, *, model: str | None) -> tuple[str, ...]:
        """Play a script on one model, or on all; return their ids. Raises InvalidArgument or NotFound."""
        chosen = self._choose(model)
        for engine in chosen.values():
            engine.play(text)
        return tuple(chosen)

    async def rewind(self) -> tuple[str, ...]:
        """Play the configured scripts from their beginnings; return the models' ids."""
        for engine in self._engines.values():
            await engine.rewind()
        return tuple(self._engines)

    def _choose(self, model: str | None) -> dict[str, Scripted]:
        if model is None:
            return self._engines
        id = self._resolve(model)
        if id not in self._engines:
            raise NotFound(f"The model {id} plays no script.", hint=f"These do: {', '.join(self._engines)}.")
        return {id: self._engines[id]}
