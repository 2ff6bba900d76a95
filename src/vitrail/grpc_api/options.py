"""What can be set about the gRPC surface. Read by `settings`; needs none of the extra's packages."""

from __future__ import annotations

import ipaddress
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field, model_validator

_MEBIBYTE = 1024 * 1024


class GrpcOptions(BaseModel):
    """Where the gRPC API for the xAI SDK listens and what it accepts; needs the extra `vitrail[grpc]`."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    port: int | None = Field(
        None, ge=0, le=65535, description="Port to listen on; off if not set, 0 takes any free one."
    )
    host: str = Field("127.0.0.1", description="Address to listen on; needs TLS if it can be reached from outside.")
    tls_certificate: Path | None = Field(None, description="PEM file with the certificate and its chain; turns TLS on.")
    tls_key: Path | None = Field(None, description="PEM file with the certificate's private key.")
    plaintext: bool = Field(
        False, description="Serve without TLS on an address that can be reached from outside; keys go in clear there."
    )
    message_bytes: int = Field(
        20 * _MEBIBYTE, gt=0, description="Largest message, in and out; the SDK's own limit too."
    )
    message_budget_bytes: int = Field(
        512 * _MEBIBYTE,
        gt=0,
        description="Most bytes of all messages over 64 KiB until their answers begin.",
    )
    message_seconds: float = Field(300.0, gt=0, description="How long a client may take to send its request message.")
    send_seconds: float = Field(
        30.0, gt=0, description="How long a client may leave a message of an answer unread before it is cut off."
    )
    calls: int = Field(2000, ge=1, description="Calls at once; above it, calls are refused as UNAVAILABLE.")
    reflection: bool = Field(True, description="Whether the services can be listed by reflection; it needs no key.")

    @model_validator(mode="after")
    def _keys_are_not_sent_in_clear(self) -> GrpcOptions:
        if (self.tls_certificate is None) != (self.tls_key is None):
            raise ValueError("tls_certificate and tls_key belong together: set both or none")
        if self.port is not None and not self.has_tls and not self.plaintext and not _is_loopback(self.host):
            raise ValueError(
                f"without TLS, keys would be sent to {self.host} in clear: set tls_certificate and tls_key, "
                "or plaintext = true behind a proxy that ends TLS"
            )
        return self

    @property
    def has_tls(self) -> bool:
        """Tell whether connections are encrypted."""
        return self.tls_certificate is not None


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"
