"""The laws of Image and Queries, for every implementation."""

import random
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from walletd.engine.idempotency import key_digest
from walletd.engine.limits import AMOUNT_MAX, FOLD_STEP_MAX, GROUP_MAX
from walletd.engine.ports import (
    AssetState,
    Entry,
    Head,
    HistoryEntry,
    HistoryQuery,
    ImageCounters,
    KeyState,
    NumberedPage,
    NumberedQuery,
    UserState,
    WalletQuery,
    WalletState,
)
from walletd.engine.records import GENESIS, AssetCreated, ItemRefused, Movement, entry_type
from walletd.tests.contract.conftest import ImageAndQueries, Stores
from walletd.tests.contract.script import START_AT, Script


async def folded(stores: Stores, script: Script) -> ImageAndQueries:
    """The image after every row of the script, opened first."""
    epoch, head = await stores.journal.claim()
    rows = script.rows[head.seq :]
    for first in range(0, len(rows), GROUP_MAX):
        await stores.journal.append(epoch, rows[first : first + GROUP_MAX])
    at, _ = await stores.image.open()
    while at.seq < len(script.rows):
        at = await stores.image.fold(len(script.rows))
    return stores.image


async def content(image: ImageAndQueries, keys_since: int = 0) -> list[Any]:
    return [state async for chunk in image.load(keys_since) for state in chunk]


async def walk(image: ImageAndQueries, query: dict[str, Any], limit: int) -> list[HistoryEntry]:
    """All pages of a query, one after another."""
    entries: list[HistoryEntry] = []
    below = query.pop("below", None)
    while True:
        page = await image.history(HistoryQuery(**query, limit=limit, below=below))
        assert len(page.entries) <= limit
        entries += page.entries
        if page.next_below is None:
            return entries
        assert below is None or page.next_below < below
        below = page.next_below


async def test_a_new_image_is_empty(stores: Stores) -> None:
    await stores.journal.claim()

    head, counters = await stores.image.open()

    assert head == Head(0, 0, GENESIS)
    assert counters == ImageCounters(0, 0, 0, 0)
    assert await content(stores.image) == []


async def test_the_head_names_the_last_record_folded(stores: Stores, script: Script) -> None:
    script.asset()
    script.user()
    script.user()
    epoch, _ = await stores.journal.claim()
    await stores.journal.append(epoch, script.rows)
    await stores.image.open()

    head = await stores.image.fold(2)

    assert head == Head(2, script.rows[1].at, script.rows[1].chain)
    assert await stores.image.fold(2) == head
    assert (await stores.image.fold(3)).seq == 3


async def test_one_fold_takes_a_bounded_number_of_records(stores: Stores, script: Script) -> None:
    script.asset()
    while len(script.rows) <= FOLD_STEP_MAX + 1:
        script.user(asset=None)
    epoch, _ = await stores.journal.claim()
    for first in range(0, len(script.rows), GROUP_MAX):
        await stores.journal.append(epoch, script.rows[first : first + GROUP_MAX])
    await stores.image.open()

    head = await stores.image.fold(len(script.rows))

    assert 0 < head.seq <= FOLD_STEP_MAX


