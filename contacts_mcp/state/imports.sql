-- The schema of the file of plans, in numbered steps, as in journal.sql.

-- step 1
CREATE TABLE plans (
    plan      INTEGER PRIMARY KEY AUTOINCREMENT,
    account   TEXT NOT NULL,
    kind      TEXT NOT NULL CHECK (kind IN ('file', 'update', 'undo')),
    state     TEXT NOT NULL CHECK (state IN ('reading', 'planned', 'running', 'stopped', 'done')),
    made      REAL NOT NULL,                     -- Unix seconds
    facts     TEXT NOT NULL,                     -- JSON: the source, its columns, what was assumed
    switches  TEXT NOT NULL,                     -- JSON
    counts    TEXT NOT NULL DEFAULT '{}',        -- JSON: decision -> rows
    digest    TEXT NOT NULL DEFAULT '',          -- of every row, which the confirmation is bound to
    change_id INTEGER,                           -- of the journal, from the start of the run on
    problem   TEXT NOT NULL DEFAULT '',          -- why the run stopped
    asked     INTEGER NOT NULL DEFAULT 0         -- 1 where somebody asked it to stop
);
CREATE TABLE rows (
    plan       INTEGER NOT NULL,
    row        INTEGER NOT NULL,                 -- from 1, in the order of the source
    line       INTEGER NOT NULL,
    phone      TEXT NOT NULL,
    decision   TEXT NOT NULL,
    reason     TEXT NOT NULL,
    contact_id INTEGER,
    state      TEXT NOT NULL,                    -- planned, sending, done, told, moved, failed; '' where nothing runs
    wish       TEXT NOT NULL,                    -- JSON: what the row asks for
    expected   TEXT NOT NULL,                    -- digest of the contact as it was planned against
    before     TEXT NOT NULL,                    -- JSON tables of values, see book/values.py
    wanted     TEXT NOT NULL,
    shown      TEXT NOT NULL,                    -- JSON: what people are told about the row
    outcome    TEXT NOT NULL DEFAULT '',         -- why it came out so, in words
    sent_at    REAL NOT NULL DEFAULT 0,          -- Unix seconds
    change_id  INTEGER,                          -- of the journal
    PRIMARY KEY (plan, row)
) WITHOUT ROWID;
CREATE INDEX rows_by_state ON rows (plan, state, row);
CREATE INDEX rows_by_decision ON rows (plan, decision, row);
