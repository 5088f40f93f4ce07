"""The ledger applies what fits, and refuses every record that contradicts what came before it."""

from collections.abc import Callable

import pytest

from walletd.engine.ledger import Ledger
from walletd.engine.limits import AMOUNT_MAX
from walletd.engine.records import (
    ASSET_CREATED,
    MOVED,
    OPENED_AND_MOVED,
    USER_CREATED,
    USER_UPDATED,
    WALLET_CLOSED,
    WALLET_OPENED,
    AssetCreated,
    Body,
    Leg,
    Movement,
    Record,
    UserCreated,
    UserUpdated,
    WalletChanged,
    WalletOpened,
)
from walletd.engine.refusals import Refusal, RefusalCode
from walletd.engine.wallet import InvariantBroken

USD = AssetCreated(840, "USD", "US Dollar", 2, True, 1, AMOUNT_MAX, 1, ("DOLLAR",))
PAY = (Movement("credit"),)


def body_of_assets(asset: AssetCreated = USD, treasury: WalletOpened | None = None) -> Body:
    """An asset and its Treasury."""
    return Body(assets=(asset,), wallets=(treasury or WalletOpened(1, "t", 0, 840),))


def a_ledger() -> Ledger:
    """USD, its Treasury 1 at -100, wallet 2 of user 1 at 100; user 2 without a wallet. Four records."""
    ledger = Ledger()
    ledger.replay(Record(1, 10, ASSET_CREATED, body_of_assets()))
    ledger.replay(
        Record(
            2,
            20,
            USER_CREATED,
            Body(
                users=(UserCreated(1, "ext", "ann", "Ann@x.org", "+1", "Ann"),), wallets=(WalletOpened(2, "w", 1, 840),)
            ),
        )
    )
    ledger.replay(Record(3, 30, USER_CREATED, Body(users=(UserCreated(2, username="bob", email="bob@x.org"),))))
    ledger.replay(
        Record(4, 40, MOVED, moved(Leg(0, 1, -100, -100, 1, 0), Leg(0, 2, 100, 100, 1, 0), entry=1, transaction=1))
    )
    return ledger


def moved(
    *legs: Leg, entry: int = 3, transaction: int = 2, movements: int = 1, wallets: tuple[WalletOpened, ...] = ()
) -> Body:
    """A body of legs, numbered as the next one of `a_ledger` is."""
    return Body(first_transaction=transaction, first_entry=entry, movements=PAY * movements, legs=legs, wallets=wallets)


def test_records_bring_the_ledger_to_what_they_say() -> None:
    ledger = a_ledger()

    assert ledger.seq == 4
    assert (ledger.next_user, ledger.next_wallet, ledger.next_transaction, ledger.next_entry) == (3, 3, 2, 3)
    assert [ledger.wallet_at(number).posted for number in (1, 2)] == [-100, 100]
    assert ledger.asset("DOLLAR") is ledger.asset_by_id(840) is ledger.asset("USD")
    assert ledger.asset("USD").treasury is ledger.wallet("t")


def test_reading_finds_users_by_every_name_of_theirs() -> None:
    ledger = a_ledger()
    ann, bob = ledger.user(1), ledger.user(2)

    assert ledger.user_with_external_id("ext") == ann
    assert ledger.user_with_username("ann") == ann
    assert ledger.user_with_email("aNN@X.ORG") == ann
    assert ledger.find_user("ext") == ann
    assert ledger.find_user("2") == bob


@pytest.mark.parametrize("text", ["1", "3", "0", "02", "", "-2", "²", "٢", "99999999999999999999"])
def test_a_decimal_id_finds_only_an_existing_user_without_an_external_id(text: str) -> None:
    with pytest.raises(Refusal) as caught:
        a_ledger().find_user(text)

    assert caught.value.code is RefusalCode.USER_NOT_FOUND


def test_wallets_are_found_in_any_case_and_by_holder_and_asset() -> None:
    ledger = a_ledger()

    assert ledger.wallet("W") is ledger.wallet("w")
    assert ledger.wallet_of(1, ledger.asset("USD")) is ledger.wallet("w")
    assert ledger.wallet_of(2, ledger.asset("USD")) is None
    assert ledger.wallets_of(1) == [ledger.wallet("w")]


