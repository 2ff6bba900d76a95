"""How the upstream engine asks another server. Read by `settings`, so nothing heavy is imported here."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from vitrail.engines.picture_format import PictureFormat


class UpstreamOptions(BaseModel):
    """How another server is asked."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    connect_seconds: float = Field(5.0, gt=0, description="Longest time to connect to the other server.")
    first_piece_seconds: float = Field(120.0, gt=0, description="Longest silence before an answer begins.")
    idle_seconds: float = Field(60.0, gt=0, description="Longest silence within an answer.")
    call_seconds: float = Field(10.0, gt=0, description="Longest time for a health check or a token count.")
    retries: int = Field(2, ge=0, description="Retries of a request of which nothing has been answered yet.")
    retry_pause_seconds: float = Field(0.5, ge=0, description="Pause before the first retry; each one doubles.")
    breaker_failures: int = Field(
        5, ge=1, description="Requests in a row without any answer after which the other server is left alone."
    )
    breaker_seconds: float = Field(10.0, gt=0, description="How long it is left alone; then one request tries it.")
    routing_header: str = Field(
        "X-Session-ID",
        pattern=r"^([A-Za-z0-9-]+)?$",
        description="Header with a key made of the first image, for routers that hash; empty to leave it out.",
    )
    picture_format: PictureFormat = Field(PictureFormat.PNG, description="How pictures are sent: png or jpeg (or bmp).")
    images: bool = Field(True, description="Whether the model over there takes images.")
    tools: bool = Field(True, description="Whether the model over there can call functions.")
    logprobs: bool = Field(True, description="Whether the other server gives log probabilities.")
    generations: int = Field(64, ge=1, description="Requests sent at once, unless the slots options say otherwise.")
    image_seconds: float = Field(180.0, gt=0, description="Longest time for the images of one request to be generated.")
    image_answer_bytes: int = Field(64 << 20, gt=0, description="Largest answer with generated images, in base64.")
    image_generations: int = Field(
        4, ge=1, description="Requests for images sent at once, unless the slots options say otherwise."
    )
