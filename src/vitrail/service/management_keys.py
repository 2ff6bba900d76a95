"""Keys of the management API: make them, list them, and admit who sends one. Runs on the calling thread."""

from __future__ import annotations

import uuid
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from sqlalchemy import Connection

from vitrail.domain.errors import MissingCredentials, NotFound, PermissionDenied
from vitrail.domain.keys import KEY_PREFIX, MANAGEMENT_KEY_PREFIX, ManagementKey, hash_key, mask_key, redact_key
from vitrail.service.keyring import make_secret
from vitrail.store import management_keys as sql
from vitrail.store.database import Database
from vitrail.store.teams import find_team

_LONGEST_KEY = 512
_LAST_USE_STEP = timedelta(minutes=1)


@dataclass(frozen=True, slots=True)
class NewManagementKey:
    """A key just made: the only moment at which the secret is known."""

    secret: str
    key: ManagementKey


class ManagementKeys:
    """The keys of operators and of teams' own administrators; an API key is never one of them."""

    def __init__(self, database: Database, *, now: Callable[[], datetime] = lambda: datetime.now(UTC)) -> None:
        self._database = database
        self._now = now

    def create(self, *, name: str, team: str | None = None, expires_at: datetime | None = None) -> NewManagementKey:
        """Make a key for an operator, or for one team (by id or name); raises NotFound."""
        secret = make_secret(MANAGEMENT_KEY_PREFIX)
        redacted = redact_key(secret, prefix=MANAGEMENT_KEY_PREFIX)

        def insert(connection: Connection) -> ManagementKey:
            team_id = None
            if team is not None:
                found = find_team(connection, team)
                if found is None:
                    raise NotFound(f"There is no team {team[:64]!r}.", hint="See `vitrail teams list`.")
                team_id = found.id
            key = ManagementKey(str(uuid.uuid4()), team_id, name, redacted, self._now(), expires_at=expires_at)
            sql.insert_key(connection, key, key_hash=hash_key(secret))
            return key

        return NewManagementKey(secret, self._database.run(insert))

    def list(self) -> tuple[ManagementKey, ...]:
        """Return every key, oldest first."""
        return self._database.run_read(sql.list_keys)

    def delete(self, reference: str) -> ManagementKey:
        """Delete the key with this id, name or redacted form; raises NotFound."""
        found = [key for key in self.list() if reference in (key.id, key.name, key.redacted)]
        if len(found) != 1:
            what = "no management key" if not found else f"{len(found)} management keys"
            raise NotFound(f"There is {what} with the id or name {reference[:64]!r}.")
        self._database.run(lambda connection: sql.delete_key(connection, found[0].id))
        return found[0]

    def admit(self, secret: str | None) -> ManagementKey:
        """Return the key that was sent; raises MissingCredentials, or PermissionDenied for a dead one."""
        if not secret:
            raise MissingCredentials(
                "No management key was provided. Send it in the Authorization header as `Bearer <key>`."
            )
        key = None
        if len(secret) <= _LONGEST_KEY:
            digest = hash_key(secret)
            key = self._database.run_read(lambda connection: sql.find_key(connection, digest))
        if key is None:
            is_api_key = secret.startswith(KEY_PREFIX) and not secret.startswith(MANAGEMENT_KEY_PREFIX)
            hint = "An API key does not open the management API. " if is_api_key else ""
            raise MissingCredentials(
                f"Incorrect management key provided: {mask_key(secret)}.",
                hint=f"{hint}An operator of this server can make one with `vitrail keys create --management`.",
            )
        now = self._now()
        if key.blocked or (key.expires_at is not None and key.expires_at <= now):
            raise PermissionDenied("This management key is blocked or has expired.")
        if key.last_used_at is None or now - key.last_used_at > _LAST_USE_STEP:
            key_id = key.id
            self._database.run(lambda connection: sql.set_last_used(connection, key_id, at=now))
        return key
