-- The mirror: the contacts of every account, and the words that find them (contacts_mcp/state/postgres/index.py).
-- It is a copy. All of it may be deleted, and is filled again from the service. So nothing refers to other tables.
-- A published step never changes.

-- Compiling a query takes longer than any of ours.
DO $$ BEGIN
    EXECUTE format('ALTER ROLE %I IN DATABASE %I SET jit = off', current_user, current_database());
EXCEPTION WHEN insufficient_privilege THEN
    RAISE NOTICE 'jit stays as it is';
END $$;

-- One row an account. Whoever writes to the account's mirror locks it first.
CREATE TABLE mirror (
    account    integer PRIMARY KEY,
    generation bigint NOT NULL DEFAULT 0,             -- the number of the last walk that began
    is_walking boolean NOT NULL DEFAULT false,
    changes    bigint NOT NULL DEFAULT 0              -- grows with every write
) WITH (fillfactor = 50);
CREATE TABLE mirror_note (
    account integer,
    name    text COLLATE "C",
    value   text NOT NULL,                            -- JSON
    PRIMARY KEY (account, name)
) WITH (fillfactor = 50);

-- A text holds no NUL here: U+001A and a digit stand for it, and for themselves.
CREATE TABLE mirror_contact (
    account      integer NOT NULL,
    opted_out    boolean,                             -- NULL where the service did not say
    id           bigint NOT NULL,
    created      bigint,                              -- microseconds since 1970
    updated      bigint,
    rev          bigint NOT NULL,
    assignee     bigint,
    name_key     bigint,                              -- of first and last name
    display_key  bigint,                              -- of a display name with other words
    email_key    bigint,
    uuid         bytea NOT NULL,                      -- 16 bytes, or 255 and text of another shape
    phone        text COLLATE "C",                    -- digits
    first        text COLLATE "C" NOT NULL,
    last         text COLLATE "C" NOT NULL,
    display_name text COLLATE "C" NOT NULL,
    email        text COLLATE "C" NOT NULL,
    custom       text COLLATE "C" NOT NULL,           -- `31:Gold` with U+001F between, or JSON
    tags         text COLLATE "C" NOT NULL,           -- ids with blanks between
    unread       text COLLATE "C" NOT NULL,           -- names of members that cannot be read
    names        text COLLATE "C" NOT NULL,           -- folded words, § and other forms; '' if `first last` says it
    words        text COLLATE "C" NOT NULL,           -- the words that find it, with blanks between
    parts        text COLLATE "C",                    -- `|15105553344| localpart`
    PRIMARY KEY (account, id)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05,
        autovacuum_analyze_scale_factor = 0.05);
CREATE INDEX mirror_contact_phone ON mirror_contact (account, phone) WHERE phone IS NOT NULL;
CREATE INDEX mirror_contact_name ON mirror_contact (account, name_key) WHERE name_key IS NOT NULL;
CREATE INDEX mirror_contact_display ON mirror_contact (account, display_key) WHERE display_key IS NOT NULL;
CREATE INDEX mirror_contact_email ON mirror_contact (account, email_key) WHERE email_key IS NOT NULL;
CREATE INDEX mirror_contact_updated ON mirror_contact (account, updated, id);
CREATE INDEX mirror_contact_nameless ON mirror_contact (account)
    WHERE first = '' AND last = '' AND display_name = '';

-- The words of a contact, each behind the number of its account, so that accounts share no entry of the index.
-- The cost is ten times the real one: PostgreSQL must never find reading all contacts cheaper than the index. Nor may
-- it call other processes in for a question, which takes longer than to answer it.
CREATE FUNCTION mirror_vector(account integer, words text) RETURNS tsvector
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL UNSAFE COST 1000
    AS $$ BEGIN
        RETURN array_to_tsvector(string_to_array(account::text || replace(words, ' ', ' ' || account::text), ' '));
    END $$;
-- The same for the trigrams of a text.
CREATE FUNCTION mirror_trigrams(account integer, whole text) RETURNS text[]
    LANGUAGE sql IMMUTABLE STRICT PARALLEL UNSAFE COST 1000
    AS $$ SELECT array_agg(account::text || ':' || substr(whole, at, 3)) FROM generate_series(1, length(whole) - 2) at $$;
-- New entries wait in a list, which the writer empties.
CREATE INDEX mirror_contact_words ON mirror_contact USING gin (mirror_vector(account, words))
    WITH (fastupdate = on, gin_pending_list_limit = 4096);
CREATE INDEX mirror_contact_parts ON mirror_contact USING gin (mirror_trigrams(account, parts))
    WITH (fastupdate = on, gin_pending_list_limit = 4096);

-- How many contacts have each mark (contacts_mcp/state/row.py). It is true at every moment.
CREATE TABLE mirror_mark (
    account integer,
    mark    text COLLATE "C",
    n       integer NOT NULL,
    PRIMARY KEY (account, mark)
) WITH (fillfactor = 80);

-- The words of names and values, and the keys under which a misspelled one finds them.
CREATE TABLE mirror_word (
    account integer,
    id      integer,
    word    text COLLATE "C" NOT NULL,
    n       integer NOT NULL,                         -- contacts that had it at the end of the last walk
    sound   text COLLATE "C",
    keys    integer[] NOT NULL,                       -- checksums of its beginnings, and of its trigrams
    PRIMARY KEY (account, id)
) WITH (fillfactor = 90);
CREATE UNIQUE INDEX mirror_word_word ON mirror_word (account, word);
CREATE INDEX mirror_word_sound ON mirror_word (account, sound) WHERE sound IS NOT NULL;
CREATE INDEX mirror_word_keys ON mirror_word USING gin (keys)
    WITH (fastupdate = on, gin_pending_list_limit = 4096);

-- The contacts that the walk under way has seen, page by page.
CREATE TABLE mirror_seen (
    account    integer NOT NULL,
    at         bigint GENERATED ALWAYS AS IDENTITY,
    generation bigint NOT NULL,
    ids        bigint[] NOT NULL,
    PRIMARY KEY (account, at)
);
-- Contacts that were seen deleted. A page of a walk that was read before must not bring them back.
CREATE TABLE mirror_gone (
    account    integer,
    id         bigint,
    generation bigint NOT NULL,
    PRIMARY KEY (account, id)
);
