"""The echo: what aiohttp and uvloop can do at best with requests and answers of these shapes, and so the ceiling of a server on them.

It decodes the body of a transfer or of a batch with msgspec and encodes an answer of the same members; nothing is kept and nothing is
moved. Run it as `python echo.py [low-level|application]`: on aiohttp's bare protocol server, or with its router and application.
"""

import asyncio
import sys
from typing import Final

import msgspec
import uvloop
from aiohttp import web

_INSTANT: Final = "2025-01-01T00:00:00.000000Z"


class TransferRequest(msgspec.Struct):
    """As in /v1."""

    source: str
    destination: str
    amount: int
    description: str | None = None


class BatchRequest(msgspec.Struct):
    """As in /v1."""

    transfers: list[TransferRequest]


class DigitalTransferRequest(msgspec.Struct):
    """As in the digital wallet API. The amount stays as its digits."""

    sender_user_id: int
    recipient_user_id: int
    amount: msgspec.Raw
    description: str | None = None


class Leg(msgspec.Struct, gc=False):
    """As in /v1."""

    wallet_id: str
    amount: str
    asset: str
    scale: int
    balance_after: str
    entry_id: str


class Transfer(msgspec.Struct, gc=False):
    """As in /v1."""

    id: str
    transaction_id: str
    source: str
    destination: str
    amount: str
    asset: str
    scale: int
    legs: tuple[Leg, Leg]
    status: str
    type: str
    description: str | None
    category: str | None
    reference: str | None
    metadata: dict[str, str] | None
    sequence: int
    created_at: str


class Item(msgspec.Struct, gc=False):
    """As in /v1."""

    status: int
    transfer: Transfer


class BatchAnswer(msgspec.Struct):
    """As in /v1."""

    results: list[Item]


class DigitalTransfer(msgspec.Struct):
    """As in the digital wallet API."""

    transfer_id: int
    sender_transaction_id: int
    recipient_transaction_id: int
    amount: msgspec.Raw
    sender_new_balance: msgspec.Raw
    recipient_new_balance: msgspec.Raw
    status: str


class DigitalCreditRequest(msgspec.Struct):
    """As in the digital wallet API."""

    amount: msgspec.Raw


class DigitalCredit(msgspec.Struct):
    """As in the digital wallet API."""

    transaction_id: int
    user_id: int
    amount: msgspec.Raw
    new_balance: msgspec.Raw
    transaction_type: str


class Echo:
    """The handlers. `count` makes the ids."""

    def __init__(self) -> None:
        self.count = 1_000_000
        self._transfer = msgspec.json.Decoder(TransferRequest).decode
        self._batch = msgspec.json.Decoder(BatchRequest).decode
        self._digital_transfer = msgspec.json.Decoder(DigitalTransferRequest).decode
        self._digital_credit = msgspec.json.Decoder(DigitalCreditRequest).decode
        self._encode = msgspec.json.Encoder().encode

    async def transfer(self, request: web.BaseRequest) -> web.Response:
        """`POST /v1/transfers`."""
        transfer = self._made(self._transfer(await request.read()))
        return self._answer(201, self._encode(transfer), f"/v1/transfers/{transfer.id}")

    async def batch(self, request: web.BaseRequest) -> web.Response:
        """`POST /v1/transfers/batch`."""
        items = [Item(201, self._made(one)) for one in self._batch(await request.read()).transfers]
        return self._answer(200, self._encode(BatchAnswer(items)), None)

    async def digital_transfer(self, request: web.BaseRequest) -> web.Response:
        """`POST /transfer`."""
        body = self._digital_transfer(await request.read())
        self.count += 1
        balance = msgspec.Raw(b"10000.00")
        transfer = DigitalTransfer(
            self.count, self.count * 2, self.count * 2 + 1, body.amount, balance, balance, "completed"
        )
        return self._answer(201, self._encode(transfer), f"/transfer/{self.count}")

    async def digital_credit(self, request: web.BaseRequest) -> web.Response:
        """`POST /wallet/{user_id}/add-money`."""
        body = self._digital_credit(await request.read())
        self.count += 1
        user_id = int(request.path.split("/")[2])
        credit = DigitalCredit(self.count, user_id, body.amount, msgspec.Raw(b"10000.00"), "CREDIT")
        return self._answer(201, self._encode(credit), f"/transactions/detail/{self.count}")

    async def any(self, request: web.BaseRequest) -> web.StreamResponse:
        """Every path, for the bare server, which has no router."""
        match request.path:
            case "/v1/transfers":
                return await self.transfer(request)
            case "/transfer":
                return await self.digital_transfer(request)
            case "/v1/transfers/batch":
                return await self.batch(request)
            case path if path.endswith("/add-money"):
                return await self.digital_credit(request)
        return web.Response(status=404)

    def _made(self, request: TransferRequest) -> Transfer:
        self.count += 1
        count, amount = self.count, str(request.amount)
        legs = (
            Leg(request.source, f"-{amount}", "USD", 2, "1000000", f"ent_{count * 2}"),
            Leg(request.destination, amount, "USD", 2, "1000000", f"ent_{count * 2 + 1}"),
        )
        return Transfer(
            f"tfr_{count}", f"txn_{count}", request.source, request.destination, amount, "USD", 2, legs, "completed", "transfer",
            request.description, None, None, None, count, _INSTANT,
        )  # fmt: skip

    def _answer(self, status: int, body: bytes, location: str | None) -> web.Response:
        headers = {
            "Content-Type": "application/json",
            "X-Request-Id": f"0123456789abcdef-{self.count:x}",
            "Server": "echo",
        }
        if location is not None:
            headers["Location"] = location
        return web.Response(status=status, body=body, headers=headers)


async def serve(kind: str) -> None:
    """Serve on a port that the system chooses, until ended."""
    echo = Echo()
    if kind == "application":
        application = web.Application(client_max_size=64 * 2**20)
        application.router.add_post("/v1/transfers", echo.transfer)
        application.router.add_post("/v1/transfers/batch", echo.batch)
        application.router.add_post("/transfer", echo.digital_transfer)
        application.router.add_post("/wallet/{user_id}/add-money", echo.digital_credit)
        runner: web.BaseRunner = web.AppRunner(application, access_log=None)
    else:
        runner = web.ServerRunner(web.Server(echo.any, access_log=None))
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0, backlog=1024).start()
    host, port, *_ = runner.addresses[0]
    print(f"echo is ready at http://{host}:{port}", flush=True)
    await asyncio.Event().wait()


if __name__ == "__main__":
    with asyncio.Runner(loop_factory=uvloop.new_event_loop) as runner_of_loop:
        runner_of_loop.run(serve(sys.argv[1] if len(sys.argv) > 1 else "low-level"))
