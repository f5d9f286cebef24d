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
    email_key    integer,                             -- a checksum of its address
    id           bigint NOT NULL,
    created      bigint,                              -- microseconds since 1970
    updated      bigint,
    rev          bigint NOT NULL,
    assignee     bigint,
    name_key     bigint,                              -- of first and last name
    display_key  bigint,                              -- of a display name with other words
    opted_out    boolean,                             -- NULL where the service did not say
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
-- Only the primary key helps with an account alone, because all others are partial. PostgreSQL takes an account that it
-- has not counted yet for empty. It would use any index for it then, and read the whole account to look an id up.
-- The first nine digits of a phone are an integer, which takes half the place of the text in an index. PostgreSQL may
-- not call other processes in for a question with a function of ours, which takes longer than to answer it.
CREATE FUNCTION mirror_digits(phone text) RETURNS integer LANGUAGE sql IMMUTABLE PARALLEL UNSAFE
    AS $$ SELECT rpad(phone, 9, '0')::integer $$;
CREATE INDEX mirror_contact_phone ON mirror_contact (account, mirror_digits(phone)) WHERE phone IS NOT NULL;
CREATE INDEX mirror_contact_name ON mirror_contact ((name_key # account)) WHERE name_key IS NOT NULL;
CREATE INDEX mirror_contact_display ON mirror_contact ((display_key # account)) WHERE display_key IS NOT NULL;
CREATE INDEX mirror_contact_updated ON mirror_contact (account, updated) WHERE updated IS NOT NULL;
CREATE INDEX mirror_contact_nameless ON mirror_contact (account)
    WHERE first = '' AND last = '' AND display_name = '';

-- The words of a contact, each behind the number of its account, so that accounts share no entry of the index. A word
-- of a name or of an address stands there as any other, and its first letter, too, and of a name its first four. Of a
-- value stand its field and 16 bits of a checksum, and of a whole address 14 bits: most are somebody's alone. The text
-- tells the rest (index_words.py), and the key of the address.
-- The cost is ten times the real one: PostgreSQL must never find reading all contacts cheaper than the index.
CREATE FUNCTION mirror_vector(account integer, words text, email_key integer) RETURNS tsvector
    LANGUAGE plpgsql IMMUTABLE PARALLEL UNSAFE COST 1000
    AS $$ DECLARE
        number text := ' ' || account::text;
        field_values text[] := string_to_array(words, E'\x03');
        parts text[] := string_to_array(field_values[1], E'\x02');
        names text[] := string_to_array(split_part(parts[1], ':', 1), '=');
        word text;
        mark text;
        kept text := coalesce(number || '@' || to_hex(email_key & 16383), '');
    BEGIN
        FOREACH word IN ARRAY string_to_array(translate(parts[1] || parts[cardinality(parts)], '=@', '::'), ':') LOOP
            IF word <> '' THEN
                kept := kept || number || ':' || word;
                IF word >= 'a' COLLATE "C" THEN
                    kept := kept || number || '^' || left(word, 1);
                END IF;
            END IF;
        END LOOP;
        FOR at IN 2 .. cardinality(names) - 1 LOOP
            kept := kept || number || '~' || left(names[at], 1) || number || '~' || left(names[at], 4);
        END LOOP;
        FOREACH mark IN ARRAY parts[2:cardinality(parts) - 1] LOOP
            kept := kept || number || E'\x02' || mark;
        END LOOP;
        FOR at IN 2 .. cardinality(field_values) - 1 LOOP
            kept := kept || number || E'\x02f' || split_part(field_values[at], '§', 1)
                || number || E'\x03' || left(md5(field_values[at]), 4);
        END LOOP;
        RETURN array_to_tsvector(string_to_array(ltrim(kept), ' '));
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
CREATE INDEX mirror_contact_words ON mirror_contact USING gin (mirror_vector(account, words, email_key))
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
    n       integer NOT NULL,                         -- contacts that had it at the end of the last walk
    id      bigint GENERATED ALWAYS AS IDENTITY,      -- grows with the time of its arrival
    word    text COLLATE "C",
    sound   text COLLATE "C",
    PRIMARY KEY (account, word)
) WITH (fillfactor = 90);
CREATE INDEX mirror_word_sound ON mirror_word (account, sound) WHERE sound IS NOT NULL;
-- The beginning of a word, and the same with one or two letters left out (state/vocabulary.py). A misspelled word has
-- one of them in common with it. Behind a bar its trigrams: a word that holds another one has all of these.
CREATE FUNCTION mirror_pieces(word text) RETURNS text[] LANGUAGE plpgsql IMMUTABLE PARALLEL UNSAFE COST 1000
    AS $$ DECLARE
        beginning text := left(word, 7);
        shorter text;
        found text[] := ARRAY[beginning];
    BEGIN
        FOR at IN 1 .. length(beginning) LOOP
            shorter := overlay(beginning PLACING '' FROM at FOR 1);
            found := found || shorter;
            FOR other IN at .. CASE WHEN length(word) > 5 THEN length(shorter) ELSE 0 END LOOP
                found := found || overlay(shorter PLACING '' FROM other FOR 1);
            END LOOP;
        END LOOP;
        FOR at IN 1 .. length(word) - 2 LOOP
            found := found || ('|' || substr(word, at, 3));
        END LOOP;
        RETURN found;
    END $$;
-- Checksums of 17 bits. An account has a window of its own among the keys, so accounts hardly share any.
CREATE FUNCTION mirror_keys(account integer, pieces text[]) RETURNS integer[]
    LANGUAGE plpgsql IMMUTABLE PARALLEL UNSAFE COST 1000
    AS $$ DECLARE
        piece text;
        keys integer[] := '{}';
    BEGIN
        FOREACH piece IN ARRAY pieces LOOP
            keys := keys || ((account << 17 | hashtext(piece) & 131071) & 2147483647);
        END LOOP;
        RETURN keys;
    END $$;
CREATE INDEX mirror_word_keys ON mirror_word USING gin (mirror_keys(account, mirror_pieces(word)))
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
