-- The image: the whole ledger as of one record of the journal, to be asked questions. It can be folded anew at any time.

-- The record the image is as of, and how far the ledger's numbering has come with it.
CREATE TABLE head (
    id               INTEGER PRIMARY KEY CHECK (id = 1),
    seq              INTEGER NOT NULL,
    at               INTEGER NOT NULL,
    chain            BLOB NOT NULL,
    users            INTEGER NOT NULL,
    wallets          INTEGER NOT NULL,
    transactions     INTEGER NOT NULL,
    entries          INTEGER NOT NULL,
    balances_sum     INTEGER NOT NULL,  -- checksums of what decides about money: a row that was changed
    restrictions_sum INTEGER NOT NULL   -- by anything but a fold is noticed at the next start
) STRICT;

INSERT INTO head VALUES (1, 0, 0, zeroblob(32), 0, 0, 0, 0, 0, 0);

CREATE TABLE assets (
    id           INTEGER PRIMARY KEY,
    code         TEXT NOT NULL,
    name         TEXT NOT NULL,
    scale        INTEGER NOT NULL,
    transferable INTEGER NOT NULL,
    min_amount   INTEGER NOT NULL,
    max_amount   INTEGER NOT NULL,
    treasury     INTEGER NOT NULL,  -- wallet
    aliases      TEXT NOT NULL,     -- JSON array
    active       INTEGER NOT NULL,
    created_at   INTEGER NOT NULL
) STRICT;

CREATE TABLE users (
    id           INTEGER PRIMARY KEY,
    external_id  TEXT,
    username     TEXT,
    email        TEXT,
    phone_number TEXT,
    name         TEXT,
    created_at   INTEGER NOT NULL,
    updated_at   INTEGER NOT NULL
) STRICT;

-- What seldom changes in a wallet. What each entry changes is in balances, whose short rows make four times fewer dirty
-- pages in a step of the fold.
CREATE TABLE wallets (
    number         INTEGER PRIMARY KEY,
    id             TEXT NOT NULL,     -- UUID
    user_id        INTEGER NOT NULL,  -- 0 is the system: the wallet is a Treasury
    asset          INTEGER NOT NULL,
    debits_frozen  INTEGER NOT NULL,
    credits_frozen INTEGER NOT NULL,
    closed         INTEGER NOT NULL,
    reason         TEXT,
    changes        INTEGER NOT NULL,  -- times it was frozen, unfrozen or closed
    created_at     INTEGER NOT NULL,
    changed_at     INTEGER NOT NULL   -- of the latest change, at first created_at
) STRICT;

CREATE INDEX wallets_by_user ON wallets (user_id);
CREATE INDEX wallets_by_asset ON wallets (asset);
CREATE INDEX wallets_restricted ON wallets (number) WHERE debits_frozen OR credits_frozen OR closed;

-- A row from a wallet's first entry on.
CREATE TABLE balances (
    wallet      INTEGER PRIMARY KEY,
    posted      INTEGER NOT NULL,
    entry_count INTEGER NOT NULL,
    last_entry  INTEGER NOT NULL,
    last_at     INTEGER NOT NULL
) STRICT;

CREATE VIEW wallet_states AS
SELECT number, id, user_id, asset, debits_frozen, credits_frozen, closed, reason,
       coalesce(posted, 0) AS posted,
       changes + coalesce(entry_count, 0) AS version,
       coalesce(entry_count, 0) AS entry_count,
       coalesce(last_entry, 0) AS last_entry,
       created_at,
       max(changed_at, coalesce(last_at, 0)) AS updated_at
FROM wallets LEFT JOIN balances ON wallet = number;

CREATE TABLE transactions (
    id          INTEGER PRIMARY KEY,
    seq         INTEGER NOT NULL,
    at          INTEGER NOT NULL,
    type        TEXT NOT NULL,
    description TEXT,
    category    TEXT,
    reference   TEXT,
    metadata    TEXT,              -- JSON object
    first_entry INTEGER NOT NULL,
    entry_count INTEGER NOT NULL   -- its entries are numbered without gaps
) STRICT;

-- No index by wallet: each new entry would dirty a random page of it, the more the longer the history. A wallet's entries
-- are a list instead, each naming the one before, with a milestone at every 64th to step in anywhere.
CREATE TABLE entries (
    id             INTEGER PRIMARY KEY,
    transaction_id INTEGER NOT NULL,
    wallet         INTEGER NOT NULL,
    amount         INTEGER NOT NULL,
    balance_after  INTEGER NOT NULL,
    ordinal        INTEGER NOT NULL,  -- 1 for the wallet's first, then without gaps
    previous       INTEGER NOT NULL,  -- entry, 0 for none
    at             INTEGER NOT NULL   -- its transaction's, so that walking by time needs no other table
) STRICT;

CREATE TABLE milestones (
    wallet  INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    entry   INTEGER NOT NULL,
    at      INTEGER NOT NULL,
    PRIMARY KEY (wallet, ordinal)
) STRICT, WITHOUT ROWID;

-- Scope and key in words: a digest would have to be asked of the host program row by row.
CREATE TABLE idempotency_keys (
    seq   INTEGER PRIMARY KEY,
    at    INTEGER NOT NULL,
    scope TEXT NOT NULL,
    key   TEXT NOT NULL
) STRICT;