async def test_every_kind_of_record_is_folded(stores: Stores, script: Script) -> None:
    treasury = script.asset(aliases=("dollar", "buck"), name="US Dollar", scale=4, active=False)
    first = script.user(external_id="x-1", username="ann")
    second = script.user(asset=None, email="b@example.org")
    wallet = script.wallet(second)
    third = script.open_and_move(treasury, 70, external_id="x-3")
    script.change_user(first, username="anna", phone_number="+123")
    script.change_user(first, username="anne", name="Anne")
    script.freeze(wallet, "check", credits_frozen=True)
    script.unfreeze(wallet)
    script.freeze(2, "fraud")
    script.close(wallet)
    script.move((third, -20), (2, 20))

    image = await folded(stores, script)

    at = [row.at for row in script.rows]
    ids = [f"00000000-0000-0000-0000-{number:012}" for number in range(1, 5)]
    asset = AssetCreated(1, "USD", "US Dollar", 4, True, 1, 10**15, treasury, ("dollar", "buck"), False)
    assert await content(image) == [
        AssetState(asset, at[0]),
        UserState(1, "x-1", "anne", None, None, "Anne", at[1], at[6]),
        UserState(2, None, None, "b@example.org", None, None, at[2], at[2]),
        UserState(3, "x-3", None, None, None, None, at[4], at[4]),
        WalletState(1, ids[0], 0, 1, False, False, False, None, -70, 1, 1, 1, at[0], at[4]),
        WalletState(2, ids[1], 1, 1, True, False, False, "fraud", 20, 2, 1, 4, at[1], at[11]),
        WalletState(3, ids[2], 2, 1, False, False, True, None, 0, 3, 0, 0, at[3], at[10]),
        WalletState(4, ids[3], 3, 1, False, False, False, None, 50, 2, 2, 3, at[4], at[11]),
    ]


async def test_flags_are_loaded_as_booleans(stores: Stores, script: Script) -> None:
    script.asset()
    script.user()

    image = await folded(stores, script)

    asset, _, *wallets = await content(image)
    assert asset.asset.transferable is True
    assert asset.asset.active is True
    assert all(type(w.debits_frozen) is type(w.credits_frozen) is type(w.closed) is bool for w in wallets)


async def test_the_image_does_not_depend_on_how_it_was_cut_into_steps(
    stores: Stores, implementation: str, script: Script
) -> None:
    treasury = script.asset()
    for _ in range(20):
        script.user()
    script.random_moves(150, seed=1)
    wallet = script.open_and_move(treasury, 5)
    script.batch((((1, -1), (wallet, 1)), Movement("credit")), (((wallet, -1), (3, 1)), Movement("transfer")), key="b")
    script.random_moves(50, seed=2)
    image = await folded(stores, script)
    at_once = await content(image)

    await image.reset()
    await image.open()
    for through in sorted({*random.Random(3).sample(range(1, len(script.rows)), 40), len(script.rows)}):
        await image.fold(through)

    assert await content(image) == at_once


async def test_the_largest_amounts_are_kept_exactly(stores: Stores, script: Script) -> None:
    treasury = script.asset()
    script.user()
    script.move((treasury, -AMOUNT_MAX), (2, AMOUNT_MAX))
    script.user()
    script.batch((((2, -AMOUNT_MAX + 1), (3, AMOUNT_MAX - 1)), Movement("x")), (((3, -1), (2, 1)), Movement("y")))

    image = await folded(stores, script)

    wallets = [state.posted for state in await content(image) if isinstance(state, WalletState)]
    assert wallets == [-AMOUNT_MAX, 2, AMOUNT_MAX - 2]
    found = await image.transaction(1)
    assert found is not None
    assert found.entries == (
        Entry(1, 1, -AMOUNT_MAX, -AMOUNT_MAX, 1),
        Entry(2, 2, AMOUNT_MAX, AMOUNT_MAX, 1),
    )


async def test_a_movement_is_read_back_with_all_it_says(stores: Stores, script: Script) -> None:
    treasury = script.asset()
    script.user()
    script.user()
    metadata = {
        "deep": [1, {"x": None, "y": True}],
        "big": 2**64 - 1,
        "float": 0.1,
        "text": 'é "\u2028\\ \n\u0000',
        "": {},
    }
    number = script.move(
        (treasury, -3),
        (2, 1),
        (3, 2),
        type_="payout",
        description="d \n é",
        category="c",
        reference="r",
        metadata=metadata,
    )

    image = await folded(stores, script)

    found = await image.transaction(number)
    assert found is not None
    assert (found.id, found.seq, found.at) == (number, len(script.rows), script.head.at)
    assert (found.type, found.description, found.category, found.reference) == ("payout", "d \n é", "c", "r")
    assert found.metadata == metadata
    assert found.entries == (Entry(1, 1, -3, -3, 1), Entry(2, 2, 1, 1, 1), Entry(3, 3, 2, 2, 1))
    assert await image.transaction(number + 1) is None


