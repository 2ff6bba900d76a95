"""Gather every options class of Vitrail into one table: flags > VITRAIL_* environment > vitrail.toml > defaults.

The only place where the environment is read. `list_settings` is the table itself: flags, environment names and
`docs/configuration.md` come from it.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, SecretStr, ValidationError, model_validator
from pydantic.fields import FieldInfo

from vitrail.domain.models import Modality, Model
from vitrail.engines.facts.options import FactsOptions
from vitrail.engines.llama.options import LlamaOptions
from vitrail.engines.memory_budget import MemoryOptions
from vitrail.engines.server_kind import ServerKind
from vitrail.engines.slots import SlotsOptions
from vitrail.engines.upstream_options import UpstreamOptions
from vitrail.engines.weights import WeightsOptions
from vitrail.grpc_api.options import GrpcOptions
from vitrail.http_api.options import HttpOptions
from vitrail.http_api.serving import ServerOptions
from vitrail.ingest.fetch import FetchOptions
from vitrail.ingest.prepare import IngestOptions
from vitrail.ingest.workers import DecodeOptions
from vitrail.service.billing import BillingOptions
from vitrail.service.catalog import ModelOptions, PriceOptions
from vitrail.service.deferred import DeferredOptions
from vitrail.service.keyring import KeyringOptions
from vitrail.service.ledger import LedgerOptions
from vitrail.service.rate_limits import RateLimitOptions
from vitrail.service.responses import ResponsesOptions
from vitrail.service.usage import UsageOptions
from vitrail.store.database import DatabaseOptions
from vitrail.telemetry import LogOptions

DEFAULT_FILE = Path("vitrail.toml")


class SettingsError(Exception):
    """A setting is missing or wrong; the text names it, what was seen and what is allowed."""


class RecordingOptions(BaseModel):
    """The server whose answers a script is recorded from; the key is sent there and written nowhere."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    base_url: str = Field(description="URL of the OpenAI-compatible server, `/v1` included.")
    api_key: SecretStr | None = Field(None, description="The key to send.")
    model: str = Field(description="The model's name there.")


class ModelEntry(ModelOptions):
    """One `[[models]]` entry: what clients see, and which engine answers with which weights."""

    engine: Literal["facts", "llama", "upstream", "scripted"] = Field(description="What generates the answers.")
    weights: str | None = Field(None, description="llama: a name of `vitrail models list`.")
    gguf: Path | None = Field(None, description="llama: the model's own GGUF file, instead of `weights`.")
    mmproj: Path | None = Field(None, description="llama: its vision projector; without one it takes no images.")
    language: tuple[str, ...] = Field(
        ("qwen2.5-coder-1.5b-q4", "qwen2.5-coder-0.5b-q4", "smollm2-135m-q4"),
        description="facts: weights of the language model, the first that can be had.",
    )
    base_url: str | None = Field(None, description="upstream: URL of the OpenAI-compatible server, `/v1` included.")
    api_key: SecretStr | None = Field(None, description="upstream: the key to send.")
    server: ServerKind = Field(
        ServerKind.OPENAI,
        description="upstream: what serves there: openai (any), vllm, sglang, llama-server, lmdeploy, ollama.",
    )
    upstream_model: str | None = Field(None, description="upstream: the model's name there; `id` when not set.")
    script: Path | None = Field(None, description="scripted: the YAML script to play.")
    record_from: RecordingOptions | None = Field(
        None, description="scripted: where unknown requests are answered and recorded: `base_url`, `api_key`, `model`."
    )
    slots: int | None = Field(None, ge=1, description="Generations at once; the engine's own default when not set.")

    @model_validator(mode="after")
    def _engine_has_what_it_needs(self) -> ModelEntry:
        match self.engine:
            case "llama" if not self.weights and not self.gguf:
                raise ValueError(f"model {self.id}: engine llama needs `weights` or `gguf`")
            case "scripted" if self.record_from and not self.script:
                raise ValueError(f"model {self.id}: `record_from` needs a `script` to record to")
            case "upstream" if not self.base_url:
                raise ValueError(f"model {self.id}: engine upstream needs `base_url`")
        return self

    @model_validator(mode="after")
    def _output_can_be_had(self) -> ModelEntry:
        if self.output == (Modality.TEXT,):
            if self.prices.image:
                raise ValueError(f'model {self.id}: `prices.image` is for a model with `output = ["image"]`')
        elif self.output != (Modality.IMAGE,):
            raise ValueError(f'model {self.id}: `output` is ["text"] or ["image"]')
        elif self.engine != "upstream":
            raise ValueError(f'model {self.id}: `output = ["image"]` needs `engine = "upstream"`')
        elif "input" in self.model_fields_set and self.input != (Modality.TEXT,):
            raise ValueError(f"model {self.id}: an image model takes text alone")
        return self

    @property
    def makes_images(self) -> bool:
        """Tell whether this is an image model."""
        return Modality.IMAGE in self.output


FACTS_MODEL = ModelEntry(
    id="facts-1",
    engine="facts",
    aliases=("grok-2-vision", "grok-2-vision-latest", "grok-2-vision-1212"),
    context_tokens=131072,
    prices=PriceOptions(prompt_text=20000, prompt_image=20000, cached_prompt_text=5000, completion_text=100000),
)