@pytest.mark.parametrize(
    ("look", "code"),
    [
        (lambda ledger: ledger.wallet("x"), RefusalCode.WALLET_NOT_FOUND),
        (lambda ledger: ledger.asset("EUR"), RefusalCode.ASSET_NOT_FOUND),
        (lambda ledger: ledger.asset_by_id(1), RefusalCode.ASSET_NOT_FOUND),
        (lambda ledger: ledger.user(0), RefusalCode.USER_NOT_FOUND),
        (lambda ledger: ledger.user(3), RefusalCode.USER_NOT_FOUND),
        (lambda ledger: ledger.wallets_of(3), RefusalCode.USER_NOT_FOUND),
    ],
)
def test_what_is_not_there_is_refused_by_its_own_code(look: Callable[[Ledger], object], code: RefusalCode) -> None:
    with pytest.raises(Refusal) as caught:
        look(a_ledger())

    assert caught.value.code is code


def test_an_update_frees_the_old_names_and_claims_the_new_ones() -> None:
    ledger = a_ledger()

    ledger.replay(Record(5, 50, USER_UPDATED, Body(user_changes=(UserUpdated(1, "anna", None, None, "Anna"),))))

    assert ledger.user_with_username("ann") is None
    assert ledger.user_with_email("ann@x.org") is None
    assert ledger.user_with_username("anna") == ledger.user(1)
    assert (ledger.user(1).created_at, ledger.user(1).updated_at) == (20, 50)


BALANCED = moved(Leg(0, 2, -5, 95, 2, 2), Leg(0, 1, 5, -95, 2, 1))


def test_a_record_that_fits_is_replayed() -> None:
    ledger = a_ledger()

    ledger.replay(Record(5, 50, MOVED, BALANCED))

    assert [ledger.wallet_at(number).posted for number in (1, 2)] == [-95, 95]


INCONSISTENT = {
    "a record is missing": Record(6, 50, MOVED, BALANCED),
    "a record comes twice": Record(4, 50, MOVED, BALANCED),
    "entries skip a number": Record(5, 50, MOVED, moved(*BALANCED.legs, entry=4)),
    "entries repeat a number": Record(5, 50, MOVED, moved(*BALANCED.legs, entry=2)),
    "transactions skip a number": Record(5, 50, MOVED, moved(*BALANCED.legs, transaction=3)),
    "legs do not sum to zero": Record(5, 50, MOVED, moved(Leg(0, 2, -5, 95, 2, 2), Leg(0, 1, 6, -94, 2, 1))),
    "legs sum to zero only over two movements": Record(
        5, 50, MOVED, moved(Leg(0, 2, -5, 95, 2, 2), Leg(1, 1, 5, -95, 2, 1), movements=2)
    ),
    "a recorded balance is wrong": Record(5, 50, MOVED, moved(Leg(0, 2, -5, 94, 2, 2), Leg(0, 1, 5, -95, 2, 1))),
    "a balance falls below zero": Record(5, 50, MOVED, moved(Leg(0, 2, -101, -1, 2, 2), Leg(0, 1, 101, 1, 2, 1))),
    "an ordinal is wrong": Record(5, 50, MOVED, moved(Leg(0, 2, -5, 95, 3, 2), Leg(0, 1, 5, -95, 2, 1))),
    "a previous entry is wrong": Record(5, 50, MOVED, moved(Leg(0, 2, -5, 95, 2, 1), Leg(0, 1, 5, -95, 2, 1))),
    "a leg names an unknown wallet": Record(5, 50, MOVED, moved(Leg(0, 3, -5, 95, 2, 2), Leg(0, 1, 5, -95, 2, 1))),
    "a leg names wallet zero": Record(5, 50, MOVED, moved(Leg(0, 0, -5, 95, 2, 2), Leg(0, 1, 5, -95, 2, 1))),
    "a leg names an unknown movement": Record(5, 50, MOVED, moved(Leg(1, 2, -5, 95, 2, 2), Leg(1, 1, 5, -95, 2, 1))),
    "a user's number is skipped": Record(5, 50, USER_CREATED, Body(users=(UserCreated(4),))),
    "a user's number is repeated": Record(5, 50, USER_CREATED, Body(users=(UserCreated(2),))),
    "an external id is taken": Record(5, 50, USER_CREATED, Body(users=(UserCreated(3, external_id="ext"),))),
    "a username is taken": Record(5, 50, USER_CREATED, Body(users=(UserCreated(3, username="ann"),))),
    "an e-mail address is taken in another case": Record(
        5, 50, USER_CREATED, Body(users=(UserCreated(3, email="BOB@X.ORG"),))
    ),
    "an unknown user changes": Record(5, 50, USER_UPDATED, Body(user_changes=(UserUpdated(3, None, None, None, None),))),
    "a user changes to a taken name": Record(
        5, 50, USER_UPDATED, Body(user_changes=(UserUpdated(2, "ann", None, None, None),))
    ),
    "a wallet's number is skipped": Record(5, 50, WALLET_OPENED, Body(wallets=(WalletOpened(4, "x", 2, 840),))),
    "a wallet's id is taken": Record(5, 50, WALLET_OPENED, Body(wallets=(WalletOpened(3, "w", 2, 840),))),
    "a wallet is of an unknown asset": Record(5, 50, WALLET_OPENED, Body(wallets=(WalletOpened(3, "x", 2, 841),))),
    "a wallet is of an unknown user": Record(5, 50, WALLET_OPENED, Body(wallets=(WalletOpened(3, "x", 3, 840),))),
    "an unknown wallet changes": Record(5, 50, WALLET_CLOSED, Body(wallet_changes=(WalletChanged(3, closed=True),))),
    "a wallet closes with a balance": Record(
        5, 50, WALLET_CLOSED, Body(wallet_changes=(WalletChanged(2, closed=True),))
    ),
    "an asset's id is taken": Record(
        5, 50, ASSET_CREATED, Body(assets=(AssetCreated(840, "EUR", "", 2, True, 1, 9, 3),), wallets=(WalletOpened(3, "x", 0, 840),))
    ),
    "an asset's alias is taken": Record(
        5,
        50,
        ASSET_CREATED,
        Body(assets=(AssetCreated(1, "EUR", "", 2, True, 1, 9, 3, ("USD",)),), wallets=(WalletOpened(3, "x", 0, 1),)),
    ),
    "an opened wallet is paid by a leg of another asset": Record(
        5,
        50,
        OPENED_AND_MOVED,
        moved(Leg(0, 4, 5, 5, 1, 0), Leg(0, 1, -5, -105, 2, 1), wallets=(WalletOpened(3, "x", 2, 840),)),
    ),
    "a second wallet of a user in an asset": Record(
        5, 50, WALLET_OPENED, Body(wallets=(WalletOpened(3, "x", 1, 840),))
    ),
    "an asset without a Treasury": Record(5, 50, ASSET_CREATED, Body(assets=(AssetCreated(1, "EUR", "", 2, True, 1, 9, 3),))),
    "an asset whose Treasury does not exist": Record(
        5,
        50,
        ASSET_CREATED,
        Body(assets=(AssetCreated(1, "EUR", "", 2, True, 1, 9, 7),), wallets=(WalletOpened(3, "x", 0, 1),)),
    ),
    "an asset whose Treasury is a user's wallet": Record(
        5,
        50,
        ASSET_CREATED,
        Body(assets=(AssetCreated(1, "EUR", "", 2, True, 1, 9, 2),), wallets=(WalletOpened(3, "x", 0, 1),)),
    ),
    "movements without legs": Record(5, 50, MOVED, moved()),
}  # fmt: skip


