-- phase: pre
-- A closed account can be had back by signing in while its erasure can be undone (RELIABILITY 4.15).

-- Undo an erasure and open the account; answers whether it could be. Its e-mail address may be another account's by now.
-- The caller holds the phone's lock, as all do who change an account's activity. Emits user.restored v1.
CREATE FUNCTION users.reopen(p_user uuid, p_event_id uuid, p_correlation_id text) RETURNS boolean LANGUAGE plpgsql AS $$
DECLARE
    v_now timestamptz;
BEGIN
    IF NOT kernel.undo_erasure(p_user) THEN
        RETURN false;
    END IF;
    v_now := clock_timestamp();
    BEGIN
        UPDATE users.accounts SET is_active = true, deleted_at = NULL, updated_at = v_now WHERE id = p_user;
    EXCEPTION WHEN unique_violation THEN
        UPDATE users.accounts SET is_active = true, deleted_at = NULL, updated_at = v_now, email = NULL WHERE id = p_user;
    END;
    PERFORM kernel.emit(p_event_id, 'user.restored', 1, 'user', p_user::text,
        jsonb_build_object('userId', p_user, 'restoredAt', to_char(v_now AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')),
        jsonb_build_object('correlationId', p_correlation_id, 'userId', p_user, 'source', 'vurksha'));
    RETURN true;
END $$;

-- As in 0002, but that it opens an account that can still be had back, and says so in its last column. Callers name the
-- columns that they know, so the code before this goes on with it.
DROP FUNCTION users.verify_code(
    text, text, bytea, integer, integer, integer, uuid, uuid, bytea, bytea, text, text, text, text, text, integer, integer,
    integer, uuid, text);
CREATE FUNCTION users.verify_code(
    p_phone text, p_purpose text, p_hmac bytea, p_max_attempts integer, p_failures_hour integer, p_failures_day integer,
    p_new_user uuid, p_session uuid, p_token_hash bytea, p_salt bytea, p_device text, p_device_name text, p_device_type text,
    p_address text, p_user_agent text, p_idle_days integer, p_absolute_days integer, p_max_sessions integer,
    p_event_id uuid, p_correlation_id text,
    OUT outcome text, OUT is_new boolean, OUT id uuid, OUT phone text, OUT name text, OUT email text,
    OUT profile_image_url text, OUT role text, OUT is_verified boolean, OUT created_at timestamptz, OUT is_restored boolean
) LANGUAGE plpgsql AS $$
DECLARE
    v_challenge users.challenges;
    v_hour      integer;
    v_day       integer;
    v_active    boolean;
    v_session   uuid;
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('users.phone:' || p_phone, 0));
    SELECT * INTO v_challenge FROM users.challenges c
    WHERE c.phone = p_phone AND c.purpose = p_purpose AND c.live FOR UPDATE;
    IF v_challenge.id IS NULL OR v_challenge.attempts >= p_max_attempts OR v_challenge.expires_at <= clock_timestamp() THEN
        outcome := 'EXPIRED';
        RETURN;
    END IF;

    -- A failure is counted until the end of its code is that old: at most one code's life longer than needed, never shorter.
    SELECT coalesce(sum(c.attempts - (c.claimed_at IS NOT NULL)::integer)
                    FILTER (WHERE c.expires_at > clock_timestamp() - interval '1 hour'), 0),
           coalesce(sum(c.attempts - (c.claimed_at IS NOT NULL)::integer), 0)
    INTO v_hour, v_day FROM users.challenges c
    WHERE c.phone = p_phone AND c.created_at > clock_timestamp() - interval '25 hours'
      AND c.expires_at > clock_timestamp() - interval '1 day';
    outcome := 'INVALID';
    IF v_hour >= p_failures_hour OR v_day >= p_failures_day OR v_challenge.code_hmac <> p_hmac THEN
        UPDATE users.challenges c SET attempts = c.attempts + 1 WHERE c.id = v_challenge.id;
        RETURN;
    END IF;
    UPDATE users.challenges c SET attempts = c.attempts + 1, live = false, claimed_at = clock_timestamp()
    WHERE c.id = v_challenge.id;

    is_new := false;
    is_restored := false;
    SELECT a.id, a.phone, a.name, a.email, a.profile_image_url, a.role, a.is_verified, a.created_at, a.is_active
    INTO id, phone, name, email, profile_image_url, role, is_verified, created_at, v_active
    FROM users.accounts a WHERE a.phone = p_phone;
    IF NOT FOUND THEN
        -- No twin can be here: accounts are made only while their phone is locked.
        INSERT INTO users.accounts AS a (id, phone) VALUES (p_new_user, p_phone)
        RETURNING a.id, a.phone, a.role, a.is_verified, a.created_at INTO id, phone, role, is_verified, created_at;
        is_new := true;
        v_active := true;
        PERFORM kernel.emit(p_event_id, 'user.created', 1, 'user', id::text,
            jsonb_build_object('userId', id, 'phoneNumber', phone,
                'createdAt', to_char(created_at AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')),
            jsonb_build_object('correlationId', p_correlation_id, 'userId', id, 'source', 'vurksha'));
    END IF;
    IF NOT v_active THEN
        IF NOT users.reopen(id, p_event_id, p_correlation_id) THEN
            RETURN;
        END IF;
        is_restored := true;
        SELECT a.email INTO email FROM users.accounts a WHERE a.id = verify_code.id;
    END IF;
    IF NOT is_new THEN
        FOR v_session IN
            SELECT s.id FROM (
                SELECT o.id FROM users.sessions o
                WHERE o.user_id = verify_code.id AND o.ended_at IS NULL AND o.expires_at > clock_timestamp()
                  AND o.rotated_at > clock_timestamp() - make_interval(days => p_idle_days)
                ORDER BY o.created_at DESC OFFSET p_max_sessions - 1
            ) s ORDER BY s.id
        LOOP
            PERFORM users.end_session(v_session, 'LIMIT');
        END LOOP;
    END IF;
    INSERT INTO users.sessions (id, user_id, salt, device_id, device_name, device_type, address, user_agent, expires_at)
    VALUES (p_session, id, p_salt, p_device, p_device_name, p_device_type, p_address, p_user_agent,
            now() + make_interval(days => p_absolute_days));
    INSERT INTO users.refresh_tokens (hash, session_id, generation) VALUES (p_token_hash, p_session, 0);
    outcome := 'OK';
END $$;
