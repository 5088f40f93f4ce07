"""Keys: what a key is bound to, how requests are compared, and what memory keeps."""

from itertools import pairwise
from typing import Any

import pytest

from walletd.engine.idempotency import KeyIndex, bound_request, differing_members, key_digest
from walletd.engine.limits import IDEMPOTENCY_KEY_LIFE_US as LIFE_US

SECOND_US = 1_000_000


def digest(number: int) -> bytes:
    """The digest of a test's key."""
    return key_digest("scope", str(number))


def test_a_key_is_known_by_its_scope_and_its_text_together() -> None:
    digests = {key_digest("a", "b"), key_digest("b", "a"), key_digest("a", "bb"), key_digest("ab", "b")}

    assert len(digests) == 4
    assert all(len(each) == 16 for each in digests)
    assert key_digest("a", "b") == key_digest("a", "b")


@pytest.mark.parametrize(
    ("request_value", "text"),
    [(5, "5"), ("5", '"5"'), (None, "null"), ({"b": 1, "a": 2}, '{"a":2,"b":1}'), ([1, 2], "[1,2]")],
)
def test_a_short_member_is_kept_as_its_json_text_in_one_order(request_value: Any, text: str) -> None:
    assert bound_request({"m": request_value}) == {"m": text}


def test_a_long_member_is_kept_as_its_digest_and_still_compared() -> None:
    first, same, other = (bound_request({"m": text})["m"] for text in ("a" * 500, "a" * 500, "a" * 499 + "b"))

    assert first == same != other
    assert len(first) < 64


def test_a_text_that_looks_like_a_digest_is_not_mistaken_for_one() -> None:
    long = bound_request({"m": "a" * 500})["m"]

    assert bound_request({"m": long})["m"] != long


def test_differing_members_are_named_in_order_whichever_side_lacks_them() -> None:
    assert differing_members({"b": "1", "a": "1", "c": "1"}, {"b": "2", "c": "1", "d": "1"}) == ["a", "b", "d"]
    assert differing_members({"a": "1"}, {"a": "1"}) == []


def test_a_bound_key_is_found() -> None:
    keys = KeyIndex()
    keys.bind(digest(1), 10, 5)

    assert (keys.find(digest(1)), keys.find(digest(2)), len(keys)) == (10, None, 1)
    assert keys.complete


def test_keys_whose_life_ends_together_are_over_at_once_and_forgotten_a_few_at_a_time() -> None:
    keys = KeyIndex()
    for number in range(1_000):
        keys.bind(digest(number), 1 + number, number // 500 * SECOND_US)
    after = 2 * LIFE_US
    sizes = []
    for number in range(1_000, 1_100):
        keys.bind(digest(number), 1 + number, after)
        found = [each for each in range(1_100) if keys.find(digest(each)) is not None]
        assert found == list(range(500, number + 1))
        sizes.append(len(keys))

    assert max(before - size for before, size in pairwise([1_000, *sizes])) < 30
    assert (sizes[-1], keys.complete) == (600, True)


def test_keys_that_are_over_may_be_bound_anew_in_any_order_before_they_are_forgotten() -> None:
    keys = KeyIndex()
    for number in range(300):
        keys.bind(digest(number), 1 + number, number // 100 * SECOND_US)
    keys.expire(2 * LIFE_US)
    living = {number: 1 + number for number in range(200, 300)}
    for place, number in enumerate([150, 3, 90, 3, 199, 0, *range(300, 340)]):
        if keys.find(digest(number)) is None:
            living[number] = 1_000 + place
            keys.bind(digest(number), 1_000 + place, 2 * LIFE_US)

    found = {number: keys.find(digest(number)) for number in range(340)}
    assert {number: seq for number, seq in found.items() if seq is not None} == living
    assert (len(keys), keys.complete) == (len(living), True)


def test_a_bound_pushes_keys_out_that_are_over_before_it_counts_as_pushing_out_living_ones() -> None:
    keys = KeyIndex(40)
    for number in range(40):
        keys.bind(digest(number), 1 + number, number * SECOND_US)
    keys.expire(2 * LIFE_US)
    keys.bind(digest(40), 41, 2 * LIFE_US)

    assert (keys.complete, keys.evicted_seq) == (True, 0)


def test_a_key_is_kept_through_its_whole_life() -> None:
    keys = KeyIndex()
    keys.bind(digest(1), 1, 0)
    keys.bind(digest(2), 2, 2 * SECOND_US)

    keys.expire(LIFE_US)

    assert keys.find(digest(1)) == 1


def test_a_key_is_forgotten_when_its_life_is_over_and_the_younger_ones_stay() -> None:
    keys = KeyIndex()
    for number in range(4):
        keys.bind(digest(number), 1 + number, number * 10 * SECOND_US)

    keys.expire(LIFE_US + 10 * SECOND_US + 1)

    assert [keys.find(digest(number)) for number in range(4)] == [None, 2, 3, 4]
    assert keys.complete


def test_binding_a_key_forgets_those_whose_life_is_over() -> None:
    keys = KeyIndex()
    for number in range(3):
        keys.bind(digest(number), 1 + number, number * 10 * SECOND_US)

    keys.bind(digest(9), 9, LIFE_US + 15 * SECOND_US)

    assert [keys.find(digest(number)) for number in (0, 1, 2, 9)] == [None, 2, 3, 9]


def test_a_time_that_falls_back_forgets_nothing_and_confuses_nothing() -> None:
    keys = KeyIndex()
    keys.bind(digest(1), 1, 50)
    keys.expire(0)

    assert keys.find(digest(1)) == 1
    assert keys.complete


def test_past_its_bound_memory_forgets_the_oldest_and_says_that_it_is_not_complete() -> None:
    keys = KeyIndex(2)
    for number in range(3):
        keys.bind(digest(number), 1 + number, number)

    assert [keys.find(digest(number)) for number in range(3)] == [None, 2, 3]
    assert len(keys) == 2
    assert not keys.complete


def test_memory_is_complete_again_when_the_life_of_all_it_pushed_out_is_over() -> None:
    keys = KeyIndex(2)
    for number in range(3):
        keys.bind(digest(number), 1 + number, number)

    keys.expire(LIFE_US + 1)
    assert not keys.complete
    keys.expire(LIFE_US + 2)

    assert keys.complete


def test_a_key_bound_anew_belongs_to_the_new_record_and_is_as_young_as_it() -> None:
    keys = KeyIndex(2)
    keys.bind(digest(1), 1, 0)
    keys.bind(digest(2), 2, 1)
    keys.bind(digest(1), 3, 2)
    keys.bind(digest(3), 4, 3)

    assert [keys.find(digest(number)) for number in (1, 2, 3)] == [3, None, 4]
