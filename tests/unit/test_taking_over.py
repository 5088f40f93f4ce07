"""What the ledger takes over from an image is what the records made, and what contradicts itself is refused."""

from collections.abc import Callable

import pytest

from walletd.engine.ledger import Ledger
from walletd.engine.limits import AMOUNT_MAX
from walletd.engine.ports import AssetState, ImageCounters, UserState, WalletState
from walletd.engine.records import MOVED, AssetCreated, Body, Leg, Movement, Record
from walletd.engine.wallet import InvariantBroken
from walletd.tests.builders import ledger_state

AT = 1_700_000_000_000_000

ASSETS = [
    AssetState(AssetCreated(1, "USD", "US Dollar", 2, True, 1, AMOUNT_MAX, 1), AT),
    AssetState(AssetCreated(2, "EUR", "Euro", 2, True, 1, AMOUNT_MAX, 2), AT),
]
USERS = [
    UserState(1, "ann", "ann", "Ann@x.org", None, "Ann", AT, AT + 9),
    UserState(2, None, None, None, None, None, AT + 1, AT + 1),
    UserState(3, "cid", None, None, "+1", None, AT + 2, AT + 2),
]
WALLETS = [
    WalletState(1, "t", 0, 1, False, False, False, None, -1_000, 2, 2, 3, AT, AT + 8),
    WalletState(2, "u", 0, 2, False, False, False, None, 0, 0, 0, 0, AT, AT),
    WalletState(3, "a", 1, 1, False, False, False, None, 900, 1, 1, 2, AT + 3, AT + 8),
    WalletState(4, "b", 2, 1, True, False, False, "check", 100, 4, 1, 4, AT + 3, AT + 10),
    WalletState(5, "c", 1, 2, False, False, True, None, 0, 3, 0, 0, AT + 3, AT + 11),
]


def taken_over(size: int = 20) -> Ledger:
    """A ledger from those states, in pages of at most `size`."""
    ledger = Ledger()
    treasuries = ledger.load_assets(ASSETS)
    for first in range(0, len(USERS), size):
        ledger.load_users(USERS[first : first + size])
    for first in range(0, len(WALLETS), size):
        ledger.load_wallets(WALLETS[first : first + size])
    ledger.attach_treasuries(treasuries)
    ledger.resume(20, ImageCounters(len(USERS), len(WALLETS), 2, 4))
    return ledger


@pytest.mark.parametrize("size", [1, 2, 20])
def test_everything_is_taken_over_in_pages_of_any_size(size: int) -> None:
    ledger = taken_over(size=size)

    for state in WALLETS:
        wallet = ledger.wallet_at(state.number)
        assert wallet is ledger.wallet(state.id)
        assert (wallet.user_id, wallet.asset.id, wallet.reason) == (state.user_id, state.asset, state.reason)
        assert (wallet.debits_frozen, wallet.credits_frozen, wallet.closed) == state[4:7]
        assert (wallet.posted, wallet.appended, wallet.held) == (state.posted, state.posted, 0)
        assert (wallet.version, wallet.entry_count, wallet.last_entry) == state[9:12]
        assert (wallet.created_at, wallet.updated_at) == state[12:]
    for user in USERS:
        found = ledger.user(user.id)
        assert (found.id, found.external_id, found.username, found.email) == user[:4]
        assert (found.phone_number, found.name, found.created_at, found.updated_at) == user[4:]
    assert ledger.user_with_email("ann@X.org") == ledger.user_with_external_id("ann") == ledger.user(1)
    assert [wallet.number for wallet in ledger.wallets_of(1)] == [3, 5]
    assert ledger.user(1).wallet is ledger.wallet("c")
    assert ledger.user(3).wallet is None


def test_the_page_size_makes_no_difference() -> None:
    assert ledger_state(taken_over(size=1)) == ledger_state(taken_over(size=2)) == ledger_state(taken_over())


