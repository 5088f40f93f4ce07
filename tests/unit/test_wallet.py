"""The wallet's rules: what may leave, what may enter, and that taking back is exact."""

import msgspec
import pytest

from walletd.engine.limits import AMOUNT_MAX
from walletd.engine.records import Leg
from walletd.engine.refusals import RefusalCode
from walletd.engine.wallet import UNDECIDED, Asset, InvariantBroken, Restrictions, Wallet

USD = Asset(1, "USD", "US Dollar", 2, True, 1, AMOUNT_MAX, (), True, 0)


def a_wallet(posted: int = 0, *, user_id: int = 7, held: int = 0) -> Wallet:
    """A user's settled wallet with three entries."""
    return Wallet(1, "w", user_id, USD, 0, 0, posted, held, posted, 3, 30)


def a_treasury(posted: int = 0) -> Wallet:
    """A settled Treasury."""
    return a_wallet(posted, user_id=0)


def members(wallet: Wallet) -> dict[str, object]:
    """All fields of a wallet."""
    return msgspec.structs.asdict(wallet)


def test_a_debit_of_all_that_is_available_is_granted() -> None:
    assert a_wallet(100).judge(-100, 100, -100) is None


def test_a_debit_of_one_unit_more_than_available_is_insufficient() -> None:
    assert a_wallet(100).judge(-101, 101, -101) is RefusalCode.INSUFFICIENT_BALANCE


def test_held_money_cannot_be_drawn_again() -> None:
    wallet = a_wallet(100, held=60)

    assert wallet.available == 40
    assert wallet.judge(-40, 40, -40) is None
    assert wallet.judge(-41, 41, -41) is UNDECIDED


def test_a_debit_that_only_the_money_held_by_others_could_pay_is_undecided_and_more_is_insufficient() -> None:
    wallet = a_wallet(100, held=60)

    assert wallet.judge(-100, 100, -100) is UNDECIDED
    assert wallet.judge(-101, 101, -101) is RefusalCode.INSUFFICIENT_BALANCE


def test_what_the_same_record_holds_already_is_not_in_its_way_but_spent() -> None:
    wallet = a_wallet(100, held=60)

    assert wallet.judge(-40, 40, -100, own=60) is None
    assert wallet.judge(-41, 41, -101, own=60) is RefusalCode.INSUFFICIENT_BALANCE
    assert wallet.judge(-41, 41, -91, own=50) is UNDECIDED
    assert wallet.judge(-51, 51, -101, own=50) is RefusalCode.INSUFFICIENT_BALANCE


@pytest.mark.parametrize("in_flight", [50, -50])
def test_a_debit_of_more_than_is_durable_is_insufficient_whatever_is_in_flight(in_flight: int) -> None:
    wallet = a_wallet(100)
    wallet.held = max(-in_flight, 0)
    wallet.project(0, in_flight, 31)

    assert wallet.judge(-101, 101, -101) is RefusalCode.INSUFFICIENT_BALANCE


def test_money_on_its_way_in_is_not_spendable() -> None:
    wallet = a_wallet(0)
    wallet.project(0, 50, 31)

    assert wallet.available == 0
    assert wallet.judge(-1, 1, -1) is RefusalCode.INSUFFICIENT_BALANCE


def test_a_debit_that_durable_money_covers_is_granted_beside_records_in_flight() -> None:
    wallet = a_wallet(100)
    wallet.project(0, 50, 31)

    assert wallet.judge(-100, 100, -100) is None


def test_a_credit_exactly_to_the_largest_balance_is_granted_and_one_more_overflows() -> None:
    wallet = a_wallet(AMOUNT_MAX - 10)

    assert wallet.judge(10, 0, 10) is None
    assert wallet.judge(11, 0, 11) is RefusalCode.BALANCE_OVERFLOW


def test_an_overflow_only_by_what_is_in_flight_is_undecided_and_one_by_durable_money_is_refused() -> None:
    wallet = a_wallet(AMOUNT_MAX - 10)
    wallet.project(0, 5, 31)

    assert wallet.judge(5, 0, 5) is None
    assert wallet.judge(6, 0, 6) is UNDECIDED
    assert wallet.judge(10, 0, 10) is UNDECIDED
    assert wallet.judge(11, 0, 11) is RefusalCode.BALANCE_OVERFLOW


def test_an_outgoing_amount_in_flight_makes_room_for_an_incoming_one() -> None:
    wallet = a_wallet(AMOUNT_MAX)
    wallet.held = 10
    wallet.project(0, -10, 31)

    assert wallet.judge(10, 0, 10) is None