async def test_each_movement_of_a_batch_has_its_own_entries(stores: Stores, script: Script) -> None:
    treasury = script.asset()
    script.user()
    script.user()
    first = script.batch(
        (((treasury, -10), (2, 10)), Movement("credit", description="one")),
        (((2, -3), (3, 2), (treasury, 1)), Movement("transaction", metadata={"n": 2})),
        (((2, -1), (3, 1)), Movement("transfer")),
        refusals=(ItemRefused(1, "insufficient_balance", "no"),),
    )
    script.move((2, -1), (3, 1))

    image = await folded(stores, script)

    moves = [await image.transaction(first + offset) for offset in range(4)]
    assert [move.type for move in moves if move] == ["credit", "transaction", "transfer", "transfer"]
    assert [[entry.id for entry in move.entries] for move in moves if move] == [[1, 2], [3, 4, 5], [6, 7], [8, 9]]
    assert [move.metadata for move in moves if move] == [None, {"n": 2}, None, None]
    assert [move.seq for move in moves if move] == [4, 4, 4, 5]


@pytest.mark.parametrize("limit", [1, 7, 64, 100])
async def test_pages_of_a_history_join_to_all_of_it(stores: Stores, script: Script, limit: int) -> None:
    script.asset()
    for _ in range(4):
        script.user()
    script.random_moves(500, seed=limit)

    image = await folded(stores, script)

    for wallet in range(1, 6):
        entries = await walk(image, {"wallet": wallet}, limit)
        assert [found.entry.ordinal for found in entries] == list(range(script.ordinals[wallet], 0, -1))
        assert entries[0].entry.balance_after == script.posted[wallet]
        assert [found.at for found in entries] == sorted((found.at for found in entries), reverse=True)
        balances = [found.entry.balance_after for found in entries]
        assert balances == [sum(found.entry.amount for found in entries[index:]) for index in range(len(entries))]


async def test_the_last_page_of_a_history_says_that_there_is_no_more(stores: Stores, script: Script) -> None:
    treasury = script.asset()
    script.user()
    for _ in range(4):
        script.move((treasury, -1), (2, 1))

    image = await folded(stores, script)

    assert (await image.history(HistoryQuery(wallet=2, limit=4))).next_below is None
    assert (await image.history(HistoryQuery(wallet=2, limit=3))).next_below == 2
    assert (await image.history(HistoryQuery(wallet=2, limit=3, below=1))).entries == []


async def test_a_wallet_without_entries_or_an_unknown_one_has_an_empty_history(stores: Stores, script: Script) -> None:
    script.asset()
    script.user()

    image = await folded(stores, script)

    for wallet in (2, 99):
        page = await image.history(HistoryQuery(wallet=wallet, limit=5))
        assert (page.entries, page.next_below) == ([], None)


async def test_every_filter_of_a_history_keeps_exactly_what_matches(stores: Stores, script: Script) -> None:
    seed = 5
    dice = random.Random(seed)
    treasury = script.asset()
    script.user()
    script.user()
    script.move((treasury, -(10**6)), (2, 10**6))
    for _ in range(400):
        amount = dice.randint(1, 50)
        members: dict[str, Any] = {
            "type_": dice.choice(["transfer", "transaction", "credit", "topup", "transfer_in"]),
            "category": dice.choice([None, "rent", "food"]),
        }
        source, destination = (2, 3) if script.posted[3] < amount or dice.random() < 0.6 else (3, 2)
        script.move((source, -amount), (destination, amount), **members)
    image = await folded(stores, script)
    everything = await walk(image, {"wallet": 2}, 100)

    for _ in range(150):
        times = [dice.choice([None, dice.choice(everything).at, START_AT, START_AT + 10**9]) for _ in range(2)]
        amounts = [dice.choice([None, dice.randint(0, 60)]) for _ in range(2)]
        types = dice.choice(
            [None, ("transfer_in",), ("transaction_out", "topup"), ("none",), ("credit", "transfer_out")]
        )
        category = dice.choice([None, None, "rent"])
        below = dice.choice([None, dice.randint(1, 420)])
        query = {
            "wallet": 2, "below": below, "types": types, "category": category, "at_from": times[0], "at_to": times[1],
            "min_amount": amounts[0], "max_amount": amounts[1],
        }  # fmt: skip
        expected = [
            found
            for found in everything
            if (below is None or found.entry.ordinal < below)
            and (types is None or found.type in types)
            and (category is None or found.category == category)
            and (times[0] is None or found.at >= times[0])
            and (times[1] is None or found.at < times[1])
            and (amounts[0] is None or abs(found.entry.amount) >= amounts[0])
            and (amounts[1] is None or abs(found.entry.amount) <= amounts[1])
        ]
        assert await walk(image, dict(query), dice.choice([1, 20, 100])) == expected, (seed, query)


