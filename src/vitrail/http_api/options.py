"""What can be set about the REST surface. Read by `settings`, used all over this package."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

_MEBIBYTE = 1024 * 1024


class HttpOptions(BaseModel):
    """Where the REST API listens, what it accepts, and how long it waits for clients."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: str = Field("127.0.0.1", description="Address to listen on; 0.0.0.0 makes the server reachable from outside.")
    port: int = Field(8000, ge=0, le=65535, description="Port to listen on; 0 takes any free one.")
    header_seconds: float = Field(10.0, gt=0, description="How long a client may take to send its request headers.")
    header_bytes: int = Field(65536, gt=0, description="Longest request line and headers together.")
    idle_seconds: float = Field(
        60.0, gt=0, description="How long a connection is kept open after an answer, waiting for the next request."
    )
    body_bytes: int = Field(128 * _MEBIBYTE, gt=0, description="Largest request body.")
    tokenize_body_bytes: int = Field(2 * _MEBIBYTE, gt=0, description="Largest body of a tokenize-text request.")
    body_budget_bytes: int = Field(
        512 * _MEBIBYTE, gt=0, description="Most bytes that all request bodies in flight may take together."
    )
    small_body_bytes: int = Field(
        65536, ge=0, description="Bodies up to this size are not counted in the budget, so they always pass."
    )
    body_grace_seconds: float = Field(
        10.0, gt=0, description="How long a body may take on top of what the minimum rate allows."
    )
    body_bytes_per_second: int = Field(8192, gt=0, description="Slowest rate at which a client may send a body.")
    body_seconds: float = Field(300.0, gt=0, description="Longest time that any body may take.")
    linger_seconds: float = Field(
        2.0, ge=0, description="How long the rest of a refused body is read and dropped, so that the client sees why."
    )
    thread_body_bytes: int = Field(_MEBIBYTE, gt=0, description="Bodies over this size are parsed in a thread.")
    keep_alive_seconds: float = Field(
        15.0, gt=0, description="A stream that is silent for this long gets a comment line, so that proxies keep it."
    )
    send_seconds: float = Field(
        30.0, gt=0, description="How long a client may leave an answer unread before it is cut off."
    )
    choices: int = Field(8, ge=1, le=128, description="Most answers to one request, the largest `n`.")
    schema_bytes: int = Field(256 * 1024, gt=0, description="Longest JSON Schema of a format or a tool.")
    metrics: bool = Field(True, description="Whether `/metrics` is served; it needs no key.")
