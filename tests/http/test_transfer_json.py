"""A transfer written in one piece is the very bytes that its encoder gives."""

import msgspec
import pytest

from walletd.engine.commands import CreateAsset, CreateUser, Move, transfer
from walletd.engine.memory import open_in_memory
from walletd.http.v1.answers import transfer_answer, transfer_json

SAYING = [
    {},
    {"description": 'a "quoted" \\ text', "category": "Rent", "reference": "r/1"},
    {"category": "Rent"},
    {"reference": ""},
    {"metadata": {"a": [1, None, "é\n"]}},
]


@pytest.mark.parametrize("said", SAYING)
async def test_a_transfer_in_one_piece_is_what_the_encoder_writes(said: dict[str, object]) -> None:
    async with open_in_memory() as engine:
        asset = (await engine.execute(CreateAsset(code="USD"))).subject
        users = [(await engine.execute(CreateUser(wallet_asset="USD"))).subject for _ in range(2)]
        first, second = (user.wallet.id for user in users)  # type: ignore[union-attr]
        moves = [
            transfer(asset.treasury.id, first, 900),  # type: ignore[union-attr]
            Move(legs=((first, -250), (second, 250)), **said),  # type: ignore[arg-type]
            Move(legs=((first, 7), (second, -7)), type="topup", **said),  # type: ignore[arg-type]
            transfer(first, asset.treasury.id, 2**40),  # type: ignore[union-attr]
        ]
        await engine.execute(transfer(asset.treasury.id, first, 2**41))  # type: ignore[union-attr]
        for move in moves:
            [transaction] = (await engine.execute(move)).transactions
            for dry_run in (False, True):
                for reader in (None, 1, 77):
                    expected = msgspec.json.encode(transfer_answer(engine.ledger, transaction, dry_run, reader))
                    assert transfer_json(engine.ledger, transaction, dry_run, reader) == expected
