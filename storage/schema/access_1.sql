-- Access: passwords, logins and API keys. Nothing here follows from the journal, and anything here may be withdrawn.

-- A user's password. The time of the user's creation tells it from a user of the same id in another ledger.
CREATE TABLE passwords (
    user_id         INTEGER PRIMARY KEY,
    user_created_at INTEGER NOT NULL,
    hash            TEXT NOT NULL,     -- argon2id, with its parameters and salt
    changed_at      INTEGER NOT NULL
) STRICT;

-- Logins, by the SHA-256 of their token, in order of opening.
CREATE TABLE sessions (
    id              INTEGER PRIMARY KEY,
    digest          BLOB NOT NULL UNIQUE,
    user_id         INTEGER NOT NULL,
    user_created_at INTEGER NOT NULL,
    created_at      INTEGER NOT NULL,
    expires_at      INTEGER NOT NULL
) STRICT;

CREATE INDEX sessions_of_user ON sessions (user_id);
CREATE INDEX sessions_by_end ON sessions (expires_at);

-- API keys, by the SHA-256 of their text. Ids are not given out twice, and revoked keys stay listed.
CREATE TABLE keys (
    id           INTEGER PRIMARY KEY AUTOINCREMENT,
    digest       BLOB NOT NULL UNIQUE,
    name         TEXT NOT NULL,
    hint         TEXT NOT NULL,     -- how its text begins
    scopes       TEXT NOT NULL,     -- parted by spaces
    created_at   INTEGER NOT NULL,
    expires_at   INTEGER,
    last_used_at INTEGER,
    revoked_at   INTEGER
) STRICT;
