-- The journal's schema, in numbered steps. A file of an earlier version gets the steps that it lacks.
-- A published step never changes. A statement ends with a semicolon at the end of its line, and nothing else does.

-- step 1
CREATE TABLE changes (
    change_id  INTEGER PRIMARY KEY AUTOINCREMENT,
    account    TEXT NOT NULL,
    at         REAL NOT NULL,                     -- when it was begun, Unix seconds
    action     TEXT NOT NULL CHECK (action IN ('create', 'update', 'delete')),
    state      TEXT NOT NULL CHECK (state IN ('begun', 'done', 'not_done', 'unknown')),
    contact_id INTEGER,                           -- NULL while a create has not answered
    before     TEXT NOT NULL,                     -- JSON tables of values, see book/values.py
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
CREATE INDEX changes_of_contact ON changes (account, contact_id, change_id);
CREATE INDEX changes_by_state ON changes (account, state);

-- step 2
-- Ages are measured by the uptime of the machine, NULL in entries of the first version.
ALTER TABLE changes ADD COLUMN uptime REAL;
-- Whether one of the requests got no answer, so that it may be carried out after the outcome was written.
ALTER TABLE changes ADD COLUMN unanswered INTEGER NOT NULL DEFAULT 0;
-- When the contact was last updated by Heymarket's clock, for reads without "rev".
ALTER TABLE changes ADD COLUMN updated_before TEXT NOT NULL DEFAULT '';
ALTER TABLE changes ADD COLUMN updated_after TEXT NOT NULL DEFAULT '';
-- `looked` is set from now on only by a look after which nothing could arrive any more.
UPDATE changes SET looked = 0 WHERE looked < at + 60;
CREATE INDEX changes_from_phone ON changes (account, json_extract(before, '$.phone'));
CREATE INDEX changes_to_phone ON changes (account, json_extract(wanted, '$.phone'));
DROP INDEX changes_by_state;
CREATE INDEX changes_open ON changes (account) WHERE state IN ('begun', 'unknown') OR unanswered;
-- The confirmations that were acted on.
CREATE TABLE tokens (
    digest TEXT PRIMARY KEY,
    at     REAL NOT NULL
) WITHOUT ROWID;
-- One row, which tells the purge how long the machine has run since a time of day was first seen.
CREATE TABLE watch (
    one    INTEGER PRIMARY KEY CHECK (one = 1),
    at     REAL NOT NULL,                         -- that time of day
    uptime REAL NOT NULL,                         -- when the row was last written
    ran    REAL NOT NULL                          -- seconds
);

-- step 3
-- The changes of one merge have one name: the id of the contact that was kept, a colon, and a random text.
ALTER TABLE changes ADD COLUMN merge TEXT NOT NULL DEFAULT '';
CREATE INDEX changes_of_merge ON changes (account, merge) WHERE merge <> '';

-- step 4
-- An import is one change with a child for each contact. SQLite changes no CHECK, so the table is made anew.
CREATE TABLE changes_anew (
    change_id  INTEGER PRIMARY KEY AUTOINCREMENT,
    account    TEXT NOT NULL,
    at         REAL NOT NULL,
    action     TEXT NOT NULL CHECK (action IN ('create', 'update', 'delete', 'import')),
    state      TEXT NOT NULL CHECK (state IN ('begun', 'done', 'not_done', 'unknown')),
    contact_id INTEGER,                           -- NULL of an import, too
    before     TEXT NOT NULL,
    wanted     TEXT NOT NULL,
    after      TEXT NOT NULL DEFAULT '{}',
    rev_before INTEGER NOT NULL DEFAULT 0,
    rev_after  INTEGER NOT NULL DEFAULT 0,
    consent    TEXT NOT NULL DEFAULT '',
    undoes     INTEGER REFERENCES changes,
    undone_by  INTEGER REFERENCES changes,
    record     TEXT NOT NULL DEFAULT '{}',        -- of an import: its plan, its source and its counts
    token      TEXT NOT NULL DEFAULT '',
    looked     REAL NOT NULL DEFAULT 0,
    uptime     REAL,
    unanswered INTEGER NOT NULL DEFAULT 0,
    updated_before TEXT NOT NULL DEFAULT '',
    updated_after  TEXT NOT NULL DEFAULT '',
    merge      TEXT NOT NULL DEFAULT '',          -- the name of a merge
    parent     INTEGER REFERENCES changes         -- the import that this change is a part of
);
INSERT INTO changes_anew SELECT change_id, account, at, action, state, contact_id, before, wanted, after, rev_before,
    rev_after, consent, undoes, undone_by, record, token, looked, uptime, unanswered, updated_before, updated_after,
    merge, NULL FROM changes;
-- Numbers that were given out before stay given out.
DELETE FROM sqlite_sequence WHERE name = 'changes_anew';
INSERT INTO sqlite_sequence SELECT 'changes_anew', seq FROM sqlite_sequence WHERE name = 'changes';
DROP TABLE changes;
ALTER TABLE changes_anew RENAME TO changes;
CREATE INDEX changes_of_contact ON changes (account, contact_id, change_id);
CREATE INDEX changes_from_phone ON changes (account, json_extract(before, '$.phone'));
CREATE INDEX changes_to_phone ON changes (account, json_extract(wanted, '$.phone'));
CREATE INDEX changes_open ON changes (account) WHERE state IN ('begun', 'unknown') OR unanswered;
CREATE INDEX changes_of_parent ON changes (parent);
CREATE INDEX changes_of_merge ON changes (account, merge) WHERE merge <> '';

-- step 5
-- The person on whose behalf a change was made, where a server knows several.
ALTER TABLE changes ADD COLUMN who TEXT NOT NULL DEFAULT '';