class Settings(BaseModel):
    """Everything that can be set, one group for each part."""

    model_config = ConfigDict(extra="forbid", frozen=True)

    data_dir: Path = Field(Path(".vitrail"), description="Folder of the database and the weights.")
    http: HttpOptions = HttpOptions()
    server: ServerOptions = ServerOptions()
    grpc: GrpcOptions = GrpcOptions()
    log: LogOptions = LogOptions()
    database: DatabaseOptions = DatabaseOptions()
    keys: KeyringOptions = KeyringOptions()
    ledger: LedgerOptions = LedgerOptions()
    billing: BillingOptions = BillingOptions()
    rate_limits: RateLimitOptions = RateLimitOptions()
    usage: UsageOptions = UsageOptions()
    deferred: DeferredOptions = DeferredOptions()
    responses: ResponsesOptions = ResponsesOptions()
    fetch: FetchOptions = FetchOptions()
    images: IngestOptions = IngestOptions()
    decode: DecodeOptions = DecodeOptions()
    slots: SlotsOptions = SlotsOptions()
    memory: MemoryOptions = MemoryOptions()
    weights: WeightsOptions = WeightsOptions()
    facts: FactsOptions = FactsOptions()
    llama: LlamaOptions = LlamaOptions()
    upstream: UpstreamOptions = UpstreamOptions()
    models: tuple[ModelEntry, ...] = Field((FACTS_MODEL,), min_length=1, description="The models; see docs/models.md.")

    @property
    def served_models(self) -> tuple[Model, ...]:
        """Return the models of these entries as clients see them."""
        return tuple(entry.model(engine=entry.engine) for entry in self.models)

    @model_validator(mode="after")
    def _names_are_unique(self) -> Settings:
        seen: dict[str, str] = {}
        for entry in self.models:
            for name in (entry.id, *entry.aliases):
                if seen.setdefault(name, entry.id) != entry.id:
                    raise ValueError(f"two models answer to {name!r}: {seen[name]} and {entry.id}")
        return self


@dataclass(frozen=True, slots=True)
class Setting:
    """One row of the settings table; `path` leads to it from Settings, such as ("fetch", "timeout_seconds")."""

    path: tuple[str, ...]
    is_list: bool
    default: str
    description: str

    @property
    def group(self) -> str:
        """Return the table of the file it stands in; empty for a setting of its own."""
        return ".".join(self.path[:-1])

    @property
    def flag(self) -> str:
        """Return the command line flag."""
        return "--" + "-".join(self.path).replace("_", "-")

    @property
    def variable(self) -> str:
        """Return the environment variable."""
        return "_".join(("VITRAIL", *self.path)).upper()

    def put(self, text: str, into: dict[str, Any]) -> None:
        """Put a value given as text (lists with commas) at its place in nested settings."""
        for name in self.path[:-1]:
            into = into.setdefault(name, {})
        into[self.path[-1]] = [item for item in text.split(",") if item] if self.is_list else text


def list_settings() -> tuple[Setting, ...]:
    """Return the table of all settings but the models, in the order of the file."""
    return tuple(_rows(Settings, ()))


def load_settings(
    *,
    file: Path | None = None,
    overrides: Mapping[str, Any] | None = None,
    flags: Sequence[str] = (),
    environment: Mapping[str, str] = os.environ,
) -> Settings:
    """Load the settings. `file` defaults to vitrail.toml if there is one; raises SettingsError.

    `overrides` is nested as the settings are; `flags` are further `--group-name VALUE` words of a command line.
    Environment variables that no setting has are left alone: container platforms inject VITRAIL_* names of their own.
    """
    source = file or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)
    layers = (read_file(source), read_environment(environment), parse_flags(flags), overrides or {})
    merged: dict[str, Any] = {}
    for layer in layers:
        merged = _merge(merged, layer)
    try:
        return Settings.model_validate(merged)
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}" for e in error.errors()]
        raise SettingsError("These settings cannot be used:\n" + "\n".join(lines)) from error


def read_file(source: Path | None) -> dict[str, Any]:
    """Return the settings of a TOML file as they stand there; raises SettingsError."""
    if source is None:
        return {}
    try:
        return tomllib.loads(source.read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise SettingsError(f"The settings file {source} cannot be read: {error}") from error


def read_environment(environment: Mapping[str, str]) -> dict[str, Any]:
    """Return the settings that the environment gives."""
    out: dict[str, Any] = {}
    for row in list_settings():
        if row.variable in environment:
            row.put(environment[row.variable], out)
    return out


def parse_flags(words: Sequence[str]) -> dict[str, Any]:
    """Turn `--fetch-timeout-seconds 3` and `--group-name=VALUE` words into nested settings; raises SettingsError."""
    known = {row.flag: row for row in list_settings()}
    out: dict[str, Any] = {}
    left = list(words)
    while left:
        flag, has_value, value = left.pop(0).partition("=")
        row = known.get(flag)
        if row is None:
            near = difflib.get_close_matches(flag, known, n=1)
            hint = f" Did you mean {near[0]}?" if near else " See docs/configuration.md."
            raise SettingsError(f"There is no option {flag}.{hint}")
        if not has_value:
            if not left:
                raise SettingsError(f"The option {flag} needs a value.")
            value = left.pop(0)
        row.put(value, out)
    return out


def _merge(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(low)
    for name, value in high.items():
        out[name] = _merge(out[name], value) if isinstance(value, Mapping) and name in out else value
    return out


def _rows(options: type[BaseModel], path: tuple[str, ...]) -> Iterator[Setting]:
    for name, field in options.model_fields.items():
        inner = field.annotation
        if isinstance(inner, type) and issubclass(inner, BaseModel):
            yield from _rows(inner, (*path, name))
        elif (*path, name) != ("models",):
            yield Setting((*path, name), "tuple[" in str(inner), _default(field), field.description or "")


def _default(field: FieldInfo) -> str:
    value = field.get_default(call_default_factory=True)
    return "none" if value is None else ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