async def test_an_entry_of_a_history_says_its_direction_as_the_records_do(stores: Stores, script: Script) -> None:
    script.asset()
    script.user()
    types = ["transfer", "transaction", "credit", "transfer_in"]
    for type_ in types:
        script.move((1, -5), (2, 5), type_=type_)

    image = await folded(stores, script)

    for wallet in (1, 2):
        entries = await walk(image, {"wallet": wallet}, 10)
        assert [found.type for found in entries] == [
            entry_type(type_, found.entry.amount) for type_, found in zip(reversed(types), entries, strict=True)
        ]


async def test_movements_are_found_by_numbers_and_by_entry(stores: Stores, script: Script) -> None:
    script.asset()
    script.user()
    script.move((1, -1), (2, 1), key="one")
    script.batch((((1, -1), (2, 1)), Movement("a")), (((1, -1), (2, 1)), Movement("b")), key="two")
    script.move((1, -1), (2, 1))

    image = await folded(stores, script)

    one, two, three, four = await image.transactions([1, 2, 3, 4])
    assert [one.key, two.key, three.key, four.key] == ["one", "two", "two", None]
    assert await image.transactions([3, 99, 1]) == [three, one]
    assert await image.transactions([]) == []
    assert [await image.transaction_of_entry(entry) for entry in (0, 1, 2, 5, 8, 9)] == [
        None,
        one,
        one,
        three,
        four,
        None,
    ]
    assert await image.transaction(2) == two
    await image.expire_keys(script.head.at + 1)
    assert await image.transaction(1) == one


async def test_a_page_by_number_counts_exactly_and_merges_wallets_by_entry(stores: Stores, script: Script) -> None:
    seed = 11
    dice = random.Random(seed)
    script.asset()
    for _ in range(4):
        script.user()
    for _ in range(300):
        destination = dice.randint(2, 5)
        script.move((1, -5), (destination, 5), type_=dice.choice(["credit", "transfer", "topup"]))
    image = await folded(stores, script)
    histories = {wallet: await walk(image, {"wallet": wallet}, 100) for wallet in range(1, 6)}

    for _ in range(60):
        wallets = tuple(dice.sample(range(1, 7), dice.randint(0, 3)))
        types = dice.choice([None, ("transfer_in",), ("credit", "transfer_out"), ("none",)])
        offset, limit = dice.choice([0, 1, 63, 64, 200, 10_000]), dice.choice([1, 20, 100])
        expected = sorted(
            (f for wallet in wallets for f in histories.get(wallet, []) if types is None or f.type in types),
            key=lambda f: -f.entry.id,
        )
        page = await image.numbered(NumberedQuery(wallets=wallets, offset=offset, limit=limit, types=types))
        assert page == NumberedPage(expected[offset : offset + limit], len(expected)), (
            seed,
            wallets,
            types,
            offset,
            limit,
        )


