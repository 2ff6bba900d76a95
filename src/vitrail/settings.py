"""Gather every options class of Vitrail into one table: flags > VITRAIL_* environment > vitrail.toml > defaults.

The only place where the environment is read. `list_settings` is the table itself: flags, environment names and
`docs/configuration.md` come from it.
"""

from __future__ import annotations

import difflib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, Field, SecretStr, ValidationError, model_validator
from pydantic_core import PydanticUndefined
from pydantic_settings import BaseSettings, PydanticBaseSettingsSource, SettingsConfigDict, TomlConfigSettingsSource

from vitrail.engines.facts.options import FactsOptions
from vitrail.engines.llama.options import LlamaOptions
from vitrail.engines.slots import SlotsOptions
from vitrail.engines.upstream import UpstreamOptions
from vitrail.engines.weights import WeightsOptions
from vitrail.http_api.options import HttpOptions
from vitrail.ingest.fetch import FetchOptions
from vitrail.ingest.prepare import IngestOptions
from vitrail.ingest.workers import DecodeOptions
from vitrail.service.catalog import ModelOptions, PriceOptions
from vitrail.service.keyring import KeyringOptions
from vitrail.service.ledger import LedgerOptions
from vitrail.store.database import DatabaseOptions
from vitrail.telemetry import LogOptions

DEFAULT_FILE = Path("vitrail.toml")


class SettingsError(Exception):
    """A setting is missing or wrong; the text names it, what was seen and what is allowed."""


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
    upstream_model: str | None = Field(None, description="upstream: the model's name there; `id` when not set.")
    script: Path | None = Field(None, description="scripted: the YAML script to play.")
    slots: int | None = Field(None, ge=1, description="Generations at once; the engine's own default when not set.")

    @model_validator(mode="after")
    def _engine_has_what_it_needs(self) -> ModelEntry:
        match self.engine:
            case "llama" if not self.weights and not self.gguf:
                raise ValueError(f"model {self.id}: engine llama needs `weights` or `gguf`")
            case "upstream" if not self.base_url:
                raise ValueError(f"model {self.id}: engine upstream needs `base_url`")
        return self


FACTS_MODEL = ModelEntry(
    id="facts-1",
    engine="facts",
    aliases=("grok-2-vision", "grok-2-vision-latest", "grok-2-vision-1212"),
    context_tokens=131072,
    prices=PriceOptions(prompt_text=20000, prompt_image=20000, cached_prompt_text=5000, completion_text=100000),
)


class Settings(BaseSettings):
    """Everything that can be set, one group for each part."""

    model_config = SettingsConfigDict(
        env_prefix="VITRAIL_", env_nested_delimiter="_", env_nested_max_split=1, extra="forbid", frozen=True
    )

    data_dir: Path = Field(Path(".vitrail"), description="Folder of the database and the weights.")
    http: HttpOptions = HttpOptions()
    log: LogOptions = LogOptions()
    database: DatabaseOptions = DatabaseOptions()
    keys: KeyringOptions = KeyringOptions()
    ledger: LedgerOptions = LedgerOptions()
    fetch: FetchOptions = FetchOptions()
    images: IngestOptions = IngestOptions()
    decode: DecodeOptions = DecodeOptions()
    slots: SlotsOptions = SlotsOptions()
    weights: WeightsOptions = WeightsOptions()
    facts: FactsOptions = FactsOptions()
    llama: LlamaOptions = LlamaOptions()
    upstream: UpstreamOptions = UpstreamOptions()
    models: tuple[ModelEntry, ...] = Field((FACTS_MODEL,), min_length=1, description="The models; see docs/models.md.")

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
    """One row of the settings table; `group` is empty for a setting of its own."""

    group: str
    name: str
    type: str
    default: str
    description: str

    @property
    def flag(self) -> str:
        """Return the command line flag."""
        return "--" + "-".join(filter(None, (self.group, self.name))).replace("_", "-")

    @property
    def variable(self) -> str:
        """Return the environment variable."""
        return "_".join(filter(None, ("VITRAIL", self.group.upper(), self.name.upper())))


def list_settings() -> tuple[Setting, ...]:
    """Return the table of all settings but the models, in the order of the file."""
    return tuple(_rows())


def load_settings(
    *, file: Path | None = None, overrides: Mapping[str, Any] | None = None, flags: Sequence[str] = ()
) -> Settings:
    """Load the settings. `file` defaults to vitrail.toml if there is one; raises SettingsError.

    `overrides` is nested as the settings are; `flags` are further `--group-name VALUE` words of a command line.
    """
    if file is not None and not file.is_file():
        raise SettingsError(f"There is no settings file {file}.")
    merged = _merge(parse_flags(flags), overrides or {})
    source = file or (DEFAULT_FILE if DEFAULT_FILE.is_file() else None)

    class _FromFile(Settings):
        model_config = SettingsConfigDict(toml_file=source)

        @classmethod
        def settings_customise_sources(
            cls,
            settings_cls: type[BaseSettings],
            init_settings: PydanticBaseSettingsSource,
            env_settings: PydanticBaseSettingsSource,
            dotenv_settings: PydanticBaseSettingsSource,
            file_secret_settings: PydanticBaseSettingsSource,
        ) -> tuple[PydanticBaseSettingsSource, ...]:
            return init_settings, env_settings, TomlConfigSettingsSource(settings_cls)

    try:
        return _FromFile(**merged)
    except ValidationError as error:
        lines = [f"  {'.'.join(map(str, e['loc'])) or 'settings'}: {e['msg']}" for e in error.errors()]
        raise SettingsError("These settings cannot be used:\n" + "\n".join(lines)) from error
    except ValueError as error:
        raise SettingsError(f"The settings file {source} cannot be read: {error}") from error


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
        parsed: Any = [item for item in value.split(",") if item] if row.type.startswith("list") else value
        (out.setdefault(row.group, {}) if row.group else out)[row.name] = parsed
    return out


def _merge(low: Mapping[str, Any], high: Mapping[str, Any]) -> dict[str, Any]:
    out = dict(low)
    for name, value in high.items():
        out[name] = _merge(out[name], value) if isinstance(value, Mapping) and name in out else value
    return out


def _rows() -> Iterator[Setting]:
    for name, field in Settings.model_fields.items():
        if name == "models":
            continue
        if isinstance(field.annotation, type) and issubclass(field.annotation, BaseModel):
            for inner, option in field.annotation.model_fields.items():
                yield Setting(name, inner, _type(option.annotation), _default(option), option.description or "")
        else:
            yield Setting("", name, _type(field.annotation), _default(field), field.description or "")


def _type(annotation: Any) -> str:
    text = annotation.__name__ if isinstance(annotation, type) and "[" not in str(annotation) else str(annotation)
    if text.startswith(("tuple[", "list[", "frozenset[")):
        return "list"
    return text.replace("typing.", "").replace("pathlib.", "").replace("NoneType", "None")


def _default(field: Any) -> str:
    value = field.get_default(call_default_factory=True)
    if value is PydanticUndefined:
        return ""
    return "none" if value is None else ",".join(map(str, value)) if isinstance(value, tuple) else str(value)
