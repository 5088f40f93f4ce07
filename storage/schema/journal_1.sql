-- The journal: one row an operation, appended and never touched again.

CREATE TABLE journal (
    seq   INTEGER PRIMARY KEY,  -- from 1, without gaps
    at    INTEGER NOT NULL,     -- microseconds since 1970 UTC, never falls
    kind  TEXT NOT NULL,        -- says which sections the body holds
    body  TEXT NOT NULL,        -- JSON
    chain BLOB NOT NULL         -- SHA-256 over the row before and this one
) STRICT;

-- Who may append: each new writer raises the epoch, and an append under a lower one writes nothing.
CREATE TABLE writer (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    epoch INTEGER NOT NULL
) STRICT;

INSERT INTO writer (id, epoch) VALUES (1, 0);

-- Append-only by the file's own rule, whichever program opens it. An insert fires neither trigger.
CREATE TRIGGER journal_keeps_its_rows BEFORE UPDATE ON journal
BEGIN
    SELECT raise(ABORT, 'the journal is append-only: a row is never changed');
END;

CREATE TRIGGER journal_loses_no_row BEFORE DELETE ON journal
BEGIN
    SELECT raise(ABORT, 'the journal is append-only: a row is never deleted');
END;
