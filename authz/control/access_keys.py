"""Access keys: credentials of users, those narrowed by a policy of their own (service accounts) included.

The secret is made here (or chosen by the caller, for keys that come from elsewhere), shown by the one answer to
`create`, and stored sealed with the access key id as associated data; nothing here can show it again. Ids are
unique in the whole service and differ from the root credential's.

A key with a policy may do what its owner may do at the moment and that policy allows; the document is kept byte
for byte and checked by the parser that is injected. A key that has expired stays until it is deleted.

Where a call names the owner too, a key of somebody else's is not found: who may touch whose keys is decided by
the name that the caller gave.
"""

import secrets
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum
from typing import Final

from authz.clock import Clock
from authz.control.limits import (
    ACCESS_KEYS_PER_USER,
    check_description,
    check_key_expiry,
    check_key_name,
)
from authz.control.lookup import get_user
from authz.control.paging import Page, read_page
from authz.control.ports import Slice, Store, Unit, Written
from authz.errors import ConflictError, InUseError, InvalidError, NotFoundError, quote
from authz.identity.credential import (
    ACCESS_KEY_ID_BYTES,
    SECRET_BYTES,
    Secret,
    check_access_key_id,
    check_known_name,
    check_secret,
    make_access_key_id,
    make_secret,
)
from authz.identity.records import AccessKey, Status, User, key_of_name
from authz.identity.sealing import NONCE_SIZE, KeyRing
from authz.identity.session import SESSION_KEY_PREFIX
from authz.policy.request import NO_FACTS, Values


class Keep(Enum):
    """The type of `KEEP`."""

    KEEP = "keep"


KEEP: Final = Keep.KEEP
"""In place of a new expiry: leave it, for `None` is one, too."""


@dataclass(frozen=True, slots=True)
class CreatedAccessKey:
    """A new access key with its secret, which is shown now and never again."""

    key: AccessKey
    secret: Secret


@dataclass(frozen=True, slots=True, kw_only=True)
class Said:
    """What a login says beside what its user has: managed policies it grants (ids), and identity facts."""

    granted: tuple[str, ...] = ()
    facts: Mapping[str, Values] = field(default_factory=lambda: NO_FACTS)


NOTHING_SAID: Final = Said()


