-- The schema of the index, in numbered steps: a mirror of one account's contacts, and the words that find them.
-- A file of an earlier version gets the steps that it lacks. A published step never changes. A statement ends with a
-- semicolon at the end of its line, and nothing else does.

-- step 1
CREATE TABLE contact (
    id           INTEGER PRIMARY KEY,      -- the rowid of `words` and `parts`
    uuid         BLOB,                     -- 16 bytes, or text of another shape
    phone,                                 -- an integer, so that ranges of it are area codes, or text of another shape
    name_key     INTEGER,                  -- of first and last name
    display_key  INTEGER,                  -- of a display name with other words
    email_key    INTEGER,
    created      INTEGER,                  -- microseconds since 1970
    updated      INTEGER,
    rev          INTEGER NOT NULL,
    assignee     INTEGER,
    opted_out    INTEGER,                  -- NULL where the service did not say
    first        TEXT NOT NULL,
    last         TEXT NOT NULL,
    display_name TEXT NOT NULL,
    email        TEXT NOT NULL,
    custom       TEXT NOT NULL,            -- `31:Gold` with U+001F between, or JSON
    tags         TEXT NOT NULL,            -- ids with blanks between
    unread       TEXT NOT NULL,            -- names of members that cannot be read, with blanks between
    names        TEXT NOT NULL,            -- its folded words, § and other forms; '' if `first last` says it
    walk         INTEGER NOT NULL          -- the last walk, or write during it, that saw the contact
);
CREATE INDEX contact_by_phone ON contact (phone) WHERE phone IS NOT NULL;
CREATE INDEX contact_by_name ON contact (name_key) WHERE name_key IS NOT NULL;
CREATE INDEX contact_by_display_name ON contact (display_key) WHERE display_key IS NOT NULL;
CREATE INDEX contact_by_email ON contact (email_key) WHERE email_key IS NOT NULL;
CREATE INDEX contact_by_update ON contact (updated);
-- Words of the name, of values (and the marks of filters), and of the e-mail address. Blanks part them.
CREATE VIRTUAL TABLE words USING fts5 (
    n, v, e, content = '', detail = column, columnsize = 0, tokenize = 'ascii', prefix = '1 2'
);
CREATE VIRTUAL TABLE vocabulary USING fts5vocab ('words', 'col');
CREATE VIRTUAL TABLE marks USING fts5vocab ('words', 'row');
-- `|15105553344| localpart`: a bar makes the beginning and the end of a number part of it.
CREATE VIRTUAL TABLE parts USING fts5 (part, content = '', detail = none, columnsize = 0, tokenize = 'trigram');
-- The words of names and values, and what finds one that is spelled differently.
CREATE TABLE word (
    id    INTEGER PRIMARY KEY,
    word  TEXT NOT NULL UNIQUE,
    n     INTEGER NOT NULL,                -- contacts that had it at the end of the last walk
    sound TEXT
);
CREATE INDEX word_by_sound ON word (sound) WHERE sound IS NOT NULL;
-- One number a pair: a checksum of the word's beginning with up to two letters left out, then 24 bits of the word's id.
CREATE TABLE near (
    pair INTEGER PRIMARY KEY
);
CREATE VIRTUAL TABLE inword USING fts5 (word, content = '', detail = none, columnsize = 0, tokenize = 'trigram');
-- Contacts that were seen deleted. A page of a walk that was read before must not bring them back.
CREATE TABLE gone (
    id   INTEGER PRIMARY KEY,
    walk INTEGER NOT NULL
);
CREATE TABLE state (
    name  TEXT PRIMARY KEY,
    value
) WITHOUT ROWID;

-- step 2
-- The marks of filters that many contacts have, counted at the end of the last walk.
CREATE TABLE common (
    mark TEXT PRIMARY KEY,
    n    INTEGER NOT NULL
) WITHOUT ROWID;
