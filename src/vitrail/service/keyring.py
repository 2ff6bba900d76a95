"""Create, change, rotate and delete API keys; find the one a client sent.

`find` and `note_used` are called by admission; the rest, which runs on the calling thread, by operators' surfaces.
"""

from __future__ import annotations

import secrets
import string
import uuid
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta

from pydantic import BaseModel, ConfigDict, Field
from sqlalchemy import Connection

from vitrail.domain.errors import InvalidArgument, NotFound
from vitrail.domain.keys import (
    ALLOW_ALL_ENDPOINTS,
    ALLOW_ALL_MODELS,
    KEY_PREFIX,
    ApiKey,
    hash_key,
    is_acl,
    redact_key,
)
from vitrail.domain.limits import NO_LIMITS, Limits
from vitrail.service.teams import DEFAULT_TEAM, find_or_make_team
from vitrail.store import keys as sql
from vitrail.store.database import Database
from vitrail.store.patience import DatabaseAway
from vitrail.store.teams import lock_teams

_OPERATOR = "operator"
_LONGEST_NAME = 200
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
        self._used_at: dict[str, datetime] = {}

    async def find(self, secret: str) -> ApiKey | None:
        """Return the key whose secret this is, at most `cache_seconds` stale."""
        digest = hash_key(secret)
        remembered = self._found.get(digest)
        if remembered and self._monotonic() - remembered[0] < self._options.cache_seconds:
            return remembered[1]
        now = self._now()
        key = await self._database.read(lambda connection: sql.find_key(connection, digest, now=now))
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

    def note_used(self, key: ApiKey) -> None:
        """Remember that a key was used now, until `write_last_used`."""
        self._used_at[key.id] = self._now()

    async def write_last_used(self) -> int:
        """Write when keys were last used; return how many. Where that cannot be done now, the next call does it."""
        used_at, self._used_at = self._used_at, {}
        if used_at:
            try:
                await self._database.write(lambda connection: sql.write_last_used(connection, used_at))
            except DatabaseAway:
                self._used_at = used_at | self._used_at
                raise
        return len(used_at)

    @property
    def cache_seconds(self) -> float:
        """Return after how many seconds every process knows of a change."""
        return self._options.cache_seconds

    def create(
        self,
        *,
        name: str,
        team: str = DEFAULT_TEAM,
        acls: tuple[str, ...] | None = None,
        limits: Limits = NO_LIMITS,
        expires_at: datetime | None = None,
        by: str = _OPERATOR,
    ) -> NewKey:
        """Make a key for a team (by id or name; made too if it is new); without ACLs named it may use everything.

        With an empty tuple of ACLs it can do nothing until it gets some. Raises InvalidArgument for a malformed one.
        """
        new = self._draw(name=name, acls=acls, limits=limits, expires_at=expires_at, by=by)
        return self._database.run(lambda connection: _insert(connection, new, team))

    def create_first(self, *, name: str) -> NewKey | None:
        """Make a key that may use everything if there is none at all; of several processes one makes it."""
        new = self._draw(name=name, acls=None, limits=NO_LIMITS, expires_at=None, by=_OPERATOR)

        def insert(connection: Connection) -> NewKey | None:
            lock_teams(connection)
            return None if sql.count_keys(connection) else _insert(connection, new, DEFAULT_TEAM)

        return self._database.run(insert)

    def _draw(
        self, *, name: str, acls: tuple[str, ...] | None, limits: Limits, expires_at: datetime | None, by: str
    ) -> NewKey:
        """Return a key that is nobody's yet."""
        secret = make_secret()
        now = self._now()
        key = ApiKey(
            id=str(uuid.uuid4()),
            name=_checked_name(name),
            team_id="",
            user_id="",
            redacted=redact_key(secret),
            acls=(ALLOW_ALL_MODELS, ALLOW_ALL_ENDPOINTS) if acls is None else _checked_acls(acls),
            created_at=now,
            modified_at=now,
            modified_by=by,
            limits=limits,
            expires_at=expires_at,
        )
        return NewKey(secret=secret, key=key)

    def list(
        self, *, team_id: str | None = None, limit: int | None = None, after: tuple[int, str] | None = None
    ) -> tuple[ApiKey, ...]:
        """Return the keys of a team, or of all, oldest first; `after` is (milliseconds, id) of the last one seen."""
        return self._database.run_read(lambda c: sql.list_keys(c, team_id=team_id, limit=limit, after=after))

    def find_one(self, reference: str) -> ApiKey:
        """Return the key with this id, name or redacted form; raises NotFound."""
        return self._one(reference)

    def update(self, key: ApiKey, *, by: str = _OPERATOR) -> ApiKey:
        """Write name, ACLs, states, expiry and limits of a key as they are in `key`; raises NotFound."""
        _checked_name(key.name)
        _checked_acls(key.acls)
        changed = replace(key, modified_at=self._now(), modified_by=by)
        if not self._database.run(lambda connection: sql.update_key(connection, changed)):
            raise _no_key(key.id)
        self._forget(key.id)
        return changed

    def block(self, reference: str, *, blocked: bool = True) -> ApiKey:
        """Block (or unblock) the key with this id, name or redacted form; raises NotFound."""
        return self.update(replace(self._one(reference), blocked=blocked))

    def rotate(self, reference: str, *, grace_seconds: float, by: str = _OPERATOR) -> NewKey:
        """Give a key another secret; the one it has works for the grace longer. Raises NotFound."""
        secret = make_secret()
        now = self._now()
        changed = replace(self._one(reference), redacted=redact_key(secret), modified_at=now, modified_by=by)
        until = now + timedelta(seconds=grace_seconds)
        self._database.run(lambda c: sql.rotate_key(c, changed, key_hash=hash_key(secret), previous_until=until))
        self._forget(changed.id)
        return NewKey(secret=secret, key=changed)

    def delete(self, reference: str) -> ApiKey:
        """Delete the key with this id, name or redacted form; raises NotFound."""
        key = self._one(reference)
        self._database.run(lambda c: sql.delete_key(c, key.id))
        self._forget(key.id)
        return key

    def _forget(self, key_id: str) -> None:
        """Look a key that was changed here up anew when it is sent next."""
        for digest in [digest for digest, (_, key) in tuple(self._found.items()) if key.id == key_id]:
            self._found.pop(digest, None)

    def _one(self, reference: str) -> ApiKey:
        found = [key for key in self.list() if reference in (key.id, key.redacted, key.name)]
        if len(found) == 1:
            return found[0]
        if not found:
            raise _no_key(reference)
        raise NotFound(f"There are {len(found)} API keys with the name {reference!r}.", hint="Use the id of one.")


