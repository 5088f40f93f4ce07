"""Authentication: from a request's Authorization header to its principal.

A token or key that was used before costs a hash and a look into a table; one that was not, a question to the store; a password, a slow hash. Whoever
fails is counted by name and by address, and past a limit has to wait. What is answered, and the work it takes, is the same whether a user exists or not.
"""

import base64
import binascii
import hashlib
import hmac
import math
import secrets
from collections.abc import Callable
from typing import Final

from aiohttp import web
from multidict import istr

from ..engine.engine import Engine
from ..engine.identity import (
    KEY_PREFIX,
    PASSWORD_LENGTH_MAX,
    SECRET_LENGTH,
    TOKEN_PREFIX,
    Access,
    Grant,
    Holder,
    digest_of,
)
from ..engine.ledger import User
from ..engine.refusals import Refusal
from .principal import NOBODY, OPERATOR, Principal
from .problem import HttpCode, HttpFault
from .rates import RateLimit, client_of
from .routes import Endpoint

AUTHORIZATION: Final = istr("Authorization")

NAME_FAILURES_MAX: Final = 10
NAME_FAILURES_PER_S: Final = 1 / 60
"""Wrong passwords for one name: ten at once, then one a minute."""

ADDRESS_FAILURES_MAX: Final = 50
ADDRESS_FAILURES_PER_S: Final = 1 / 2
"""Wrong passwords from one address; as many wrong tokens and keys, counted apart."""

REGISTRATIONS_MAX: Final = 20
REGISTRATIONS_PER_S: Final = 1 / 6
"""Users made from one address by nobody in particular: twenty at once, then ten a minute."""

BASIC_LIFE_US: Final = 60 * 1_000_000
"""How long a name and password sent with each request are believed before they are checked again."""

CHALLENGE: Final = 'Bearer realm="walletd"'
CHALLENGES: Final = 'Token realm="walletd", Bearer realm="walletd", Basic realm="walletd", charset="UTF-8"'
"""What an endpoint that is always authenticated takes."""


def unauthenticated(detail: str, challenge: str = CHALLENGE) -> HttpFault:
    """The fault of a request that does not show who makes it."""
    return HttpFault(HttpCode.UNAUTHENTICATED, detail, headers={"WWW-Authenticate": challenge})