class AccessKeys:
    """The use cases about access keys."""

    def __init__(
        self,
        store: Store,
        clock: Clock,
        ring: KeyRing,
        check_policy: Callable[[str], object],
        *,
        root_access_key_id: str,
        random_bytes: Callable[[int], bytes] = secrets.token_bytes,
    ) -> None:
        """Take `check_policy`, which raises `ParseError` with the place of a mistake."""
        self._store = store
        self._clock = clock
        self._ring = ring
        self._check_policy = check_policy
        self._root_access_key_id = root_access_key_id
        self._random_bytes = random_bytes

    async def create(
        self,
        user_name: str,
        *,
        access_key_id: str | None = None,
        secret: Secret | None = None,
        description: str = "",
        status: Status = Status.ENABLED,
        name: str = "",
        policy: str = "",
        expires_at: float | None = None,
        said: Said = NOTHING_SAID,
    ) -> Written[CreatedAccessKey]:
        """Create an access key for a user; id and secret are generated unless chosen.

        `policy` is a document that narrows it, `expires_at` when it ends (epoch seconds; `None`: never). Of who
        logged in and makes it for itself it keeps what the login `said`.

        Raises `InvalidError` for what is not acceptable, `ParseError` for the document, `NotFoundError` for the
        user, and `ConflictError` when the id is taken or the user has `ACCESS_KEYS_PER_USER` already.
        """
        now = self._clock.now()
        self._check(description, name, policy, expires_at, now)
        key_id, revealed = self._credential(access_key_id, secret)
        nonce = self._random_bytes(NONCE_SIZE)
        sealed = self._ring.seal(revealed.reveal().encode(), key_id.encode(), nonce)

        async def change(unit: Unit) -> CreatedAccessKey:
            user = await get_user(unit, user_name)
            await self._require_free(unit, key_id)
            await _require_room(unit, user)
            key = AccessKey(
                id=key_id,
                user_id=user.id,
                user_name=user.name,
                status=status,
                created_at=now,
                description=description,
                name=name,
                policy=policy,
                expires_at=expires_at,
                granted=said.granted,
                facts=said.facts,
            )
            await unit.access_keys.add(key, sealed)
            return CreatedAccessKey(key, revealed)

        return await self._store.write(change)

    async def get(self, access_key_id: str, *, user_name: str | None = None) -> AccessKey:
        """Return an access key without its secret. Raises `NotFoundError`."""
        return await self._store.read(lambda unit: _get(unit, access_key_id, user_name))

    async def list(
        self, user_name: str, *, page_size: int = 0, page_token: str = ""
    ) -> Page[AccessKey]:
        """Return a page of a user's access keys, ordered by id. Raises `NotFoundError` for the user."""

        async def question(unit: Unit) -> Page[AccessKey]:
            user = await get_user(unit, user_name)
            return await read_page(
                lambda part: unit.access_keys.list_of_user(user.id, part),
                lambda key: key.id,
                page_size,
                page_token,
            )

        return await self._store.read(question)

    async def update(
        self,
        access_key_id: str,
        *,
        user_name: str | None = None,
        status: Status | None = None,
        description: str | None = None,
        name: str | None = None,
        policy: str | None = None,
        expires_at: float | Keep | None = KEEP,
    ) -> Written[AccessKey]:
        """Change what is given and nothing else; `policy` empty takes it away, `expires_at` `None` is never.

        Raises as `create` does.
        """
        ends = None if expires_at is KEEP else expires_at
        self._check(description or "", name or "", policy or "", ends, self._clock.now())

        async def change(unit: Unit) -> AccessKey:
            old = await _get(unit, access_key_id, user_name)
            new = replace(
                old,
                status=status or old.status,
                description=old.description if description is None else description,
                name=old.name if name is None else name,
                policy=old.policy if policy is None else policy,
                expires_at=old.expires_at if expires_at is KEEP else expires_at,
            )
            if new != old:
                await unit.access_keys.replace(old, new)
            return new

        return await self._store.write(change)

    async def delete(
        self, access_key_id: str, *, user_name: str | None = None
    ) -> Written[AccessKey]:
        """Delete an access key; it stops signing at once. Raises `NotFoundError`."""

        async def change(unit: Unit) -> AccessKey:
            key = await _get(unit, access_key_id, user_name)
            await unit.access_keys.remove(key)
            return key

        return await self._store.write(change)

    def _check(
        self, description: str, name: str, policy: str, expires_at: float | None, now: float
    ) -> None:
        check_description(description)
        check_key_name(name)
        if policy:
            self._check_policy(policy)
        if expires_at is not None:
            check_key_expiry(expires_at, now)

    def _credential(self, access_key_id: str | None, secret: Secret | None) -> tuple[str, Secret]:
        if secret is not None and access_key_id is None:
            raise InvalidError("a secret of your own goes with an id of your own", field="secret")
        if access_key_id is None:
            access_key_id = make_access_key_id(self._random_bytes(ACCESS_KEY_ID_BYTES))
        if secret is None:
            secret = make_secret(self._random_bytes(SECRET_BYTES))
        check_access_key_id(access_key_id)
        if access_key_id.startswith(SESSION_KEY_PREFIX):
            raise InvalidError(
                f"access key ids that begin with `{SESSION_KEY_PREFIX}` are those of sessions",
                field="access_key_id",
            )
        check_secret(secret)
        return access_key_id, secret

    async def _require_free(self, unit: Unit, access_key_id: str) -> None:
        is_root = access_key_id == self._root_access_key_id
        if is_root or await unit.access_keys.find(access_key_id) is not None:
            raise ConflictError(f"there is an access key {quote(access_key_id)} already")


async def _get(unit: Unit, access_key_id: str, user_name: str | None) -> AccessKey:
    check_access_key_id(access_key_id)
    if user_name is not None:
        check_known_name(user_name, field="user_name")
    key = await unit.access_keys.find(access_key_id)
    if key is None or (
        user_name is not None and key_of_name(key.user_name) != key_of_name(user_name)
    ):
        of_user = "" if user_name is None else f" of user {quote(user_name)}"
        raise NotFoundError(f"there is no access key {quote(access_key_id)}{of_user}")
    return key


async def _require_room(unit: Unit, user: User) -> None:
    held = await unit.access_keys.list_of_user(user.id, Slice("", ACCESS_KEYS_PER_USER))
    if len(held) == ACCESS_KEYS_PER_USER:
        raise InUseError(
            f"user {quote(user.name)} has {ACCESS_KEYS_PER_USER} access keys, the most"
        )
