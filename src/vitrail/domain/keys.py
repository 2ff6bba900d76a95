"""API keys and what one admits to: how a key is named, masked and hashed, and the grant it turns into."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from types import MappingProxyType

from vitrail.domain.limits import NO_LIMITS, UNCOUNTED, Allowance, Limits

KEY_PREFIX = "xai-"
MANAGEMENT_KEY_PREFIX = "xai-token-"
ANY = "*"
_ACL_PREFIX = "api-key"


class AclKind(StrEnum):
    """What an ACL of a key is about."""

    MODEL = "model"
    ENDPOINT = "endpoint"


def acl(kind: AclKind, name: str) -> str:
    """Return an ACL as it is written: `api-key:model:grok-2-vision`."""
    return f"{_ACL_PREFIX}:{kind}:{name}"


ALLOW_ALL_MODELS = acl(AclKind.MODEL, ANY)
ALLOW_ALL_ENDPOINTS = acl(AclKind.ENDPOINT, ANY)


def is_acl(text: str) -> bool:
    """Tell whether text is written as an ACL, whether or not there is such a model or endpoint."""
    prefix, _, rest = text.partition(":")
    kind, _, name = rest.partition(":")
    return prefix == _ACL_PREFIX and kind in tuple(AclKind) and bool(name)


@dataclass(frozen=True, slots=True)
class Team:
    """Who owns keys and pays. `soft_limit_ticks` is the team's own limit of a month's debt."""

    id: str
    name: str
    blocked: bool
    created_at: datetime
    postpaid_limit_ticks: int = 0
    soft_limit_ticks: int | None = None


@dataclass(frozen=True, slots=True)
class ManagementKey:
    """A key of the management API: of one team, or (without `team_id`) of an operator, for all teams."""

    id: str
    team_id: str | None
    name: str
    redacted: str
    created_at: datetime
    blocked: bool = False
    expires_at: datetime | None = None
    last_used_at: datetime | None = None


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
    last_used_at: datetime | None = None
    limits: Limits = NO_LIMITS
    team_blocked: bool = False
    team_limits: Mapping[str, Limits] = field(default_factory=lambda: MappingProxyType({}))  # by model, ANY for others

    def may_use(self, kind: AclKind, names: Iterable[str]) -> bool:
        """Tell whether an ACL names one of these, or anything of the kind."""
        return any(acl(kind, name) in self.acls for name in (ANY, *names))


@dataclass(frozen=True, slots=True)
class Grant:
    """An admitted request: whose key, which team, at which endpoint, under which request id."""

    key: ApiKey
    endpoint: str
    request_id: str
    client_ip: str | None = field(default=None, repr=False)
    allowance: Allowance = UNCOUNTED  # what the key's own limits leave

    @property
    def team_id(self) -> str:
        """Return the team that owns the key."""
        return self.key.team_id


def hash_key(secret: str) -> str:
    """Return the digest under which a key is stored; keys carry over 256 bits of entropy, so one SHA-256 is enough."""
    return hashlib.sha256(secret.encode("utf-8", "surrogatepass")).hexdigest()


def redact_key(secret: str, *, prefix: str = KEY_PREFIX) -> str:
    """Return the form of a key that may be shown: `xai-...b14o`."""
    return f"{prefix}...{secret[-4:]}"


def mask_key(secret: str) -> str:
    """Return a wrong key as error texts show it: first two characters, `***`, last two."""
    return f"{secret[:2]}***{secret[-2:]}" if len(secret) >= 4 else "***"
