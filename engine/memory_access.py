"""Access in memory: the port of identity.py without a store, for tests and for an engine that is not to outlive its process."""

import asyncio
import hashlib
import hmac
from collections.abc import Collection

import msgspec

from .grants import Grants
from .identity import (
    KEY_PREFIX,
    KEYS_MAX,
    SESSIONS_PER_USER_MAX,
    TOKEN_PREFIX,
    ApiKey,
    Grant,
    HashedPassword,
    Holder,
    PasswordHasher,
    Scope,
    digest_of,
    hint_of,
    new_secret,
)
from .refusals import Refusal, RefusalCode


class QuickHasher:
    """Keeps the promises of a PasswordHasher but slowness: for tests alone. Counts its work, for what takes the same work tells nothing by its time."""

    def __init__(self) -> None:
        self.verifications = 0
        self.busy = False
        """Whether to refuse as a hasher does that has too much to do."""

    async def hash(self, password: str) -> HashedPassword:
        """See PasswordHasher."""
        self._refuse_if_busy()
        await asyncio.sleep(0)
        return HashedPassword(hashlib.sha256(password.encode()).hexdigest())

    async def verify(self, hashed: HashedPassword | None, password: str) -> bool:
        """See PasswordHasher."""
        self._refuse_if_busy()
        self.verifications += 1
        await asyncio.sleep(0)
        text = hashlib.sha256(password.encode()).hexdigest()
        return hmac.compare_digest(text, hashed.text if hashed is not None else "") and hashed is not None

    def _refuse_if_busy(self) -> None:
        if self.busy:
            raise Refusal(RefusalCode.OVERLOADED)


class MemoryAccess:
    """See Access. Nothing is forgotten for space here but what is lent."""

    def __init__(self, hasher: PasswordHasher | None = None) -> None:
        self._hasher = hasher if hasher is not None else QuickHasher()
        self._passwords: dict[int, tuple[Holder, HashedPassword]] = {}
        self._sessions: dict[bytes, Grant] = {}
        self._keys: dict[bytes, ApiKey] = {}
        self._grants = Grants()

    def known(self, digest: bytes, now: int) -> Grant | None:
        """See Access."""
        grant = self._grants.known(digest, now)
        if grant is not None and grant.key_id:
            self._use(digest, now)
        return grant

    async def find(self, digest: bytes, now: int) -> Grant | None:
        """See Access."""
        generation = self._grants.generation
        await asyncio.sleep(0)
        grant = self._sessions.get(digest)
        key = self._keys.get(digest)
        if key is not None and key.revoked_at is None:
            grant = Grant(key_id=key.id, name=key.name, scopes=key.scopes, expires_at=key.expires_at)
        if grant is None or not grant.lives(now):
            return None
        self._grants.keep(digest, grant, generation)
        if grant.key_id:
            self._use(digest, now)
        return grant

    @property
    def generation(self) -> int:
        """See Access."""
        return self._grants.generation

    def lend(self, digest: bytes, grant: Grant, generation: int) -> None:
        """See Access."""
        self._grants.keep(digest, grant, generation)

    async def hash_password(self, password: str) -> HashedPassword:
        """See Access."""
        return await self._hasher.hash(password)

    async def set_password(self, holder: Holder, hashed: HashedPassword, now: int) -> None:
        """See Access."""
        await asyncio.sleep(0)
        self._passwords[holder.user_id] = (holder, hashed)
        await self.close_sessions(holder.user_id)

    async def check_password(self, holder: Holder | None, password: str) -> bool:
        """See Access."""
        kept = self._passwords.get(holder.user_id) if holder is not None else None
        return await self._hasher.verify(kept[1] if kept is not None and kept[0] == holder else None, password)

    async def open_session(self, holder: Holder, now: int, expires_at: int) -> str:
        """See Access."""
        await asyncio.sleep(0)
        self._sessions = {digest: grant for digest, grant in self._sessions.items() if grant.lives(now)}
        own = [digest for digest, grant in self._sessions.items() if grant.holder == holder]
        for digest in own[: max(0, len(own) + 1 - SESSIONS_PER_USER_MAX)]:
            await self.close_session(digest)
        token = new_secret(TOKEN_PREFIX)
        self._sessions[digest_of(token)] = Grant(holder=holder, expires_at=expires_at)
        return token

    async def close_session(self, digest: bytes) -> None:
        """See Access."""
        self._sessions.pop(digest, None)
        self._grants.withdraw(digest)

    async def close_sessions(self, user_id: int) -> None:
        """See Access."""
        self._sessions = {
            digest: grant
            for digest, grant in self._sessions.items()
            if grant.holder is None or grant.holder.user_id != user_id
        }
        self._grants.withdraw_user(user_id)

    async def create_key(
        self, name: str, scopes: Collection[Scope], now: int, expires_at: int | None = None
    ) -> tuple[ApiKey, str]:
        """See Access."""
        await asyncio.sleep(0)
        if sum(key.revoked_at is None for key in self._keys.values()) >= KEYS_MAX:
            raise Refusal(RefusalCode.OVERLOADED, f"There are {KEYS_MAX} API keys; revoke those that are not used.")
        secret = new_secret(KEY_PREFIX)
        key = ApiKey(
            id=len(self._keys) + 1,
            name=name,
            hint=hint_of(secret),
            scopes=frozenset(scopes),
            created_at=now,
            expires_at=expires_at,
        )
        self._keys[digest_of(secret)] = key
        return key, secret

    async def keys(self) -> list[ApiKey]:
        """See Access."""
        await asyncio.sleep(0)
        return list(self._keys.values())

    async def revoke_key(self, key_id: int, now: int) -> bool:
        """See Access."""
        await asyncio.sleep(0)
        for digest, key in self._keys.items():
            if key.id == key_id and key.revoked_at is None:
                self._keys[digest] = msgspec.structs.replace(key, revoked_at=now)
                self._grants.withdraw_key(key_id)
                return True
        return False

    async def close(self) -> None:
        """See Access."""

    def _use(self, digest: bytes, now: int) -> None:
        self._keys[digest] = msgspec.structs.replace(self._keys[digest], last_used_at=now)
