"""Defects of storage: durability, the fold, history, checks and copies."""

from typing import Final

from .defect import Defect, defect

CONNECTIONS: Final = "storage/connections.py"
HISTORY: Final = "storage/history.py"
IMAGE: Final = "storage/image.py"
JOURNAL: Final = "storage/journal.py"

_COPY = """(partial / JOURNAL_NAME).write_bytes(source_path.read_bytes())
    copied = SqliteJournal(partial / JOURNAL_NAME, reserve_bytes=0)
    head = await copied.head()
    await copied.close()"""

DURABILITY: Final[tuple[Defect, ...]] = (
    defect(
        "fsync_at_checkpoints_only",
        "The journal is opened with synchronous NORMAL, so a power cut takes what was acknowledged.",
        (JOURNAL, 'synchronous="FULL"', 'synchronous="NORMAL"'),
        first=("storage/test_journal_failures.py", "contract/test_journal_contract.py"),
    ),
    defect(
        "fsync_off_unnoticed",
        "The fsync is turned off, and what reads the setting back takes any answer.",
        (CONNECTIONS, "PRAGMA synchronous = {synchronous}", "PRAGMA synchronous = OFF"),
        (CONNECTIONS, "!= SYNCHRONOUS[synchronous]:", "is None:"),
        first=("storage/test_journal_failures.py", "contract/test_journal_contract.py"),
    ),
    defect(
        "fsync_retried",
        "After a write that failed the journal goes on, as if the next fsync could still tell.",
        (JOURNAL, '        self._failed = error\n        raise OutcomeUnknown(f"', '        raise OutcomeUnknown(f"'),
        first=("storage/test_journal_failures.py",),
    ),
    defect(
        "second_writer_not_fenced",
        "A writer whose epoch is over may still append.",
        (JOURNAL, "AND (SELECT epoch FROM writer WHERE id = 1) = ?", "AND ? IS NOT NULL"),
        first=("contract/test_journal_contract.py",),
    ),
    defect(
        "folder_shared",
        "The lock of the data folder lets others in.",
        ("storage/folder.py", "fcntl.LOCK_EX | fcntl.LOCK_NB", "fcntl.LOCK_SH | fcntl.LOCK_NB"),
        first=("storage/test_folder.py",),
    ),
)

FOLD: Final[tuple[Defect, ...]] = (
    defect(
        "fold_skips_the_last",
        "The last record of a step is not folded, and the head says that it is.",
        ("storage/fold.py", 'AND {_IS_PAIR}"""', 'AND {_IS_PAIR} AND j.seq < :last"""'),
        first=("contract/test_image_contract.py",),
    ),
    defect(
        "head_in_its_own_transaction",
        "What was folded is committed before the sequence that says so.",
        (
            IMAGE,
            "        await folder.execute_fetchall(program.HEAD_OF_STEP, step)",
            '        await folder.execute_fetchall("COMMIT")\n        await folder.execute_fetchall("BEGIN IMMEDIATE")\n'
            "        await folder.execute_fetchall(program.HEAD_OF_STEP, step)",
        ),
        first=("contract/test_image_contract.py", "storage/test_image_failures.py"),
    ),
    defect(
        "page_repeats_an_entry",
        "A page begins with the entry that the one before ended with.",
        (HISTORY, "w.ordinal < :below AND", "w.ordinal <= :below AND"),
        first=("contract/test_image_contract.py",),
    ),
    defect(
        "jump_too_far",
        "The search for a place in a history steps in one milestone too low.",
        (HISTORY, "min(:below - 1,", "min(:below - 65,"),
        first=("contract/test_image_contract.py",),
    ),
    defect(
        "image_without_its_checksum",
        "The checksum over the balances of an image is not compared at the start.",
        ("storage/loading.py", "SELECT balances_sum - (SELECT {BALANCES_SUM} FROM balances) FROM head", "SELECT 0"),
        first=("storage/test_image_failures.py",),
    ),
)

CHECKS: Final[tuple[Defect, ...]] = (
    defect(
        "last_record_unverified",
        "The check of a journal stops before its last record.",
        (
            "storage/scan.py",
            "through: int, on_progress: Progress) -> tuple[Head, list[Finding]]:\n"
            '    """Check the records up to `through`. Returns the last one read and what was found, at most FINDINGS_MAX."""\n',
            "through: int, on_progress: Progress) -> tuple[Head, list[Finding]]:\n    through -= 1\n",
        ),
        first=("storage/test_verify.py",),
    ),
    defect(
        "backup_without_the_log",
        "A backup copies the journal's file and not the log beside it.",
        ("storage/backup.py", "head = await _copy_rows(source_path, partial / JOURNAL_NAME, on_progress)", _COPY),
        first=("storage/test_backup.py",),
    ),
    defect(
        "log_that_never_begins_anew",
        "Readers who overlap let a write-ahead log grow without end.",
        ("storage/connections.py", "wal_checkpoint(RESTART)", "wal_checkpoint(PASSIVE)"),
        first=("storage/test_journal_failures.py",),
    ),
    defect(
        "prefix_of_a_password",
        "Only the first eight bytes of a password count.",
        ("storage/passwords.py", '"surrogatepass")', '"surrogatepass")[:8]'),
        first=("storage/test_access.py", "contract/test_access_contract.py"),
    ),
)

DEFECTS: Final = (*DURABILITY, *FOLD, *CHECKS)