@pytest.mark.parametrize(
    "break_it",
    [
        lambda ledger: ledger.load_users([USERS[1]]),
        lambda ledger: ledger.load_users([USERS[0]._replace(id=4, username=None, email=None)]),
        lambda ledger: ledger.load_users([USERS[0]._replace(id=4, external_id="x", email=None)]),
        lambda ledger: ledger.load_users([USERS[0]._replace(id=4, external_id="x", username=None)]),
        lambda ledger: ledger.load_users([USERS[1]._replace(id=number, external_id="twin") for number in (4, 5)]),
        lambda ledger: ledger.load_wallets([WALLETS[2]._replace(number=7, id="x", user_id=3)]),
        lambda ledger: ledger.load_wallets([WALLETS[2]._replace(number=6, id="a", user_id=3)]),
        lambda ledger: ledger.load_wallets([WALLETS[2]._replace(number=6, id="x", user_id=1)]),
        lambda ledger: ledger.load_wallets([WALLETS[2]._replace(number=6, id="x", user_id=3, asset=3)]),
        lambda ledger: ledger.load_wallets([WALLETS[2]._replace(number=6, id="x", user_id=4)]),
        lambda ledger: ledger.load_wallets([WALLETS[2]._replace(number=6, id="x", user_id=-1)]),
        lambda ledger: ledger.load_wallets([WALLETS[2]._replace(number=6, id="x", user_id=3, posted=-1)]),
    ],
    ids=[
        "a gap in users",
        "an external id twice",
        "a username twice",
        "an e-mail address twice",
        "an external id twice in a page",
        "a gap in wallets",
        "a wallet's id twice",
        "a second wallet in an asset",
        "an unknown asset",
        "an unknown user",
        "a user below zero",
        "a balance below zero",
    ],
)
def test_a_state_that_contradicts_the_others_is_refused(break_it: Callable[[Ledger], None]) -> None:
    ledger = Ledger()
    ledger.load_assets(ASSETS)
    ledger.load_users(USERS)
    ledger.load_wallets(WALLETS)

    with pytest.raises(InvariantBroken):
        break_it(ledger)


def pair(*legs: Leg, at: int = AT + 20) -> Record:
    """The next record of `taken_over`, a movement of those legs."""
    return Record(21, at, MOVED, Body(first_transaction=3, first_entry=5, movements=(Movement("debit"),), legs=legs))


@pytest.mark.parametrize(
    "legs",
    [
        (Leg(0, 3, -50, 850, 2, 2), Leg(0, 1, 50, -950, 3, 3)),
        (Leg(0, 1, 50, -950, 3, 3), Leg(0, 3, -50, 850, 2, 2)),
        (Leg(0, 3, -900, 0, 2, 2), Leg(0, 4, 900, 1_000, 2, 4)),
        (Leg(0, 1, 900, -100, 3, 3), Leg(0, 3, -900, 0, 2, 2)),
    ],
)
def test_a_pair_replayed_is_the_pair_applied(legs: tuple[Leg, Leg]) -> None:
    replayed, applied = taken_over(), taken_over()

    replayed.replay(pair(*legs))
    applied.apply(pair(*legs))

    assert ledger_state(replayed) == ledger_state(applied)
    assert replayed.next_entry == 7


@pytest.mark.parametrize(
    "legs",
    [
        (Leg(0, 3, -50, 850, 2, 2), Leg(0, 1, 50, -950, 3, 2)),
        (Leg(0, 3, -50, 850, 2, 2), Leg(0, 1, 50, -950, 4, 3)),
        (Leg(0, 3, -50, 850, 2, 2), Leg(0, 1, 50, -949, 3, 3)),
        (Leg(0, 3, -50, 850, 2, 2), Leg(0, 1, 60, -950, 3, 3)),
        (Leg(0, 3, -50, 850, 2, 2), Leg(0, 2, 50, 50, 1, 0)),
        (Leg(0, 5, 50, 50, 1, 0), Leg(0, 2, -50, -50, 1, 0)),
        (Leg(0, 2, -50, -50, 1, 0), Leg(0, 5, 50, 50, 1, 0)),
        (Leg(0, 1, 950, -50, 3, 3), Leg(0, 3, -950, -50, 2, 2)),
        (Leg(0, 3, -950, -50, 2, 2), Leg(0, 1, 950, -50, 3, 3)),
        (Leg(0, 3, -50, 850, 2, 2), Leg(1, 1, 50, -950, 3, 3)),
    ],
    ids=[
        "previous",
        "ordinal",
        "balance",
        "sum",
        "assets",
        "into a closed wallet",
        "into a closed wallet, said last",
        "below zero",
        "below zero, said first",
        "movement",
    ],
)
def test_a_pair_that_does_not_fit_is_refused(legs: tuple[Leg, Leg]) -> None:
    with pytest.raises(InvariantBroken):
        taken_over().replay(pair(*legs))
