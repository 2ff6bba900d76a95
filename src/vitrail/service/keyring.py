"""Create, list, block and delete API keys; find the one a client sent. Called by admission and the command line."""

from __future__ import annotations

import secrets
import string
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from vitrail.domain.errors import NotFound
from vitrail.domain.keys import ALLOW_ALL_ENDPOINTS, ALLOW_ALL_MODELS, KEY_PREFIX, ApiKey, hash_key, redact_key
from vitrail.store import keys as sql
from vitrail.store.database import Database

DEFAULT_TEAM = "default"
_KEY_ALPHABET = string.ascii_letters + string.digits
_KEY_LENGTH = 64
_CACHED_KEYS = 4096


class KeyringOptions(BaseModel):
    """How keys are looked up."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    cache_seconds: float = Field(
        2.0, ge=0, description="How long a found key is remembered; a blocked key works at most this much longer."
    )


@dataclass(frozen=True, slots=True)
class NewKey:
    """A key just made: the only moment at which the secret is known."""

    secret: str
    key: ApiKey


class Keyring:
    """The keys of all teams, looked up by digest, remembered for a short time."""

    def __init__(
        self,
        database: Database,
        options: KeyringOptions,
        *,
        monotonic: Callable[[], float],
        now: Callable[[], datetime] = lambda: datetime.now(UTC),
    ) -> None:
        self._database = database
        self._options = options
        self._monotonic = monotonic
        self._now = now
        self._found: OrderedDict[str, tuple[float, ApiKey]] = OrderedDict()

    async def find(self, secret: str) -> ApiKey | None:
        """Return the key whose secret this is, at most `cache_seconds` stale."""
        digest = hash_key(secret)
        remembered = self._found.get(digest)
        if remembered and self._monotonic() - remembered[0] < self._options.cache_seconds:
            return remembered[1]
        key = await self._database.read(lambda connection: sql.find_key(connection, digest))
        if key is None:
            self._found.pop(digest, None)
            return None
        self._found[digest] = (self._monotonic(), key)
        self._found.move_to_end(digest)
        if len(self._found) > _CACHED_KEYS:
            self._found.popitem(last=False)
        return key

    async def find_by_id(self, key_id: str) -> ApiKey | None:
        """Return the key with this id, as it is now."""
        return await self._database.read(lambda connection: sql.find_key_by_id(connection, key_id))

    def count(self) -> int:
        """Return how many keys there are."""
        return self._database.run(sql.count_keys)

    def create(self, *, name: str, team: str = DEFAULT_TEAM, acls: tuple[str, ...] = ()) -> NewKey:
        """Make a key for a team (made too if it is new); without ACLs it may use every model and endpoint."""
        secret = KEY_PREFIX + "".join(secrets.choice(_KEY_ALPHABET) for _ in range(_KEY_LENGTH))
        now = self._now()

        def insert(connection: Connection) -> ApiKey:
            team_id = sql.find_team(connection, team)
            if team_id is None:
                team_id = str(uuid.uuid4())
                sql.insert_team(connection, team_id=team_id, name=team, now=now)
            key = ApiKey(
                id=str(uuid.uuid4()),
                name=name,
                team_id=team_id,
                user_id=team_id,
                redacted=redact_key(secret),
                acls=acls or (ALLOW_ALL_MODELS, ALLOW_ALL_ENDPOINTS),
                created_at=now,
                modified_at=now,
                modified_by=team_id,
            )
            sql.insert_key(connection, key, key_hash=hash_key(secret))
            return key

        return NewKey(secret=secret, key=self._database.run(insert))

    def list(self) -> tuple[ApiKey, ...]:
        """Return every key, oldest first."""
        return self._database.run(sql.list_keys)

    def block(self, reference: str, *, blocked: bool = True) -> ApiKey:
        """Block (or unblock) the key with this id, name or redacted form; raises NotFound."""
        key = self._one(reference)
        now = self._now()
        self._database.run(lambda c: sql.set_blocked(c, key.id, blocked=blocked, by="operator", now=now))
        return key

    def delete(self, reference: str) -> ApiKey:
        """Delete the key with this id, name or redacted form; raises NotFound."""
        key = self._one(reference)
        self._database.run(lambda c: sql.delete_key(c, key.id))
        return key

    def _one(self, reference: str) -> ApiKey:
        found = [key for key in self.list() if reference in (key.id, key.redacted, key.name)]
        if len(found) == 1:
            return found[0]
        what = "no API key" if not found else f"{len(found)} API keys"
        raise NotFound(f"There is {what} with the id or name {reference!r}.", hint="See `vitrail keys list`.")