class Authentication:
    """Finds out who asks. `required` is whether endpoints ask by default, or only those that always do."""

    def __init__(
        self,
        access: Access,
        engine: Engine,
        *,
        required: bool,
        clock: Callable[[], float],
        clock_us: Callable[[], int],
    ) -> None:
        self._access = access
        self._engine = engine
        self._required = required
        self._clock_us = clock_us
        self._names = RateLimit(NAME_FAILURES_PER_S, NAME_FAILURES_MAX, clock)
        self._addresses = RateLimit(ADDRESS_FAILURES_PER_S, ADDRESS_FAILURES_MAX, clock)
        self._secrets = RateLimit(ADDRESS_FAILURES_PER_S, ADDRESS_FAILURES_MAX, clock)
        self._registrations = RateLimit(REGISTRATIONS_PER_S, REGISTRATIONS_MAX, clock)
        self._basic_key = secrets.token_bytes(32)

    def unasked(self, endpoint: Endpoint) -> Principal | None:
        """The principal of every request to an endpoint that does not ask who makes it, None for one that does."""
        if not self._required and not endpoint.always_authenticated:
            return OPERATOR
        return NOBODY if endpoint.public else None

    async def principal(self, request: web.BaseRequest, endpoint: Endpoint) -> Principal:
        """Who makes a request to an endpoint that asks. Raises HttpFault UNAUTHENTICATED and RATE_LIMITED, and Refusal OVERLOADED."""
        challenge = CHALLENGES if endpoint.always_authenticated else CHALLENGE
        headers = request.headers.getall(AUTHORIZATION, ())
        if len(headers) != 1:
            raise unauthenticated("Send one Authorization header with an API key or a login token.", challenge)
        scheme, _, credentials = headers[0].partition(" ")
        scheme = scheme.lower()
        grant: Grant | None = None
        if scheme in ("bearer", "token"):
            grant = await self._of_secret(credentials.strip(), request)
        elif scheme == "basic" and endpoint.always_authenticated:
            grant = await self._of_basic(credentials.strip(), request)
        found = None if grant is None else self._principal_of(grant)
        if found is None:
            raise unauthenticated("These credentials are unknown, expired or withdrawn.", challenge)
        return found

    async def is_still(self, principal: Principal, request: web.BaseRequest, endpoint: Endpoint) -> bool:
        """Whether a request that lasts is still its principal's to make."""
        if self.unasked(endpoint) is not None:
            return True
        try:
            return await self.principal(request, endpoint) == principal
        except (HttpFault, Refusal):
            return False

    async def log_in(self, username: str, password: str, request: web.BaseRequest) -> User:
        """The user of that name and password. Raises HttpFault UNAUTHENTICATED and RATE_LIMITED, and Refusal OVERLOADED."""
        user = self._engine.ledger.user_with_username(username)
        if not await self._is_right(user, username, password, request) or user is None:
            raise unauthenticated("The username or the password is wrong.", CHALLENGES)
        return user

    def check_registration(self, principal: Principal, request: web.BaseRequest) -> None:
        """Count a user that somebody unknown makes. Raises HttpFault RATE_LIMITED."""
        if principal is NOBODY:
            self._count(self._registrations, client_of(request.remote), "Too many users were made from here.")

    async def confirms(self, user: User, password: str, request: web.BaseRequest) -> bool:
        """Whether a logged-in user knows its password. Raises HttpFault RATE_LIMITED and Refusal OVERLOADED."""
        return await self._is_right(user, user.username or "", password, request)

    async def _is_right(self, user: User | None, username: str, password: str, request: web.BaseRequest) -> bool:
        """Whether it is the user's password: the same work for nobody, and counted by the name that was given."""
        client = client_of(request.remote)
        name = hashlib.blake2b(username.encode("utf-8", "surrogatepass"), digest_size=16).hexdigest()
        # Counted before the check, so that many at once are no way past the limit; taken back when it was no failure.
        self._count(self._addresses, client)
        self._count(self._names, name)
        if len(password) > PASSWORD_LENGTH_MAX:
            user, password = None, ""
        try:
            holder = None if user is None else Holder(user.id, user.created_at)
            is_right = await self._access.check_password(holder, password)
        except Refusal:
            self._addresses.give_back(client)
            self._names.give_back(name)
            raise
        if is_right:
            self._addresses.give_back(client)
            self._names.forget(name)
        return is_right

    async def _of_secret(self, secret: str, request: web.BaseRequest) -> Grant | None:
        """The grant of a token or key."""
        if len(secret) != SECRET_LENGTH or not secret.isascii() or not secret.startswith((TOKEN_PREFIX, KEY_PREFIX)):
            return None
        digest, now = digest_of(secret), self._clock_us()
        grant = self._access.known(digest, now)
        if grant is not None:
            return grant
        grant = await self._access.find(digest, now)
        if (
            grant is None
        ):  # counted after the look-up, and apart from logins: a right one is never turned away for others' wrong ones
            self._count(self._secrets, client_of(request.remote))
        return grant

    async def _of_basic(self, credentials: str, request: web.BaseRequest) -> Grant | None:
        """The grant of a name and password, believed for BASIC_LIFE_US once they were right."""
        try:
            name, colon, password = base64.b64decode(credentials, validate=True).decode().partition(":")
        except (binascii.Error, ValueError):
            return None
        if not colon:
            return None
        # The digest is keyed, so what memory holds is of no use to guess passwords with anywhere else.
        digest = hmac.digest(self._basic_key, f"{name}:{password}".encode(), "sha256")
        now, generation = self._clock_us(), self._access.generation
        grant = self._access.known(digest, now)
        user = self._engine.ledger.user_with_username(name)
        if grant is not None and user is not None and grant.holder == Holder(user.id, user.created_at):
            return grant
        user = await self.log_in(name, password, request)
        grant = Grant(holder=Holder(user.id, user.created_at), expires_at=now + BASIC_LIFE_US)
        self._access.lend(digest, grant, generation)
        return grant

    def _principal_of(self, grant: Grant) -> Principal | None:
        """Whom a grant stands for; None for a login of a user whom this ledger does not know."""
        holder = grant.holder
        if holder is None:
            return Principal(f"key:{grant.name}", None, grant.scopes)
        try:
            user = self._engine.ledger.user(holder.user_id)
        except Refusal:
            return None
        return Principal(f"user:{user.id}", user.id) if user.created_at == holder.created_at else None

    def _count(
        self, limit: RateLimit, who: str, detail: str = "Too many wrong credentials came from here or for this user."
    ) -> None:
        wait_s = limit.wait_s(who)
        if wait_s > 0:
            seconds = str(max(1, math.ceil(wait_s)))
            raise HttpFault(HttpCode.RATE_LIMITED, detail, headers={"Retry-After": seconds})
