"""Turn the key that a client sent into a grant, or refuse; the first step of every request, before any work."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime

from vitrail.domain.errors import IncorrectApiKey, MissingCredentials, PermissionDenied
from vitrail.domain.keys import ApiKey, Grant, mask_key
from vitrail.service.keyring import Keyring

_LONGEST_KEY = 512


class Admission:
    """Judge keys. Limits and balances join here, in one place for every surface."""

    def __init__(self, keyring: Keyring, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._keyring = keyring
        self._now = now

    async def admit(self, *, secret: str | None, endpoint: str, request_id: str, client_ip: str | None) -> Grant:
        """Return the grant of this key at this endpoint.

        Raises MissingCredentials, IncorrectApiKey or PermissionDenied.
        """
        if not secret:
            raise MissingCredentials
        key = await self._keyring.find(secret) if len(secret) <= _LONGEST_KEY else None
        if key is None:
            raise IncorrectApiKey(
                f"Incorrect API key provided: {mask_key(secret)}.",
                hint="An operator of this server can make one with `vitrail keys create`.",
            )
        self._judge(key)
        return Grant(key=key, endpoint=endpoint, request_id=request_id, client_ip=client_ip)

    async def readmit(self, *, key_id: str, endpoint: str, request_id: str, client_ip: str | None) -> Grant:
        """Return the grant of a request that was admitted before, if it still would be; raises PermissionDenied."""
        key = await self._keyring.find_by_id(key_id)
        if key is None:
            raise PermissionDenied("The API key of this request was deleted.")
        self._judge(key)
        return Grant(key=key, endpoint=endpoint, request_id=request_id, client_ip=client_ip)

    def _judge(self, key: ApiKey) -> None:
        """Raise PermissionDenied for a key that may do nothing at all."""
        if key.blocked or key.disabled or key.team_blocked:
            whose = "This API key's team" if key.team_blocked else "This API key"
            raise PermissionDenied(f"{whose} is blocked.", hint="Ask the operator of this server.")
        if key.expires_at is not None and key.expires_at <= self._now():
            raise PermissionDenied("This API key has expired.", hint="Ask the operator of this server for another.")
