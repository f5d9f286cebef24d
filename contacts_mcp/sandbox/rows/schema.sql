-- The sandbox's whole state. Times are whole microseconds since 1970-01-01T00:00:00Z.
-- A phone is not UNIQUE, because tests add the doubles that the API itself refuses.

CREATE TABLE IF NOT EXISTS team (
    id    INTEGER PRIMARY KEY,
    name  TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS members (
    id    INTEGER PRIMARY KEY,
    name  TEXT NOT NULL,
    role  TEXT NOT NULL,
    email TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS inboxes (
    id    INTEGER PRIMARY KEY,
    name  TEXT NOT NULL,
    phone TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS fields (
    id    INTEGER PRIMARY KEY AUTOINCREMENT,
    title TEXT NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS tags (
    id      INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid    TEXT NOT NULL,
    tag     TEXT NOT NULL,
    color   TEXT NOT NULL,
    created INTEGER NOT NULL,
    updated INTEGER NOT NULL,
    rev     INTEGER NOT NULL
) STRICT;

CREATE TABLE IF NOT EXISTS contacts (
    id               INTEGER PRIMARY KEY AUTOINCREMENT,
    uuid             TEXT NOT NULL,
    first            TEXT NOT NULL,
    last             TEXT NOT NULL,
    display_name     TEXT NOT NULL,
    email            TEXT NOT NULL,
    phone            TEXT NOT NULL,
    avatar           TEXT NOT NULL,
    assigned_user_id INTEGER REFERENCES members (id),
    is_opted_out     INTEGER NOT NULL,
    blocked          INTEGER NOT NULL,
    team_id          INTEGER NOT NULL REFERENCES team (id),
    creator_id       INTEGER REFERENCES members (id),
    inbox_id         INTEGER REFERENCES inboxes (id),
    parent_id        INTEGER,
    shared           INTEGER NOT NULL,
    created          INTEGER NOT NULL,
    updated          INTEGER NOT NULL,
    rev              INTEGER NOT NULL,
    op               TEXT NOT NULL,
    type             TEXT NOT NULL,
    external_id      TEXT NOT NULL,
    external_ref     TEXT NOT NULL,
    note             TEXT NOT NULL  -- a JSON array
) STRICT;

CREATE INDEX IF NOT EXISTS contacts_phone ON contacts (phone);
CREATE INDEX IF NOT EXISTS contacts_email ON contacts (email);

-- The list cursor in both precisions the API may have.
CREATE INDEX IF NOT EXISTS contacts_by_second ON contacts (updated / 1000000 DESC, id DESC);
CREATE INDEX IF NOT EXISTS contacts_by_microsecond ON contacts (updated DESC, id DESC);

CREATE TABLE IF NOT EXISTS contact_fields (
    contact_id INTEGER NOT NULL REFERENCES contacts (id) ON DELETE CASCADE,
    field_id   INTEGER NOT NULL REFERENCES fields (id),
    value      TEXT NOT NULL,
    PRIMARY KEY (contact_id, field_id)
) STRICT, WITHOUT ROWID;

CREATE TABLE IF NOT EXISTS contact_tags (
    contact_id INTEGER NOT NULL REFERENCES contacts (id) ON DELETE CASCADE,
    tag_id     INTEGER NOT NULL REFERENCES tags (id),
    position   INTEGER NOT NULL,
    PRIMARY KEY (contact_id, tag_id)
) STRICT, WITHOUT ROWID;

CREATE VIEW IF NOT EXISTS contact_records AS
SELECT
    contacts.*,
    (
        SELECT json_group_object(field_id, value)
        FROM (SELECT field_id, value FROM contact_fields WHERE contact_id = contacts.id ORDER BY field_id)
    ) AS custom,
    (
        SELECT json_group_array(tag_id)
        FROM (SELECT tag_id FROM contact_tags WHERE contact_id = contacts.id ORDER BY position)
    ) AS tags
FROM contacts;
