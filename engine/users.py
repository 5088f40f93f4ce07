"""The users of a ledger, column by column. There may be millions and most do nothing for long, so a user is no object until it is asked for.

Users are numbered from 1 without gaps: the number is the place in each column. What few users have stands beside, by number.
"""

from array import array
from collections.abc import Iterable, Sequence

import msgspec

from .ports import UserState
from .records import UserCreated, UserUpdated
from .wallet import Asset, InvariantBroken, Wallet

SYSTEM: int = 0
"""The user id of what the system owns."""


class User(msgspec.Struct, gc=False):
    """A holder of wallets, as it is when asked for. `wallet` is the one opened last."""

    id: int
    external_id: str | None
    username: str | None
    email: str | None
    phone_number: str | None
    name: str | None
    created_at: int
    updated_at: int
    wallet: Wallet | None = None


class _Contact(msgspec.Struct, gc=False, frozen=True):
    """The members of a user that can be changed."""

    username: str | None
    email: str | None
    phone_number: str | None
    name: str | None


_NO_CONTACT = _Contact(None, None, None, None)

Holding = Wallet | tuple[Wallet, ...] | None
"""A user's wallets: most have one, and a tuple around it would cost as much as half a wallet."""


def email_key(email: str) -> str:
    """The form in which e-mail addresses are compared: without case."""
    return email.casefold()


class Users:
    """Every user, found by number and by each of its names. Place 0 of each column is the system's, which is no user."""

    def __init__(self) -> None:
        self._external_ids: list[str | None] = [None]
        self._created_at = array("q", [0])
        self._holdings: list[Holding] = [None]
        self._contacts: dict[int, _Contact] = {}
        self._updated_at: dict[int, int] = {}
        """Of those that were changed; the others' is when they were created."""
        self._by_external_id: dict[str, int] = {}
        self._by_username: dict[str, int] = {}
        self._by_email: dict[str, int] = {}

    def __len__(self) -> int:
        return len(self._external_ids) - 1

    def __contains__(self, number: int) -> bool:
        return 0 < number < len(self._external_ids)

    def user(self, number: int) -> User:
        """The user of that number, which must exist."""
        contact = self._contacts.get(number, _NO_CONTACT)
        created_at = self._created_at[number]
        wallets = self._holdings[number]
        return User(
            number,
            self._external_ids[number],
            contact.username,
            contact.email,
            contact.phone_number,
            contact.name,
            created_at,
            self._updated_at.get(number, created_at),
            wallets[-1] if isinstance(wallets, tuple) else wallets,
        )

    def number(self, external_id: str) -> int:
        """The number of the user of that external id; the system's where there is none."""
        return self._by_external_id.get(external_id, SYSTEM)

    def with_external_id(self, external_id: str) -> User | None:
        """The user of that external id."""
        return self._named(self._by_external_id, external_id)

    def with_username(self, username: str) -> User | None:
        """The user of that name."""
        return self._named(self._by_username, username)

    def with_email(self, email: str) -> User | None:
        """The user of that e-mail address, in any case."""
        return self._named(self._by_email, email_key(email))

    def _named(self, names: dict[str, int], name: str) -> User | None:
        number = names.get(name)
        return None if number is None else self.user(number)

    def wallets(self, number: int) -> tuple[Wallet, ...]:
        """The wallets of that user, which must exist, in order of number."""
        wallets = self._holdings[number]
        if isinstance(wallets, tuple):
            return wallets
        return () if wallets is None else (wallets,)

    def wallet(self, number: int, asset: Asset) -> Wallet | None:
        """A user's wallet in an asset; None where there is none, or no such user. The hot path's: no further call."""
        if not 0 < number < len(self._holdings):
            return None
        wallets = self._holdings[number]
        if isinstance(wallets, tuple):
            return next((wallet for wallet in wallets if wallet.asset is asset), None)
        return wallets if wallets is not None and wallets.asset is asset else None

    def add(self, created: UserCreated, at: int) -> None:
        """Take in a new user. Raises InvariantBroken."""
        number = created.id
        if number != len(self._external_ids):
            raise InvariantBroken(f"user {number} after {len(self)} users")
        self._external_ids.append(created.external_id)
        self._created_at.append(at)
        self._holdings.append(None)
        if created.external_id is not None:
            _claim(self._by_external_id, created.external_id, number)
        contact = _Contact(created.username, created.email, created.phone_number, created.name)
        if contact != _NO_CONTACT:
            self._claim_contact(number, contact)

    def change(self, change: UserUpdated, at: int) -> None:
        """Change a user. Raises InvariantBroken."""
        if change.id not in self:
            raise InvariantBroken(f"user {change.id} does not exist")
        before = self._contacts.get(change.id, _NO_CONTACT)
        if before.username is not None:
            del self._by_username[before.username]
        if before.email is not None:
            del self._by_email[email_key(before.email)]
        self._updated_at[change.id] = at
        self._claim_contact(change.id, _Contact(change.username, change.email, change.phone_number, change.name))

    def _claim_contact(self, number: int, contact: _Contact) -> None:
        self._contacts[number] = contact
        if contact.username is not None:
            _claim(self._by_username, contact.username, number)
        if contact.email is not None:
            _claim(self._by_email, email_key(contact.email), number)

    def load(self, states: Sequence[UserState]) -> None:
        """Take users over from the image, in order of number. Raises InvariantBroken.

        Column by column, for a million at a time: a call for each would take four times as long.
        """
        first, after = len(self._external_ids), len(self._external_ids) + len(states)
        numbers, external_ids, usernames, emails, phone_numbers, names, created_at, updated_at = zip(
            *states, strict=True
        )
        if numbers != tuple(range(first, after)):
            raise InvariantBroken(f"users {numbers[0]} to {numbers[-1]} after {first - 1} users, with gaps")
        self._external_ids += external_ids
        self._created_at.extend(created_at)
        self._holdings += [None] * len(states)
        before, unnamed = len(self._by_external_id), external_ids.count(None)
        claims = zip(external_ids, numbers, strict=True)
        self._by_external_id.update([claim for claim in claims if claim[0] is not None] if unnamed else claims)
        if len(self._by_external_id) != before + len(states) - unnamed:
            raise InvariantBroken(f"users {numbers[0]} to {numbers[-1]}: an external id is taken")
        if any(column.count(None) < len(states) for column in (usernames, emails, phone_numbers, names)):
            for number, *contact in zip(numbers, usernames, emails, phone_numbers, names, strict=True):
                if contact != [None, None, None, None]:
                    self._claim_contact(number, _Contact(*contact))
        if updated_at != created_at:
            stamps = zip(numbers, created_at, updated_at, strict=True)
            self._updated_at.update((number, updated) for number, created, updated in stamps if updated != created)

    def link(self, wallets: Iterable[Wallet]) -> None:
        """Give new wallets to their users, each of whom has one in an asset at most. Raises InvariantBroken."""
        holdings = self._holdings
        for wallet in wallets:
            number = wallet.user_id
            if not number:
                continue
            if not 0 < number < len(holdings):
                raise InvariantBroken(f"wallet {wallet.number}: user {number} does not exist")
            if holdings[number] is None:
                holdings[number] = wallet
                continue
            others = self.wallets(number)
            if any(other.asset is wallet.asset for other in others):
                raise InvariantBroken(f"wallet {wallet.number}: user {number} has one in {wallet.asset.code} already")
            holdings[number] = (*others, wallet)


def _claim(names: dict[str, int], name: str, number: int) -> None:
    if names.setdefault(name, number) != number:
        raise InvariantBroken(f"user {number}: {name!r} is taken")
