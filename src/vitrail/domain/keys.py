"""API keys and what one admits to: how a key is named, masked and hashed, and the grant it turns into."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from datetime import datetime

KEY_PREFIX = "xai-"
ALLOW_ALL_MODELS = "api-key:model:*"
ALLOW_ALL_ENDPOINTS = "api-key:endpoint:*"


@dataclass(frozen=True, slots=True)
class ApiKey:
    """A stored key; the key itself is not here, only its digest in the database and its redacted form."""

    id: str
    name: str
    team_id: str
    user_id: str
    redacted: str
    acls: tuple[str, ...]
    created_at: datetime
    modified_at: datetime
    modified_by: str
    blocked: bool = False
    disabled: bool = False
    expires_at: datetime | None = None
    team_blocked: bool = False


@dataclass(frozen=True, slots=True)
class Grant:
    """An admitted request: whose key, which team, at which endpoint, under which request id."""

    key: ApiKey
    endpoint: str
    request_id: str
    client_ip: str | None = field(default=None, repr=False)

    @property
    def team_id(self) -> str:
        """Return the team that owns the key."""
        return self.key.team_id


def hash_key(secret: str) -> str:
    """Return the digest under which a key is stored; keys carry over 256 bits of entropy, so one SHA-256 is enough."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def redact_key(secret: str) -> str:
    """Return the form of a key that may be shown: `xai-...b14o`."""
    return f"{KEY_PREFIX}...{secret[-4:]}"


def mask_key(secret: str) -> str:
    """Return a wrong key as error texts show it: first two characters, `***`, last two."""
    return f"{secret[:2]}***{secret[-2:]}" if len(secret) >= 4 else "***"
