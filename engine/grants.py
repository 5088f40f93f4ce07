"""Grants in memory: which tokens and keys are known without asking the store. Bounded; the one used longest ago is forgotten first.

Invariant: what was withdrawn is not here. A grant that was read from the store while something was withdrawn is therefore not taken in: the
reader notes `generation` before it reads and gives it with what it found.
"""

from collections import OrderedDict

from .identity import GRANTS_IN_MEMORY_MAX, Grant


class Grants:
    """Digest of a token or key → what it stands for."""

    def __init__(self, grants_max: int = GRANTS_IN_MEMORY_MAX) -> None:
        self._grants_max = grants_max
        self._grants: OrderedDict[bytes, Grant] = OrderedDict()
        self._by_user: dict[int, set[bytes]] = {}
        self.generation = 0
        """Rises with everything withdrawn."""

    def __len__(self) -> int:
        return len(self._grants)

    def known(self, digest: bytes, now: int) -> Grant | None:
        """The living grant, if it is here."""
        grant = self._grants.get(digest)
        if grant is None:
            return None
        if not grant.lives(now):
            self._forget(digest)
            return None
        self._grants.move_to_end(digest)
        return grant

    def keep(self, digest: bytes, grant: Grant, generation: int) -> None:
        """Take in what was found at `generation`; nothing if something was withdrawn since."""
        if generation != self.generation:
            return
        self._forget(digest)
        self._grants[digest] = grant
        if grant.holder is not None:
            self._by_user.setdefault(grant.holder.user_id, set()).add(digest)
        while len(self._grants) > self._grants_max:
            self._forget(next(iter(self._grants)))

    def withdraw(self, digest: bytes) -> None:
        """Forget one."""
        self.generation += 1
        self._forget(digest)

    def withdraw_user(self, user_id: int) -> None:
        """Forget all of a user's."""
        self.generation += 1
        for digest in tuple(self._by_user.get(user_id, ())):
            self._forget(digest)

    def withdraw_key(self, key_id: int) -> None:
        """Forget an API key's."""
        self.generation += 1
        for digest in [digest for digest, grant in self._grants.items() if grant.key_id == key_id]:
            self._forget(digest)

    def withdraw_all(self) -> None:
        """Forget everything."""
        self.generation += 1
        self._grants.clear()
        self._by_user.clear()

    def _forget(self, digest: bytes) -> None:
        grant = self._grants.pop(digest, None)
        if grant is not None and grant.holder is not None:
            digests = self._by_user[grant.holder.user_id]
            digests.discard(digest)
            if not digests:
                del self._by_user[grant.holder.user_id]