@pytest.mark.parametrize("record", INCONSISTENT.values(), ids=INCONSISTENT.keys())
def test_replay_refuses_a_record_that_contradicts_the_ledger(record: Record) -> None:
    with pytest.raises(InvariantBroken):
        a_ledger().replay(record)


def test_replay_refuses_money_that_moves_in_a_closed_wallet() -> None:
    ledger = a_ledger()
    ledger.replay(Record(5, 50, WALLET_OPENED, Body(wallets=(WalletOpened(3, "x", 2, 840),))))
    ledger.replay(Record(6, 60, WALLET_CLOSED, Body(wallet_changes=(WalletChanged(3, closed=True),))))

    with pytest.raises(InvariantBroken):
        ledger.replay(Record(7, 70, MOVED, moved(Leg(0, 2, -5, 95, 2, 2), Leg(0, 3, 5, 5, 1, 0))))


def test_replay_refuses_a_balance_beyond_the_largest() -> None:
    ledger = a_ledger()
    to_the_edge = AMOUNT_MAX - 100
    ledger.replay(
        Record(
            5, 50, MOVED, moved(Leg(0, 1, -to_the_edge, -AMOUNT_MAX, 2, 1), Leg(0, 2, to_the_edge, AMOUNT_MAX, 2, 2))
        )
    )
    assert ledger.wallet_at(2).posted == AMOUNT_MAX

    with pytest.raises(InvariantBroken):
        ledger.replay(
            Record(
                6,
                60,
                MOVED,
                moved(Leg(0, 1, -1, -AMOUNT_MAX - 1, 3, 3), Leg(0, 2, 1, AMOUNT_MAX + 1, 3, 4), entry=5, transaction=3),
            )
        )
