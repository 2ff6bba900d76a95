"""What an operator can set about the embedded engine. Defaults are named here and nowhere else."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field


class FactsOptions(BaseModel):
    """Limits of perception and of the answers."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    workers: int = Field(default=1, ge=1, description="Processes that look at pictures.")
    threads: int = Field(default=1, ge=1, description="Threads of each model in such a process.")
    picture_seconds: float = Field(default=30.0, gt=0, description="Time to look at one picture, waiting included.")
    start_seconds: float = Field(default=60.0, gt=0, description="Time for the processes to load their models.")
    memory_bytes: int = Field(default=3 * 1024**3, ge=0, description="Memory of each process; 0 for no limit.")
    cached_sheets: int = Field(
        default=256, ge=1, description="Fact sheets kept for pictures that are asked about again."
    )
    picture_long_edge_px: int = Field(default=2000, ge=448, description="Pictures are scaled down to this long edge.")
    answer_tokens: int = Field(default=700, ge=1, description="Longest answer about pictures without `max_tokens`.")
    facts_characters: int = Field(default=8_000, ge=500, description="Most text of the facts of one picture.")
    context_tokens: int = Field(
        default=8192, ge=1024, description="Context window of the language engine; more facts than fit are refused."
    )
