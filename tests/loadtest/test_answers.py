"""Reading answers: whole, split at any byte, pipelined, chunked; what is not an answer is refused."""

import pytest

from walletd.loadtest.answers import Answer, AnswerReader, MalformedAnswer

PLAIN = b"HTTP/1.1 201 Created\r\nServer: x\r\nContent-Length: 5\r\n\r\nhello"
CHUNKED = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n2;x=y\r\nde\r\n0\r\n\r\n"
TRAILED = b"HTTP/1.1 200 OK\r\ntransfer-encoding: Chunked\r\n\r\n1\r\nz\r\n0\r\nChecksum: 1\r\n\r\n"
EMPTY = b"HTTP/1.1 204 No Content\r\n\r\n"
CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"


def told(answers: list[Answer]) -> list[tuple[int, bytes]]:
    return [(answer.status, answer.body) for answer in answers]


EVERYTHING = PLAIN + CHUNKED + EMPTY + CONTINUE + TRAILED + PLAIN
EXPECTED = [(201, b"hello"), (200, b"abcde"), (204, b""), (200, b"z"), (201, b"hello")]


def test_answers_that_arrive_together_are_all_read() -> None:
    assert told(AnswerReader().feed(EVERYTHING)) == EXPECTED


@pytest.mark.parametrize("size", [1, 2, 3, 7, 20, 50])
def test_where_packets_end_makes_no_difference(size: int) -> None:
    reader = AnswerReader()
    answers = []
    for start in range(0, len(EVERYTHING), size):
        answers += reader.feed(EVERYTHING[start : start + size])
    assert told(answers) == EXPECTED
    assert reader.is_idle


def test_every_single_split_is_read() -> None:
    for cut in range(1, len(EVERYTHING)):
        reader = AnswerReader()
        assert told(reader.feed(EVERYTHING[:cut]) + reader.feed(EVERYTHING[cut:])) == EXPECTED, cut


def test_a_short_answer_after_a_long_one_is_not_kept_back() -> None:
    long = b"HTTP/1.1 200 OK\r\nContent-Length: 5000\r\n\r\n" + b"x" * 5000
    reader = AnswerReader()
    assert reader.feed(long[:100]) == []
    assert len(reader.feed(long[100:] + PLAIN[:10])) == 1
    assert told(reader.feed(PLAIN[10:])) == [(201, b"hello")]


def test_header_names_are_read_in_any_case() -> None:
    (answer,) = AnswerReader().feed(b"HTTP/1.1 200 OK\r\ncontent-length:  2 \r\nIdempotency-Replayed: true\r\n\r\nok")
    assert answer.body == b"ok"
    assert answer.header("idempotency-replayed") == "true"
    assert answer.header("location") is None


def test_an_answer_says_that_the_connection_ends_with_it() -> None:
    (answer,) = AnswerReader().feed(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 0\r\n\r\n")
    assert answer.closes
    assert not AnswerReader().feed(PLAIN)[0].closes


def test_a_body_without_a_length_lasts_until_the_end() -> None:
    reader = AnswerReader()
    assert reader.feed(b"HTTP/1.1 200 OK\r\n\r\nab") == []
    assert reader.feed(b"c") == []
    last = reader.end()
    assert last is not None
    assert last.body == b"abc"


@pytest.mark.parametrize("cut", [PLAIN[:-1], PLAIN[:30], CHUNKED[:-3]])
def test_an_answer_cut_by_the_end_of_the_connection_is_refused(cut: bytes) -> None:
    reader = AnswerReader()
    reader.feed(cut)
    with pytest.raises(MalformedAnswer):
        reader.end()


@pytest.mark.parametrize(
    "wrong",
    [
        b"SMTP ready\r\n\r\n",
        b"HTTP/1.1 abc\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nContent-Length: 99999999999999\r\n\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\n",
        b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1\r\nabcd",
        b"HTTP/1.1 200 OK\r\n" + b"X: y\r\n" * 20_000,
    ],
)
def test_what_is_not_an_answer_is_refused(wrong: bytes) -> None:
    with pytest.raises(MalformedAnswer):
        AnswerReader().feed(wrong)
