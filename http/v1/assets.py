"""`/v1/assets`: kinds of money.

The codes and numbers of ISO 4217 belong to its currencies: such an asset has the standard's id and scale, and no other may take them, in whatever case.
"""

from aiohttp import web

from ...engine.commands import CreateAsset
from ...engine.identity import Scope
from ...engine.refusals import RefusalCode
from ...engine.wallet import Asset
from ..amounts import is_given, minor_units
from ..call import Call
from ..currencies import FIAT, FIAT_BY_NUMBER
from ..decoding import Body, refuse_fields
from ..routes import Routes
from . import contracts
from .answers import asset_answer
from .listing import Listing
from .wire import AssetAnswer, AssetList, AssetRequest

_ASSET = Body(AssetRequest)
_SCALE_DEFAULT = 2
_AMOUNTS = (RefusalCode.AMOUNT_NOT_POSITIVE, RefusalCode.AMOUNT_ABOVE_MAXIMUM)


def register(routes: Routes) -> None:
    """Add the assets."""
    made = contracts.created(AssetAnswer, AssetRequest, refuses=(*_AMOUNTS, RefusalCode.ASSET_EXISTS))
    routes.add("POST", "/v1/assets", "asset_create", create, contract=made)
    routes.add("GET", "/v1/assets", "asset_list", listing, no_store=True, contract=contracts.listed(AssetList))
    found = contracts.read(AssetAnswer, contracts.ASSET_CODE, RefusalCode.ASSET_NOT_FOUND)
    routes.add("GET", "/v1/assets/{code}", "asset_get", get, no_store=True, contract=found)


async def create(call: Call) -> web.StreamResponse:
    """Make an asset and its Treasury."""
    call.principal.require(Scope.ADMIN)
    request = await call.body(_ASSET)
    id_, scale, name = _standard(request)
    command = CreateAsset(
        code=request.code,
        id=id_,
        name=name,
        aliases=tuple(request.aliases),
        scale=scale,
        transferable=request.transferable,
        min_amount=minor_units(request.min_amount, "/min_amount") if is_given(request.min_amount) else 1,
        max_amount=minor_units(request.max_amount, "/max_amount") if is_given(request.max_amount) else None,
        active=request.active,
    )
    outcome = await call.engine.execute(command, dry_run=call.dry_run())
    asset = outcome.subject
    assert isinstance(asset, Asset)
    return call.made(asset_answer(asset, outcome.dry_run), outcome, f"/v1/assets/{asset.code}")


def _standard(request: AssetRequest) -> tuple[int | None, int, str | None]:
    """The id, scale and name that the asset gets. Raises Refusal INVALID_REQUEST where they contradict ISO 4217."""
    faults = []
    for pointer, name in (
        ("/code", request.code),
        *((f"/aliases/{i}", alias) for i, alias in enumerate(request.aliases)),
    ):
        is_code = pointer == "/code" and name in FIAT
        if name.upper() in FIAT and not is_code:
            faults.append((pointer, f"is a code of ISO 4217, which is the currency's own: {name.upper()}"))
    fiat = FIAT.get(request.code)
    if fiat is None:
        owner = FIAT_BY_NUMBER.get(request.id or 0)
        if owner is not None:
            faults.append(("/id", f"is ISO 4217's number of {owner.code}"))
        if faults:
            raise refuse_fields(faults)
        return request.id, _SCALE_DEFAULT if request.scale is None else request.scale, request.name
    if request.id not in (None, fiat.number):
        faults.append(("/id", f"contradicts ISO 4217, where the number of {fiat.code} is {fiat.number}"))
    scale = request.scale if fiat.scale is None else fiat.scale
    if scale is None:
        faults.append(("/scale", f"is needed: ISO 4217 gives {fiat.code} no minor unit"))
    elif request.scale not in (None, scale):
        faults.append(("/scale", f"contradicts ISO 4217, where {fiat.code} has {scale} decimals"))
    if faults:
        raise refuse_fields(faults)
    assert scale is not None
    return fiat.number, scale, request.name if request.name is not None else fiat.name


async def listing(call: Call) -> web.StreamResponse:
    """Assets in order of creation."""
    call.principal.reads_what_is_open()
    page = Listing(call, "assets")
    after = page.place or 0
    assets = sorted(call.engine.ledger.assets(), key=lambda asset: asset.treasury.number)
    rows = [asset for asset in assets if asset.treasury.number > after]
    shown = rows[: page.limit]
    more = page.next(shown[-1].treasury.number) if len(rows) > page.limit else None
    return call.answer(AssetList([asset_answer(asset) for asset in shown], more))


async def get(call: Call) -> web.StreamResponse:
    """One asset, by its code or an alias."""
    call.principal.reads_what_is_open()
    call.query()
    return call.answer(asset_answer(call.engine.ledger.asset(call.parameters["code"])))
