"""Every bound of the engine, in one place, with the relations between them.

A queue, batch, cache or text without a bound is a way to run out of memory, so each has one here. Amounts are integers
in minor units of their asset; lengths are characters unless the name says bytes.
"""

from typing import Final

AMOUNT_MAX: Final = 2**63 - 1
"""The largest balance: what a signed 64-bit column holds."""

ASSET_AMOUNT_MAX_DEFAULT: Final = 10**15
"""`max_amount` of an asset that names none."""

SCALE_MAX: Final = 18

LEGS_MAX: Final = 1_000
"""Legs of one movement."""

BATCH_MAX: Final = 10_000
"""Movements of one batch, and so of one record."""

DESCRIPTION_LENGTH_MAX: Final = 500
REFERENCE_LENGTH_MAX: Final = 255
CATEGORY_LENGTH_MAX: Final = 64
REASON_LENGTH_MAX: Final = 255
METADATA_BYTES_MAX: Final = 8_192

IDEMPOTENCY_KEY_LENGTH_MAX: Final = 255
IDEMPOTENCY_KEY_LIFE_US: Final = 24 * 3600 * 1_000_000
IDEMPOTENCY_KEYS_IN_MEMORY_MAX: Final = 1_000_000
"""Keys younger than their life that are held in memory; older ones are looked up in the image."""

MAILBOX_DEPTH_MAX: Final = 1_000
"""Operations that may wait at one wallet for its undecided money."""

PARKS_MAX: Final = 16
"""Times one operation may go back to waiting before it is refused as overloaded."""

IN_FLIGHT_MAX: Final = 16_384
"""Records appended and not yet durable."""

GROUP_MAX: Final = 4_096
"""Records of one flush."""

GATHER_S: Final = 0.001
"""Seconds that a group waits at most until as many records are in flight as were before: about what a flush takes, so nobody loses more by waiting than
by coming too late. The event loop's timers count in milliseconds."""

GROUP_BYTES_MAX: Final = 16 * 2**20
"""Bytes of record bodies after which a flush takes no further record."""

FOLD_STEP_MAX: Final = 5_000
"""Records folded into the image in one transaction."""

PAGE_MAX: Final = 100
EVENTS_PAGE_MAX: Final = 1_000

SEARCH_STEP_MAX: Final = 5_000
"""Records of the journal looked at in one search: some milliseconds, for which its other readers may wait."""

LOAD_CHUNK: Final = 5_000
"""Rows fetched at a time while the image is loaded and the journal replayed."""

READ_BYTES_MAX: Final = 4 * 2**20
"""Bytes of record bodies after which a read of the journal takes no further record: one record may have megabytes."""

assert 0 < ASSET_AMOUNT_MAX_DEFAULT <= AMOUNT_MAX
assert BATCH_MAX * ASSET_AMOUNT_MAX_DEFAULT * 2 > AMOUNT_MAX, "overflow is a real case, so it is checked on every leg"
assert GROUP_MAX <= IN_FLIGHT_MAX
assert MAILBOX_DEPTH_MAX <= IN_FLIGHT_MAX
assert READ_BYTES_MAX <= GROUP_BYTES_MAX, "what a backup reads at once, it appends at once"
assert PAGE_MAX <= EVENTS_PAGE_MAX <= FOLD_STEP_MAX
