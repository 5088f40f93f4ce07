"""Receipts over HTTP: for the two parties and operators, as a PDF or as text, a moment after they are asked for."""

import pytest

from walletd.engine.identity import Scope

from .conftest import Answer
from .test_credit_transfer import Bank, bank

__all__ = ["bank"]


async def receipt(bank: Bank, name: str, number: object, query: str = "") -> Answer:
    return await bank.get(f"/api/wallet/receipts/{number}/{query}", headers=bank.as_(name))


@pytest.fixture
async def number(bank: Bank) -> int:
    """John's side of a transfer of 25.00 to jane."""
    return int((await bank.send_money("john", 2, "25.00")).json["transaction_id"])


async def test_a_receipt_that_is_being_made_is_answered_202_and_then_it_is_there(bank: Bank, number: int) -> None:
    waiting = await receipt(bank, "john", number)
    await bank.receipts.make()
    ready = await receipt(bank, "john", number)
    assert (waiting.status, waiting.headers["Retry-After"]) == (202, "1")
    assert waiting.json["status"] == "pending"
    assert (ready.status, ready.headers["Content-Type"]) == (200, "application/pdf")
    assert ready.body.startswith(b"%PDF-")


async def test_the_text_says_who_paid_whom_what_and_no_balance(bank: Bank, number: int) -> None:
    bank.receipts.open = True
    answer = await receipt(bank, "john", number, "?format=txt")
    text = answer.body.decode()
    assert answer.headers["Content-Type"] == "text/plain; charset=utf-8"
    for words in ("25.00 USD", "john", "user 1", "jane", "user 2", f"{number} (sender)", "Chain value"):
        assert words in text
    assert "75.00" not in text
    assert "100.00" not in text


async def test_it_can_be_checked_against_the_ledger(bank: Bank, number: int) -> None:
    bank.receipts.open = True
    text = (await receipt(bank, "john", number, "?format=txt")).body.decode()
    said = {line[:16].strip(): line[16:] for line in text.splitlines()}
    record = (await bank.get(f"/v1{said['Link'].removeprefix('/v1')}")).json
    assert record["sequence"] == int(said["Journal record"])
    assert (record["amount"], record["created_at"]) == ("2500", said["Time"])
    assert record["transaction_id"] == said["Ledger id"]


async def test_both_parties_read_the_same_receipt_each_by_its_own_transaction(bank: Bank, number: int) -> None:
    bank.receipts.open = True
    (theirs,) = (await bank.get("/transactions/2")).json["transactions"]
    assert theirs["transaction_id"] != number
    for query in ("", "?format=pdf", "?format=txt"):
        mine = await receipt(bank, "john", number, query)
        other = await receipt(bank, "jane", theirs["transaction_id"], query)
        assert mine.body == other.body


async def test_to_anyone_else_there_is_no_such_receipt(bank: Bank, number: int) -> None:
    bank.receipts.open = True
    others, unknown = await receipt(bank, "ann", number), await receipt(bank, "ann", 999_999)
    assert (others.status, others.code) == (unknown.status, unknown.code) == (404, "transaction_not_found")
    assert others.json["detail"] == unknown.json["detail"]
    assert bank.receipts.asked == {}


@pytest.mark.parametrize("number", ["0", "-1", "01", "x", "1.0", "9" * 30, "%F0%9F%98%80"])
async def test_what_is_no_transaction_is_not_found(bank: Bank, number: str) -> None:
    assert (await receipt(bank, "john", number)).status == 404


async def test_an_operator_reads_every_receipt_if_its_key_may_read(bank: Bank, number: int) -> None:
    bank.receipts.open = True
    for scope, status in ((Scope.READ, 200), (Scope.WRITE, 403)):
        _, secret = await bank.access.create_key(f"key to {scope}", [scope], 0)
        path = f"/api/wallet/receipts/{number}/"
        assert (await bank.get(path, headers={"Authorization": f"Bearer {secret}"})).status == status


async def test_an_unknown_form_is_refused(bank: Bank, number: int) -> None:
    answer = await receipt(bank, "john", number, "?format=doc")
    assert (answer.status, answer.pointers) == (400, ["/format"])
    assert answer.json["format"]


async def test_both_spellings_and_head_are_served_and_nothing_is_kept_by_caches(bank: Bank, number: int) -> None:
    bank.receipts.open = True
    path = f"/api/wallet/receipts/{number}"
    for spelling in (path, f"{path}/"):
        answer = await bank.get(spelling, headers=bank.as_("john"))
        assert answer.status == 200
        assert answer.headers["Cache-Control"] == "no-store"
        assert answer.headers["X-Content-Type-Options"] == "nosniff"
        assert (await bank.send("HEAD", spelling, headers=bank.as_("john"))).status == 200


async def test_a_transfer_made_here_asks_for_its_receipt_and_one_made_elsewhere_does_not(bank: Bank) -> None:
    await bank.send_money("john", 2, "1.00")
    await bank.post("/transfer", {"sender_user_id": 1, "recipient_user_id": 2, "amount": 1})
    here, elsewhere = (record.body.movements[0] for record in (await bank.engine.events(0, 100))[-2:])
    assert (here.receipt, elsewhere.receipt) == (True, False)


async def test_a_transfer_made_elsewhere_gets_its_receipt_when_it_is_asked_for(bank: Bank) -> None:
    bank.receipts.open = True
    made = await bank.post(
        "/transfer", {"sender_user_id": 1, "recipient_user_id": 2, "amount": 1, "description": "rent"}
    )
    text = (await receipt(bank, "jane", made.json["recipient_transaction_id"], "?format=txt")).body.decode()
    assert "Description     rent" in text


async def test_a_credit_has_a_receipt_too_and_a_movement_of_many_legs_has_none(bank: Bank) -> None:
    bank.receipts.open = True
    credit = (await bank.get("/transactions/1")).json["transactions"][-1]
    assert "Treasury of USD" in (await receipt(bank, "john", credit["transaction_id"], "?format=txt")).body.decode()
    wallets = [(await bank.get(f"/v1/wallets?user_id={user}")).json["data"][0]["id"] for user in (1, 2, 3)]
    legs = [{"wallet_id": wallet, "amount": amount} for wallet, amount in zip(wallets, (-2, 1, 1), strict=True)]
    made = await bank.post("/v1/transactions", {"legs": legs})
    entry = made.json["legs"][0]["entry_id"].removeprefix("ent_")
    assert (await receipt(bank, "john", entry)).status == 404
