"""How llama.cpp loads and runs a model: the options of the llama engine, and what the child is told of them."""

from __future__ import annotations

import secrets
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from vitrail.control_groups import count_cores
from vitrail.engines.llama.spec import ChildSpec
from vitrail.engines.llama.supervisor import RestartPauses
from vitrail.engines.openai_client import Patience


class LlamaOptions(BaseModel):
    """How the llama engine loads and runs its model."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    context_tokens: int = Field(8192, ge=256, description="Context window of each generation, in tokens.")
    parallel: int = Field(1, ge=1, le=256, description="Generations at once; each has its own context window.")
    threads: int | None = Field(None, ge=1, description="Compute threads; by default the cores less one.")
    gpu_layers: int | None = Field(None, ge=0, description="Layers on the GPU; by default as llama.cpp decides.")
    image_max_tokens: int | None = Field(None, ge=1, description="Most tokens per image, for models that let it vary.")
    prompt_cache: bool = Field(True, description="Reuse the computed beginning of an earlier prompt.")
    prompt_cache_mib: int = Field(256, ge=0, description="Memory for prompts of earlier conversations, in MiB.")
    template_tools: bool = Field(
        False, description="Leave function calls to the model's chat template, if it has them, instead of a grammar."
    )
    warmup: bool = Field(True, description="Run the model once while loading, so that the first answer is not slower.")
    start_seconds: float = Field(180.0, gt=0, description="Longest time to load the model.")
    connect_seconds: float = Field(5.0, gt=0, description="Longest time to connect to the engine process.")
    first_piece_seconds: float = Field(
        300.0,
        gt=0,
        description="Longest silence before an answer begins; then it fails, and the process is killed if no other "
        "answer got on either.",
    )
    idle_seconds: float = Field(60.0, gt=0, description="Longest silence within an answer; then it fails.")
    view_seconds: float = Field(
        30.0, ge=0, description="What each 448 px tile that is still to be encoded adds to both of these limits."
    )
    call_seconds: float = Field(30.0, gt=0, description="Longest time to count or cut a text into tokens.")
    probe_seconds: float = Field(
        10.0, gt=0, description="How often the engine process is asked for its health; killed when silent three times."
    )
    restart_first_seconds: float = Field(0.5, gt=0, description="Pause before a dead engine process is started again.")
    restart_longest_seconds: float = Field(30.0, gt=0, description="Longest pause before a restart; each one doubles.")
    restart_stable_seconds: float = Field(60.0, gt=0, description="Time alive after which the pauses begin anew.")

    @property
    def patience(self) -> Patience:
        """Return the time limits as the client takes them."""
        return Patience(
            connect_seconds=self.connect_seconds,
            first_piece_seconds=self.first_piece_seconds,
            idle_seconds=self.idle_seconds,
            call_seconds=self.call_seconds,
        )

    @property
    def pauses(self) -> RestartPauses:
        """Return the pauses between restarts as the supervisor takes them."""
        return RestartPauses(
            first_seconds=self.restart_first_seconds,
            longest_seconds=self.restart_longest_seconds,
            stable_seconds=self.restart_stable_seconds,
        )

    def plan_child(self, gguf: Path, mmproj: Path | None, *, memory_file: str | None = None) -> ChildSpec:
        """Return what one child is told, with a new random key; by `memory_file` it may be handed pictures."""
        return ChildSpec(
            gguf=str(gguf),
            mmproj=None if mmproj is None else str(mmproj),
            context_tokens=self.context_tokens,
            parallel=self.parallel,
            threads=self.threads or max(1, count_cores() - 1),
            gpu_layers=self.gpu_layers,
            image_max_tokens=self.image_max_tokens,
            prompt_cache_mib=self.prompt_cache_mib,
            warmup=self.warmup,
            memory_file=memory_file,
            key=secrets.token_urlsafe(32),
        )
