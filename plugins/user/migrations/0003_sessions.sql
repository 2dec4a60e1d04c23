-- phase: pre
-- Ending sessions and asking whether one is open. Other domains' functions call users.require_session in their transaction.

-- End one session once and tell every replica. Answers whether it was open.
CREATE FUNCTION users.end_session(p_session uuid, p_reason text) RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE users.sessions SET ended_at = clock_timestamp(), end_reason = p_reason WHERE id = p_session AND ended_at IS NULL;
    IF FOUND THEN
        INSERT INTO users.revocations (session_id) VALUES (p_session);
        RETURN true;
    END IF;
    RETURN false;
END $$;

-- Hold every open session of an account until the commit, and keep sign-ins out: whoever ends several sessions, or changes
-- role or activity of the account, does this first. Locks are always taken in this order: the phone, sessions as their ids
-- rise, the account; a transaction that asked about its session (users.require_session) may still lock the account, but no
-- other session.
CREATE FUNCTION users.hold_sessions(p_user uuid) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    PERFORM pg_advisory_xact_lock(hashtextextended('users.phone:' || a.phone, 0)) FROM users.accounts a WHERE a.id = p_user;
    PERFORM FROM users.sessions s WHERE s.user_id = p_user AND s.ended_at IS NULL ORDER BY s.id FOR NO KEY UPDATE;
END $$;

-- End every open session of an account; answers which.
CREATE FUNCTION users.end_sessions(p_user uuid, p_reason text) RETURNS SETOF uuid LANGUAGE plpgsql AS $$
DECLARE
    v_session uuid;
BEGIN
    PERFORM users.hold_sessions(p_user);
    FOR v_session IN
        SELECT s.id FROM users.sessions s WHERE s.user_id = p_user AND s.ended_at IS NULL
    LOOP
        IF users.end_session(v_session, p_reason) THEN
            RETURN NEXT v_session;
        END IF;
    END LOOP;
END $$;

-- The role that the caller has now. Refusal: SESSION_ENDED, when the session is over or the account is not active.
CREATE FUNCTION users.session_role(p_user uuid, p_session uuid) RETURNS text LANGUAGE plpgsql STABLE AS $$
DECLARE
    v_role text;
BEGIN
    SELECT a.role INTO v_role FROM users.sessions s JOIN users.accounts a ON a.id = s.user_id
    WHERE s.id = p_session AND s.user_id = p_user AND s.ended_at IS NULL AND s.expires_at > clock_timestamp() AND a.is_active;
    IF v_role IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'VK000', MESSAGE = 'SESSION_ENDED';
    END IF;
    RETURN v_role;
END $$;

-- The same for a transaction that writes: the session cannot end before its commit, and an end that is about to be committed
-- is waited for. Writers share the lock. Role and activity stay too: who changes them holds the sessions first.
CREATE FUNCTION users.require_session(p_user uuid, p_session uuid) RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    PERFORM FROM users.sessions s WHERE s.id = p_session FOR SHARE;
    RETURN users.session_role(p_user, p_session);
END $$;

-- Change what was given of a profile; NULL leaves a value as it is. Answers OK, GONE (the account is not active) or TAKEN (the
-- e-mail address is another account's; nothing was changed, and the caller's transaction goes on).
CREATE FUNCTION users.change_profile(p_user uuid, p_name text, p_email text, p_image text)
RETURNS text LANGUAGE plpgsql AS $$
BEGIN
    UPDATE users.accounts a SET
        name = coalesce(p_name, a.name), email = coalesce(p_email, a.email),
        profile_image_url = coalesce(p_image, a.profile_image_url), updated_at = clock_timestamp()
    WHERE a.id = p_user AND a.is_active;
    RETURN CASE WHEN FOUND THEN 'OK' ELSE 'GONE' END;
EXCEPTION WHEN unique_violation THEN
    RETURN 'TAKEN';
END $$;
