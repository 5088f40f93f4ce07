"""`/api/auth/login/` and `/logout/`: a token for a name and a password, good in every API, until it expires, is logged out or the password changes."""

from typing import Annotated, Final

import msgspec
from aiohttp import web

from ...engine.identity import digest_of
from ..authentication import AUTHORIZATION
from ..call import Call
from ..contract import Answer, Contract
from ..decoding import Body, OpenRequest
from ..instants import Instant, rfc3339
from ..problem import HttpCode
from ..registration import holder_of
from ..routes import Routes
from .dialect import CREDIT_TRANSFER


class LoginRequest(OpenRequest, frozen=True, kw_only=True):
    """Who wants to log in."""

    username: str
    password: Annotated[str, msgspec.Meta(extra_json_schema={"format": "password", "writeOnly": True})]

    def __repr__(self) -> str:
        return "LoginRequest(…)"


class LoginAnswer(msgspec.Struct, frozen=True):
    """A token, to be sent as `Authorization: Token <token>` or `Bearer <token>`."""

    token: str
    user_id: int
    expires_at: Instant


_LOGIN: Final = Body(LoginRequest)
_LOGGED_IN: Final = Contract(
    answers={200: Answer(body=LoginAnswer, description="Logged in.")},
    takes=LoginRequest,
    refuses=(HttpCode.UNAUTHENTICATED,),
)
_LOGGED_OUT: Final = Contract(answers={204: Answer(description="The token is dead.")})


def register(routes: Routes) -> None:
    """Add login and logout, in both spellings."""
    for end in ("/", ""):
        routes.add(
            "POST",
            f"/api/auth/login{end}",
            "credit_login",
            login,
            dialect=CREDIT_TRANSFER,
            no_store=True,
            public=True,
            contract=_LOGGED_IN,
        )
        routes.add(
            "POST",
            f"/api/auth/logout{end}",
            "credit_logout",
            logout,
            dialect=CREDIT_TRANSFER,
            no_store=True,
            always_authenticated=True,
            contract=_LOGGED_OUT,
        )


async def login(call: Call) -> web.StreamResponse:
    """Log in with a username and a password."""
    request = await call.body(_LOGIN)
    services = call.services
    user = await services.authentication.log_in(request.username, request.password, call.request)
    now = services.clock_us()
    expires_at = now + services.options.login_life_s * 1_000_000
    token = await services.access.open_session(holder_of(user), now, expires_at)
    return call.answer(LoginAnswer(token, user.id, rfc3339(expires_at)))


async def logout(call: Call) -> web.StreamResponse:
    """Make the token dead that the request came with. A name and password have none, so there is nothing to end."""
    call.principal.require_login()
    scheme, _, secret = call.request.headers[AUTHORIZATION].partition(" ")
    if scheme.lower() != "basic":
        await call.services.access.close_session(digest_of(secret.strip()))
    return call.page(b"", {"Cache-Control": "no-store"}, 204)
