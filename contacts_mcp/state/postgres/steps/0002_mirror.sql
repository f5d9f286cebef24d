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
    words        text COLLATE "C" NOT NULL,           -- the words that find it, each behind a sign (index_words.py)
    local        text COLLATE "C",                    -- of its address, NULL where `mirror_trigrams` makes it
    PRIMARY KEY (account, id)
) WITH (autovacuum_vacuum_scale_factor = 0.05, autovacuum_vacuum_insert_scale_factor = 0.05,
        autovacuum_analyze_scale_factor = 0.05);
CREATE INDEX mirror_contact_phone ON mirror_contact (account, phone) WHERE phone IS NOT NULL;
CREATE INDEX mirror_contact_name ON mirror_contact ((name_key # account)) WHERE name_key IS NOT NULL;
CREATE INDEX mirror_contact_display ON mirror_contact ((display_key # account)) WHERE display_key IS NOT NULL;
CREATE INDEX mirror_contact_email ON mirror_contact ((email_key # account)) WHERE email_key IS NOT NULL;
CREATE INDEX mirror_contact_updated ON mirror_contact (account, updated);
CREATE INDEX mirror_contact_nameless ON mirror_contact (account)
    WHERE first = '' AND last = '' AND display_name = '';

-- The words of a contact, each behind the number of its account, so that accounts share no entry of the index. A word
-- of a name or of an address stands there as any other, and of a name its first four letters, too. Of a value stand its
-- field and 16 bits of a checksum: half of all values are somebody's alone. The text tells the rest (index_words.py).
-- The cost is ten times the real one: PostgreSQL must never find reading all contacts cheaper than the index. Nor may
-- it call other processes in for a question, which takes longer than to answer it.
CREATE FUNCTION mirror_vector(account integer, words text) RETURNS tsvector
    LANGUAGE plpgsql IMMUTABLE STRICT PARALLEL UNSAFE COST 1000
    AS $$ DECLARE
        number text := ' ' || account::text;
        field_values text[] := string_to_array(words, E'\x03');
        names text[] := string_to_array(split_part(split_part(words, E'\x02', 1), ':', 1), '=');
        kept text := replace(replace(replace(field_values[1], '=', ':'), '@', ':'), ':', number || ':');
    BEGIN
        kept := replace(replace(replace(kept, E'\x02', number || E'\x02'), '^', number || '^'), '~', number || '~');
        FOR at IN 2 .. cardinality(names) - 1 LOOP
            kept := kept || number || '~' || left(names[at], 4);
        END LOOP;
        FOR at IN 2 .. cardinality(field_values) - 1 LOOP
            kept := kept || number || E'\x02f' || split_part(field_values[at], '§', 1)
                || number || E'\x03' || left(md5(field_values[at]), 4);
        END LOOP;
        RETURN ts_delete(
            array_to_tsvector(string_to_array(ltrim(kept), ' ')), ARRAY[account || ':', account || E'\x02']
        );
    END $$;
-- The trigrams of `|15105553344|` and of the local part of an address. A bar makes the beginning and the end of a
-- number part of it. The local part is that of the address in small letters, where no other one is given.
CREATE FUNCTION mirror_trigrams(account integer, phone text, email text, local text) RETURNS text[]
    LANGUAGE plpgsql IMMUTABLE PARALLEL UNSAFE COST 1000
    AS $$ DECLARE
        whole text;
        found text[] := '{}';
    BEGIN
        local := coalesce(local, lower(split_part(email, '@', 1)));
        FOREACH whole IN ARRAY ARRAY['|' || coalesce(phone, '') || '|', local] LOOP
            FOR at IN 1 .. length(whole) - 2 LOOP
                found := found || (account::text || ':' || substr(whole, at, 3));
            END LOOP;
        END LOOP;
        RETURN found;
    END $$;
-- New entries wait in a list, which the writer empties.
CREATE INDEX mirror_contact_words ON mirror_contact USING gin (mirror_vector(account, words))
    WITH (fastupdate = on, gin_pending_list_limit = 4096);
CREATE INDEX mirror_contact_parts ON mirror_contact USING gin (mirror_trigrams(account, phone, email, local))
    WITH (fastupdate = on, gin_pending_list_limit = 4096);

-- How many contacts have each mark (contacts_mcp/state/row.py). It is true at every moment.
CREATE TABLE mirror_mark (
    account integer,
    mark    text COLLATE "C",
    n       integer NOT NULL,
    PRIMARY KEY (account, mark)
);

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