def test_a_treasury_goes_below_zero_to_the_smallest_balance_and_no_further() -> None:
    assert a_treasury().judge(-AMOUNT_MAX, 0, -AMOUNT_MAX) is None
    assert a_treasury(-1).judge(-AMOUNT_MAX, 0, -AMOUNT_MAX) is RefusalCode.BALANCE_OVERFLOW
    assert a_treasury(AMOUNT_MAX).judge(1, 0, 1) is RefusalCode.BALANCE_OVERFLOW


@pytest.mark.parametrize(("debits_frozen", "credits_frozen", "stopped"), [(True, False, -5), (False, True, 5)])
def test_a_freeze_stops_its_own_direction_only(debits_frozen: bool, credits_frozen: bool, stopped: int) -> None:
    wallet = a_wallet(100)
    wallet.restrictions = Restrictions(debits_frozen=debits_frozen, credits_frozen=credits_frozen)

    assert wallet.judge(stopped, max(-stopped, 0), stopped) is RefusalCode.WALLET_FROZEN
    assert wallet.judge(-stopped, max(stopped, 0), -stopped) is None
    assert wallet.status == "frozen"


def test_closed_is_said_before_frozen_and_frozen_before_the_balance() -> None:
    wallet = a_wallet(0)
    wallet.restrictions = Restrictions(debits_frozen=True)
    assert wallet.judge(-5, 5, -5) is RefusalCode.WALLET_FROZEN
    wallet.restrictions.closed = True

    assert wallet.judge(-5, 5, -5) is RefusalCode.WALLET_CLOSED
    assert wallet.judge(5, 0, 5) is RefusalCode.WALLET_CLOSED
    assert wallet.status == "closed"


def test_nothing_is_decided_while_a_change_of_the_wallet_is_in_flight() -> None:
    wallet = a_wallet(100)
    wallet.changing = True

    assert wallet.judge(-1, 1, -1) is UNDECIDED
    assert wallet.judge(1, 0, 1) is UNDECIDED


def test_a_projected_leg_says_the_balance_the_ordinal_and_the_entry_before_it() -> None:
    wallet = a_wallet(100)

    first, second = wallet.project(0, -30, 41), wallet.project(2, 5, 44)

    assert first == Leg(0, 1, -30, 70, 4, 30)
    assert second == Leg(2, 1, 5, 75, 5, 41)
    assert (wallet.posted, wallet.appended, wallet.in_flight) == (100, 75, 2)


def test_unprojecting_in_reverse_order_leaves_no_trace() -> None:
    wallet = a_wallet(100)
    before = members(wallet)
    legs = [wallet.project(0, amount, 41 + offset) for offset, amount in enumerate((-30, 5, 7))]

    for leg in reversed(legs):
        wallet.unproject(leg)

    assert members(wallet) == before


def test_unprojecting_the_latest_leg_leaves_the_earlier_one_as_it_was() -> None:
    wallet = a_wallet(100)
    wallet.project(0, -30, 41)
    before = members(wallet)

    wallet.unproject(wallet.project(0, 9, 42))

    assert members(wallet) == before
    assert wallet.project(0, 9, 42).previous == 41


def test_applying_a_projected_leg_posts_it_and_leaves_the_appended_view_where_it_is() -> None:
    wallet = a_wallet(100)
    first = wallet.project(0, -30, 41)
    wallet.project(0, 5, 42)

    wallet.apply(first, 41, at=99)

    assert (wallet.posted, wallet.appended, wallet.in_flight) == (70, 75, 1)
    assert (wallet.version, wallet.updated_at, wallet.entry_count, wallet.last_entry) == (4, 99, 5, 42)


def test_applying_a_leg_that_was_not_projected_takes_the_appended_view_along() -> None:
    wallet = a_wallet(100)

    wallet.apply(Leg(0, 1, 5, 105, 4, 30), 41, at=99)

    assert (wallet.posted, wallet.appended, wallet.entry_count, wallet.last_entry) == (105, 105, 4, 41)


@pytest.mark.parametrize(
    ("leg", "sentence"),
    [
        (Leg(0, 1, 5, 106, 4, 30), "balance 105, recorded 106"),
        (Leg(0, 1, -101, -1, 4, 30), "below zero"),
        (Leg(0, 1, 5, 105, 5, 30), "entry 5 after 3 entries"),
        (Leg(0, 1, 5, 105, 4, 29), "entry 4 after 3 entries"),
    ],
    ids=["balance", "below zero", "ordinal", "previous entry"],
)
def test_a_leg_that_is_not_this_wallets_next_one_is_refused(leg: Leg, sentence: str) -> None:
    with pytest.raises(InvariantBroken, match=sentence):
        a_wallet(100).apply(leg, 41, at=99)


def test_a_treasury_is_applied_below_zero() -> None:
    treasury = a_treasury()

    treasury.apply(Leg(0, 1, -5, -5, 4, 30), 41, at=99)

    assert treasury.posted == -5
    assert treasury.is_treasury
