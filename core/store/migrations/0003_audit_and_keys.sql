-- phase: pre
-- Who did what (RELIABILITY 4.13), and the keys that sign access tokens (RELIABILITY 4.4).

-- A chain: the hash of a row covers its content and the hash of the row before it. Rows are never changed or deleted.
CREATE TABLE kernel.audit (
    number  bigint      PRIMARY KEY,
    at      timestamptz NOT NULL,
    actor   text        NOT NULL,
    action  text        NOT NULL,
    subject text        NOT NULL,
    -- json keeps the text as it was hashed.
    details json        NOT NULL,
    hash    bytea       NOT NULL
);
CREATE INDEX audit_action ON kernel.audit (action, number);
CREATE INDEX audit_actor ON kernel.audit (actor, number);
CREATE INDEX audit_subject ON kernel.audit (subject, number);

-- The last link. Its row lock makes one chain of what happens at once, and shows a tail that was cut off.
CREATE TABLE kernel.audit_head (
    one    boolean PRIMARY KEY DEFAULT true CHECK (one),
    number bigint  NOT NULL,
    hash   bytea   NOT NULL
);
INSERT INTO kernel.audit_head (number, hash) VALUES (0, '\x0000000000000000000000000000000000000000000000000000000000000000');

-- What a row's hash is taken of: each part preceded by its length, so that no two rows read alike.
CREATE FUNCTION kernel.audit_content(
    p_number bigint, p_at timestamptz, p_actor text, p_action text, p_subject text, p_details text
) RETURNS bytea LANGUAGE sql STABLE AS $$
    SELECT string_agg(convert_to(octet_length(convert_to(part, 'UTF8')) || ':' || part, 'UTF8'), ''::bytea ORDER BY position)
    FROM unnest(ARRAY[p_number::text, to_char(p_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"'), p_actor, p_action,
                      p_subject, p_details]) WITH ORDINALITY AS t(part, position)
$$;

-- Write one act down, in the transaction that does it; as its last step, since others wait for the head until it commits.
CREATE FUNCTION kernel.record_audit(p_actor text, p_action text, p_subject text, p_details jsonb)
RETURNS bigint LANGUAGE plpgsql AS $$
DECLARE
    v_head   kernel.audit_head;
    v_number bigint;
    v_at     timestamptz;
    v_hash   bytea;
BEGIN
    SELECT * INTO STRICT v_head FROM kernel.audit_head FOR UPDATE;
    v_number := v_head.number + 1;
    v_at := clock_timestamp();
    v_hash := sha256(v_head.hash
        || kernel.audit_content(v_number, v_at, p_actor, p_action, p_subject, p_details::text));
    INSERT INTO kernel.audit (number, at, actor, action, subject, details, hash)
    VALUES (v_number, v_at, p_actor, p_action, p_subject, p_details::text::json, v_hash);
    UPDATE kernel.audit_head SET number = v_number, hash = v_hash;
    RETURN v_number;
END $$;

CREATE FUNCTION kernel.refuse_audit_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    RAISE EXCEPTION USING ERRCODE = 'VK000', MESSAGE = 'AUDIT_IS_APPEND_ONLY';
END $$;
CREATE TRIGGER audit_append_only BEFORE UPDATE OR DELETE ON kernel.audit
    FOR EACH ROW EXECUTE FUNCTION kernel.refuse_audit_change();
CREATE TRIGGER audit_not_emptied BEFORE TRUNCATE ON kernel.audit
    FOR EACH STATEMENT EXECUTE FUNCTION kernel.refuse_audit_change();
CREATE TRIGGER audit_head_forward BEFORE UPDATE ON kernel.audit_head
    FOR EACH ROW WHEN (new.number <> old.number + 1) EXECUTE FUNCTION kernel.refuse_audit_change();
CREATE TRIGGER audit_head_stays BEFORE DELETE ON kernel.audit_head
    FOR EACH ROW EXECUTE FUNCTION kernel.refuse_audit_change();
CREATE TRIGGER audit_head_not_emptied BEFORE TRUNCATE ON kernel.audit_head
    FOR EACH STATEMENT EXECUTE FUNCTION kernel.refuse_audit_change();

-- The ring. Without a row, tokens are signed with the key made of JWT_SECRET, as ever.
CREATE TABLE kernel.signing_keys (
    kid          text        PRIMARY KEY,
    algorithm    text        NOT NULL CHECK (algorithm IN ('HS256', 'HS512')),
    state        text        NOT NULL CHECK (state IN ('next', 'active', 'retired', 'revoked')),
    -- Readable only with JWT_SECRET. Null for the key made of JWT_SECRET itself, and for a revoked one, whose secret is destroyed.
    sealed       bytea,
    created_at   timestamptz NOT NULL DEFAULT clock_timestamp(),
    activated_at timestamptz,
    retired_at   timestamptz,
    revoked_at   timestamptz
);
CREATE UNIQUE INDEX signing_keys_active ON kernel.signing_keys (state) WHERE state = 'active';
