-- Accounts, leases, the journal and the plans of imports.
-- A published step never changes. docs: contacts_mcp/state/postgres/migrations.py

-- An account has one number, and a name for each credential and for its team.
CREATE TABLE account (
    id          integer GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    created     timestamptz NOT NULL DEFAULT now(),
    merged_into integer REFERENCES account            -- its rows are under that number now
);
CREATE TABLE account_name (
    name    text COLLATE "C" PRIMARY KEY,             -- a digest, which gives no credential away
    account integer NOT NULL REFERENCES account
);
CREATE INDEX account_name_of ON account_name (account);

-- The right to write to a contact, a phone or a tag, or to run a plan. Names say nothing about anybody's phone.
CREATE SEQUENCE fence;
CREATE TABLE lease (
    account integer NOT NULL REFERENCES account,
    name    text COLLATE "C" NOT NULL,                -- contact-1001, phone-9f86d081884c7d65, ...
    fence   bigint NOT NULL,                          -- grows with every holder
    owner   text,                                     -- the process that has it; NULL once it was given back
    until   timestamptz NOT NULL,
    written timestamptz,                              -- when it was last given back after a write
    PRIMARY KEY (account, name)
) WITH (fillfactor = 50);

-- The confirmations that were acted on.
CREATE TABLE used_token (
    account integer NOT NULL REFERENCES account,
    digest  text COLLATE "C" NOT NULL,
    spender text NOT NULL,                            -- the process
    at      timestamptz NOT NULL DEFAULT clock_timestamp(),
    PRIMARY KEY (account, digest)
);

-- JSON is kept as text (json, not jsonb), because jsonb takes no NUL and no half character, and changes the order.
CREATE TABLE journal (
    account        integer NOT NULL REFERENCES account,
    id             bigint GENERATED ALWAYS AS IDENTITY,
    at             double precision NOT NULL,         -- when it was begun, Unix seconds
    sent           double precision NOT NULL,         -- when a copy of its request was last given up, Unix seconds
    action         text NOT NULL CHECK (action IN ('create', 'update', 'delete', 'import')),
    state          text NOT NULL CHECK (state IN ('begun', 'done', 'not_done', 'unknown')),
    contact_id     bigint,
    before         json NOT NULL,
    wanted         json NOT NULL,
    after          json NOT NULL DEFAULT '{}',
    rev_before     bigint NOT NULL DEFAULT 0,
    rev_after      bigint NOT NULL DEFAULT 0,
    consent        text NOT NULL DEFAULT '',
    undoes         bigint,
    undone_by      bigint,
    record         json NOT NULL DEFAULT '{}',
    token          text NOT NULL DEFAULT '',
    updated_before text NOT NULL DEFAULT '',
    updated_after  text NOT NULL DEFAULT '',
    unanswered     boolean NOT NULL DEFAULT false,
    merge          text NOT NULL DEFAULT '',
    looked         double precision NOT NULL DEFAULT 0,
    parent         bigint,
    who            text NOT NULL DEFAULT '',
    phone_before   text COLLATE "C",                  -- the phone in `before`, NULL where it has none
    phone_wanted   text COLLATE "C",
    by_probe       boolean NOT NULL DEFAULT false,
    lock           text COLLATE "C" NOT NULL,         -- the name of the lease that orders its writers
    fence          bigint NOT NULL,                   -- of the last one who wrote to the entry
    PRIMARY KEY (account, id)
);
-- A number that was told by the file of a single server must not mean another change.
SELECT setval(pg_get_serial_sequence('journal', 'id'), extract(epoch FROM now())::bigint);
CREATE INDEX journal_of_contact ON journal (account, contact_id, id);
CREATE INDEX journal_from_phone ON journal (account, phone_before);
CREATE INDEX journal_to_phone ON journal (account, phone_wanted);
CREATE INDEX journal_open ON journal (account, id) WHERE state IN ('begun', 'unknown') OR unanswered;
CREATE INDEX journal_of_parent ON journal (account, parent, id) WHERE parent IS NOT NULL;
CREATE INDEX journal_of_merge ON journal (account, merge) WHERE merge <> '';
CREATE INDEX journal_of_token ON journal (account, token) WHERE token <> '';
CREATE INDEX journal_by_probe ON journal (account) WHERE by_probe;

-- The plans of imports, as in imports.sql.
CREATE TABLE import_plan (
    account   integer NOT NULL REFERENCES account,
    plan      bigint GENERATED ALWAYS AS IDENTITY,
    kind      text NOT NULL CHECK (kind IN ('file', 'update', 'undo')),
    state     text NOT NULL CHECK (state IN ('reading', 'planned', 'running', 'stopped', 'done')),
    made      double precision NOT NULL,              -- Unix seconds
    facts     json NOT NULL,
    switches  json NOT NULL,
    counts    json NOT NULL DEFAULT '{}',
    digest    text NOT NULL DEFAULT '',
    change_id bigint,
    problem   text NOT NULL DEFAULT '',
    asked     boolean NOT NULL DEFAULT false,
    PRIMARY KEY (account, plan)
);
CREATE TABLE import_row (
    account    integer NOT NULL,
    plan       bigint NOT NULL,
    "row"      bigint NOT NULL,
    line       bigint NOT NULL,
    phone      text NOT NULL,
    decision   text NOT NULL,
    reason     text NOT NULL,
    contact_id bigint,
    state      text NOT NULL,
    wish       json NOT NULL,
    expected   text NOT NULL,
    before     json NOT NULL,
    wanted     json NOT NULL,
    shown      json NOT NULL,
    outcome    text NOT NULL DEFAULT '',
    sent_at    double precision NOT NULL DEFAULT 0,
    change_id  bigint,
    PRIMARY KEY (account, plan, "row"),
    FOREIGN KEY (account, plan) REFERENCES import_plan ON UPDATE CASCADE ON DELETE CASCADE
);
CREATE INDEX import_row_by_state ON import_row (account, plan, state, "row");
CREATE INDEX import_row_by_decision ON import_row (account, plan, decision, "row");
