CREATE TABLE IF NOT EXISTS changes (
    change_id  INTEGER PRIMARY KEY AUTOINCREMENT,
    account    TEXT NOT NULL,
    at         REAL NOT NULL,                     -- when it was begun, Unix seconds
    action     TEXT NOT NULL CHECK (action IN ('create', 'update', 'delete')),
    state      TEXT NOT NULL CHECK (state IN ('begun', 'done', 'not_done', 'unknown')),
    contact_id INTEGER,                           -- NULL while a create has not answered
    before     TEXT NOT NULL,                     -- JSON tables of values, see values.py; whole record for a delete
    wanted     TEXT NOT NULL,
    after      TEXT NOT NULL DEFAULT '{}',        -- what was seen afterwards
    rev_before INTEGER NOT NULL DEFAULT 0,
    rev_after  INTEGER NOT NULL DEFAULT 0,
    consent    TEXT NOT NULL DEFAULT '',          -- the words with which somebody opted in again
    undoes     INTEGER REFERENCES changes,        -- the change this one takes back
    undone_by  INTEGER REFERENCES changes,
    record     TEXT NOT NULL DEFAULT '{}',        -- a deleted contact as it was, members we do not know included
    token      TEXT NOT NULL DEFAULT '',          -- digest of the confirmation that allowed it
    looked     REAL NOT NULL DEFAULT 0            -- when an unfinished one was last looked up
);
CREATE INDEX IF NOT EXISTS changes_of_contact ON changes (account, contact_id, change_id);
CREATE INDEX IF NOT EXISTS changes_by_state ON changes (account, state);