def make_secret(prefix: str = KEY_PREFIX) -> str:
    """Return a key that nobody has."""
    return prefix + "".join(secrets.choice(_KEY_ALPHABET) for _ in range(_KEY_LENGTH))


def _insert(connection: Connection, new: NewKey, team: str) -> NewKey:
    """Add a key to a team, which is made if it is new; return the key as it is then."""
    team_id = find_or_make_team(connection, team, now=new.key.created_at)
    owned = replace(new.key, team_id=team_id, user_id=team_id)
    sql.insert_key(connection, owned, key_hash=hash_key(new.secret))
    return replace(new, key=owned)


def _checked_name(name: str) -> str:
    if not name.strip() or len(name) > _LONGEST_NAME:
        raise InvalidArgument(f"A key's name has from 1 to {_LONGEST_NAME} characters.")
    return name


def _checked_acls(acls: tuple[str, ...]) -> tuple[str, ...]:
    for text in acls:
        if not is_acl(text):
            raise InvalidArgument(
                f"{text[:100]!r} is no ACL.", hint="Write `api-key:model:NAME` or `api-key:endpoint:NAME`; `*` is any."
            )
    return acls


def _no_key(reference: str) -> NotFound:
    return NotFound(f"There is no API key with the id or name {reference[:64]!r}.", hint="See `vitrail keys list`.")