async def test_wallets_are_found_by_user_asset_and_status(stores: Stores, script: Script) -> None:
    script.asset()
    script.asset("EUR", number=2)
    first, second = script.user(), script.user()
    script.wallet(first, 2)
    script.wallet(second, 2)
    script.freeze(3, "a")
    script.freeze(5, "b", debits_frozen=False, credits_frozen=True)
    script.freeze(6, "c")
    script.close(6)
    script.freeze(4, "d")
    script.unfreeze(4)

    image = await folded(stores, script)

    async def numbers(**query: Any) -> list[int]:
        return await image.wallets(WalletQuery(**({"limit": 10} | query)))

    assert await numbers() == [1, 2, 3, 4, 5, 6]
    assert await numbers(after=2, limit=3) == [3, 4, 5]
    assert await numbers(user_id=first) == [3, 5]
    assert await numbers(user_id=0) == [1, 2]
    assert await numbers(asset=2) == [2, 5, 6]
    assert await numbers(asset=2, user_id=second) == [6]
    assert await numbers(status="active") == [1, 2, 4]
    assert await numbers(status="frozen") == [3, 5]
    assert await numbers(status="closed") == [6]
    assert await numbers(status="frozen", user_id=first, asset=2, after=4) == [5]


async def test_keys_are_loaded_by_age_and_found_by_digest(stores: Stores, script: Script) -> None:
    treasury = script.asset()
    script.user()
    script.move((treasury, -1), (2, 1), key="one")
    script.move((treasury, -1), (2, 1))
    script.move((treasury, -1), (2, 1), key="twö")
    script.batch((((treasury, -1), (2, 1)), Movement("a")), (((treasury, -1), (2, 1)), Movement("b")), key="three")

    image = await folded(stores, script)

    scope = "ops POST /v1/transfers"
    states = [
        KeyState(key_digest(scope, key), seq, script.rows[seq - 1].at)
        for key, seq in (("one", 3), ("twö", 5), ("three", 6))
    ]
    assert [state for state in await content(image) if isinstance(state, KeyState)] == states
    since = script.rows[4].at
    assert [state for state in await content(image, since) if isinstance(state, KeyState)] == states[1:]
    assert [await image.key(state.digest) for state in states] == [3, 5, 6]
    assert await image.key(key_digest(scope, "four")) is None


async def test_a_key_folded_after_the_first_lookup_is_found_too(stores: Stores, script: Script) -> None:
    treasury = script.asset()
    script.user()
    image = await folded(stores, script)
    assert await image.key(key_digest("ops POST /v1/transfers", "late")) is None

    script.move((treasury, -1), (2, 1), key="late")
    await folded(stores, script)

    assert await image.key(key_digest("ops POST /v1/transfers", "late")) == 3


async def test_expired_keys_are_forgotten_and_younger_ones_kept(stores: Stores, script: Script) -> None:
    treasury = script.asset()
    script.user()
    for index in range(6):
        script.move((treasury, -1), (2, 1), key=f"k{index}")
    image = await folded(stores, script)

    await image.expire_keys(script.rows[5].at)

    assert [state.seq for state in await content(image) if isinstance(state, KeyState)] == [6, 7, 8]
    assert await image.key(key_digest("ops POST /v1/transfers", "k0")) is None


async def test_an_image_comes_back_as_it_was(
    reopened: Callable[[], Awaitable[Stores]], stores: Stores, script: Script
) -> None:
    script.asset()
    for _ in range(5):
        script.user()
    script.random_moves(100, seed=4)
    before = await content(await folded(stores, script))

    stores = await reopened()
    await stores.journal.claim()
    head, counters = await stores.image.open()

    assert head == Head(script.head.seq, script.head.at, script.head.chain)
    assert counters == ImageCounters(5, 6, 100, 200)
    assert await content(stores.image) == before


async def test_reset_starts_again_from_nothing(stores: Stores, script: Script) -> None:
    script.asset()
    script.user()
    image = await folded(stores, script)

    await image.reset()

    assert await image.open() == (Head(0, 0, GENESIS), ImageCounters(0, 0, 0, 0))
    assert await content(image) == []
    assert (await image.fold(2)).seq == 2


async def test_closing_an_image_twice_is_safe(stores: Stores) -> None:
    await stores.journal.claim()
    await stores.image.open()

    await stores.image.close()
    await stores.image.close()
