"""Identity: who may act, as the engine's users need it kept. A port like those of the ledger, for what must not be in an immutable log.

Users are records of the journal; their passwords, login tokens and the operators' API keys are not: they are kept by `Access`, which can
forget. Secrets never come in plain: a password as its hash, a token or key as the SHA-256 digest of its 256 random bits, which needs no salt and
no slowness. Times are microseconds since 1970 UTC.
"""

import hashlib
import secrets
from collections.abc import Collection, Sequence
from enum import StrEnum
from typing import Final, Protocol

import msgspec

TOKEN_PREFIX: Final = "wdt_"  # noqa: S105 - no secret, but how one begins
"""How a login token begins, so that a leaked one is recognised."""
KEY_PREFIX: Final = "wdk_"
"""How an API key begins."""

SECRET_BYTES: Final = 32
SECRET_LENGTH: Final = 4 + 43
"""Characters of a token or key: its prefix, and 32 bytes in base64 without padding."""

HINT_LENGTH: Final = 8
"""Characters of a key that lists show: its prefix and a little more."""

PASSWORD_LENGTH_MIN: Final = 8
PASSWORD_LENGTH_MAX: Final = 128
SESSIONS_PER_USER_MAX: Final = 50
"""Logins of one user that live at once; a further one ends the oldest."""
KEYS_MAX: Final = 1_000
"""API keys that are not revoked."""
GRANTS_IN_MEMORY_MAX: Final = 100_000
"""Tokens and keys known without asking the store; the one used longest ago is forgotten first."""


class Scope(StrEnum):
    """What an API key may do."""

    READ = "read"
    """Every question."""
    WRITE = "write"
    """Making users and wallets, and every movement, Treasuries included."""
    ADMIN = "admin"
    """Everything else: assets, freezing, closing."""


class Holder(msgspec.Struct, frozen=True, gc=False):
    """A user as identity knows it: its id, and when it was created, which tells it from a user of the same id in another ledger."""

    user_id: int
    created_at: int


class HashedPassword(msgspec.Struct, frozen=True, gc=False):
    """A password as it is kept. It shows itself to no log."""

    text: str

    def __repr__(self) -> str:
        return "HashedPassword(…)"


class Grant(msgspec.Struct, frozen=True, gc=False):
    """What a token or key stands for: a login of `holder`, or else the key `key_id`, which acts as `name` within `scopes`."""

    holder: Holder | None = None
    key_id: int = 0
    name: str = ""
    scopes: frozenset[Scope] = frozenset()
    expires_at: int | None = None

    def lives(self, now: int) -> bool:
        """Whether it has not expired."""
        return self.expires_at is None or now < self.expires_at


class ApiKey(msgspec.Struct, frozen=True, kw_only=True):
    """An API key as it is listed. `hint` is its beginning, enough to recognise it and too little to use it."""

    id: int
    name: str
    hint: str
    scopes: frozenset[Scope]
    created_at: int
    expires_at: int | None = None
    last_used_at: int | None = None
    revoked_at: int | None = None


def new_secret(prefix: str) -> str:
    """A new token or key."""
    return prefix + secrets.token_urlsafe(SECRET_BYTES)


def hint_of(secret: str) -> str:
    """As much of a key as may be shown."""
    return secret[:HINT_LENGTH]


def digest_of(secret: str) -> bytes:
    """The 32 bytes by which a token or key is known."""
    return hashlib.sha256(secret.encode()).digest()


class PasswordHasher(Protocol):
    """Turns passwords into what may be kept. Slow on purpose, so its work is bounded: past the bound it refuses."""

    async def hash(self, password: str) -> HashedPassword:
        """Raises Refusal OVERLOADED."""
        ...

    async def verify(self, hashed: HashedPassword | None, password: str) -> bool:
        """Whether it is the password; None takes the same work and is never it. Raises Refusal OVERLOADED."""
        ...


class Access(Protocol):
    """Keeps passwords, logins and API keys. Calls may run beside each other, and another process may change the store meanwhile.

    What has returned is durable. What was withdrawn through this object is unknown from then on; what another process withdrew, within
    a twentieth of a second. Besides what it says, every method that waits may raise Refusal OVERLOADED (the store is busy) and READ_ONLY (no room), and
    StorageUnusable.
    """

    def known(self, digest: bytes, now: int) -> Grant | None:
        """The living grant of a token or key, if it is in memory. Waits for nothing: this is asked for each request."""
        ...

    async def find(self, digest: bytes, now: int) -> Grant | None:
        """The living grant of a token or key, None for one that is unknown, expired or withdrawn. Keeps it in memory."""
        ...

    @property
    def generation(self) -> int:
        """Rises whenever something is withdrawn."""
        ...

    def lend(self, digest: bytes, grant: Grant, generation: int) -> None:
        """Keep a grant in memory only, until it expires, its holder's password changes, or the space is needed.

        `generation` was read before what the grant rests on was checked: nothing is kept if something was withdrawn since.
        """
        ...

    async def hash_password(self, password: str) -> HashedPassword:
        """The password as it may be kept. Slow. Raises Refusal OVERLOADED."""
        ...

    async def set_password(self, holder: Holder, hashed: HashedPassword, now: int) -> None:
        """Give a user, which must be durable, this password instead of any other. Ends all of the user's logins."""
        ...

    async def check_password(self, holder: Holder | None, password: str) -> bool:
        """Whether it is the user's password. For nobody, or a user without one, it is not, after the same work. Raises Refusal OVERLOADED."""
        ...

    async def open_session(self, holder: Holder, now: int, expires_at: int) -> str:
        """Log a user in; returns the token, which is kept nowhere. Past SESSIONS_PER_USER_MAX the oldest login ends."""
        ...

    async def close_session(self, digest: bytes) -> None:
        """End one login, if there is such a one."""
        ...

    async def close_sessions(self, user_id: int) -> None:
        """End all logins of a user."""
        ...

    async def create_key(
        self, name: str, scopes: Collection[Scope], now: int, expires_at: int | None = None
    ) -> tuple[ApiKey, str]:
        """Make an API key; returns it and its secret, which is kept nowhere. Raises Refusal OVERLOADED past KEYS_MAX."""
        ...

    async def keys(self) -> Sequence[ApiKey]:
        """All API keys, revoked ones included, in order of id. `last_used_at` may lag by some seconds."""
        ...

    async def revoke_key(self, key_id: int, now: int) -> bool:
        """Withdraw a key for ever. False if there is none of that id, or it was revoked before."""
        ...

    async def close(self) -> None:
        """Release everything. Safe to call twice."""
        ...
