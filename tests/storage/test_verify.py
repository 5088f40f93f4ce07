"""`verify` finds what was changed, in the journal and in the image, and nothing in a sound folder."""

import asyncio

import pytest

from walletd.engine.ports import StorageUnusable
from walletd.engine.records import MOVED, Record, decode_unchained, encode
from walletd.storage.scan import Finding
from walletd.storage.verify import verify
from walletd.tests.contract.script import Script
from walletd.tests.storage.conftest import Place


async def test_a_sound_folder_has_no_findings(place: Place, script: Script) -> None:
    script.freeze(3, "why")
    script.change_user(2, name="B")
    script.open_and_move(1, 5)
    await place.write(script)

    report = await verify(place.path)

    assert report.findings == []
    assert report.sound
    assert report.journal.seq == len(script.rows)
    assert report.image == report.journal
    assert not [path for path in place.path.iterdir() if path.is_dir()]


async def test_an_image_behind_the_journal_is_sound(place: Place, script: Script) -> None:
    await place.write(script)
    at = len(script.rows)
    script.random_moves(50, seed=3)
    await place.write(script, fold=False)

    report = await verify(place.path)

    assert report.findings == []
    assert report.image is not None
    assert (report.image.seq, report.journal.seq) == (at, at + 50)


async def test_a_folder_without_an_image_is_sound(place: Place, script: Script) -> None:
    await place.write(script, fold=False)

    report = await verify(place.path)

    assert (report.findings, report.image) == ([], None)


async def test_expired_keys_are_no_finding(place: Place, script: Script) -> None:
    await place.write(script)
    async with place.image() as image:
        await image.open()
        await image.expire_keys(script.rows[100].at)

    assert (await verify(place.path)).findings == []


@pytest.mark.parametrize(
    ("statement", "table", "row"),
    [
        ("UPDATE balances SET posted = posted + 1 WHERE wallet = 3", "balances", 3),
        ("UPDATE entries SET balance_after = balance_after + 1 WHERE id = 17", "entries", 17),
        ("DELETE FROM entries WHERE id = 17", "entries", 17),
        ("DELETE FROM transactions WHERE id = 9", "transactions", 9),
        ("UPDATE transactions SET description = 'other' WHERE id = 9", "transactions", 9),
        ("INSERT INTO users VALUES (99, NULL, NULL, NULL, NULL, NULL, 1, 1)", "users", 99),
        ("UPDATE wallets SET debits_frozen = 1 WHERE number = 4", "wallets", 4),
        ("UPDATE assets SET scale = 3", "assets", 1),
        ("UPDATE idempotency_keys SET key = 'other' WHERE seq = 8 + 3", "idempotency_keys", 11),
        ("DELETE FROM idempotency_keys WHERE seq = 11", "idempotency_keys", 11),
        ("DELETE FROM milestones WHERE wallet = 1 AND ordinal = 64", "milestones", 1),
        ("UPDATE head SET chain = zeroblob(32)", "head", 207),
    ],
)
async def test_a_change_of_the_image_is_found(
    place: Place, script: Script, statement: str, table: str, row: int
) -> None:
    await place.write(script)
    place.spoil_image(statement)

    report = await verify(place.path)

    assert [(finding.table, finding.row) for finding in report.findings] == [(table, row)]
    assert not report.sound


@pytest.mark.parametrize(
    ("statement", "row"),
    [
        ("UPDATE journal SET body = replace(body, '\"legs\"', '\"legs\" ') WHERE seq = 50", 50),
        ("UPDATE journal SET at = at + 1 WHERE seq = 50", 50),
        ("UPDATE journal SET chain = zeroblob(32) WHERE seq = 50", 50),
        ("UPDATE journal SET kind = 'user_created' WHERE seq = 50", 50),
        ("UPDATE journal SET kind = CAST(x'ff6d6f766564' AS TEXT) WHERE seq = 50", 50),
        ("UPDATE journal SET body = CAST(x'ff' || body AS TEXT) WHERE seq = 50", 50),
        ("DELETE FROM journal WHERE seq = 50", 50),
    ],
)
async def test_a_change_of_the_journal_is_found(place: Place, script: Script, statement: str, row: int) -> None:
    await place.write(script)
    place.spoil_journal(statement)

    report = await verify(place.path)

    assert (report.findings[0].table, report.findings[0].row) == ("journal", row)


async def test_a_time_that_falls_is_found(place: Place, script: Script) -> None:
    last = script.head
    record = decode_unchained(last)
    earlier = encode(Record(last.seq + 1, last.at - 1, MOVED, record.body), last.chain)
    script.rows.append(earlier)
    await place.write(script, fold=False)

    report = await verify(place.path)

    assert [(finding.table, finding.row) for finding in report.findings] == [("journal", last.seq + 1)]
    assert "time" in str(report.findings[0])


async def test_an_image_ahead_of_the_journal_is_found(place: Place, script: Script) -> None:
    await place.write(script)
    place.spoil_journal("DELETE FROM journal WHERE seq > 100")

    report = await verify(place.path)

    assert [finding.table for finding in report.findings] == ["head"]
    assert "ahead" in str(report.findings[0])


async def test_a_ledger_that_breaks_its_rules_in_the_journal_is_found(place: Place) -> None:
    script = Script()
    script.asset()
    script.user()
    script.move((1, -5), (2, 6))
    await place.write(script, fold=False)
    async with place.image() as image:
        head = await image.open()
        assert head[0].seq == 0

    report = await verify(place.path)
    assert report.findings == []
    async with place.image() as image:
        await image.open()
        await image.fold(len(script.rows))
    report = await verify(place.path)

    assert {(finding.table, finding.row) for finding in report.findings} == {("assets", 1), ("transactions", 1)}


async def test_an_image_of_noise_is_a_finding(place: Place, script: Script) -> None:
    await place.write(script)
    place.image_path.write_bytes(b"\xff" * 100_000)

    report = await verify(place.path)

    assert [finding.table for finding in report.findings] == ["ledger.db"]


async def test_a_folder_without_a_journal_cannot_be_verified(place: Place) -> None:
    with pytest.raises(StorageUnusable, match=r"journal\.db"):
        await verify(place.path)


async def test_a_folder_in_use_is_verified_beside_its_server(place: Place, script: Script) -> None:
    await place.write(script)
    script.random_moves(2000, seed=9)
    async with place.journal() as journal, place.image() as image:
        epoch, head = await journal.claim()
        await image.open()
        done = asyncio.Event()

        async def serve() -> None:
            seq = head.seq
            while not done.is_set() and seq < len(script.rows):
                await journal.append(epoch, script.rows[seq : seq + 3])
                seq = min(seq + 3, len(script.rows))
                await image.fold(seq)
                await image.expire_keys(script.rows[seq // 2].at)

        serving = asyncio.create_task(serve())
        reports = [await verify(place.path) for _ in range(3)]
        done.set()
        await serving

    assert [report.findings for report in reports] == [[], [], []]
    assert reports[-1].journal.seq > head.seq


def test_a_finding_reads_as_a_sentence() -> None:
    assert str(Finding("entries", 7, "missing from the image")) == "entries 7: missing from the image"


async def test_a_table_of_writers_without_its_row_is_found(place: Place, script: Script) -> None:
    await place.write(script)
    place.spoil_journal("DELETE FROM writer")

    report = await verify(place.path)

    assert "the table writer does not hold its one row" in [finding.what for finding in report.findings]
