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

-- End every open session of an account; answers which.
CREATE FUNCTION users.end_sessions(p_user uuid, p_reason text) RETURNS SETOF uuid LANGUAGE plpgsql AS $$
DECLARE
    v_session uuid;
BEGIN
    FOR v_session IN
        SELECT s.id FROM users.sessions s WHERE s.user_id = p_user AND s.ended_at IS NULL ORDER BY s.created_at
    LOOP
        IF users.end_session(v_session, p_reason) THEN
            RETURN NEXT v_session;
        END IF;
    END LOOP;
END $$;

-- The role that the caller has now. Refusal: SESSION_ENDED, when the session is over or the account is not active.
CREATE FUNCTION users.require_session(p_user uuid, p_session uuid) RETURNS text LANGUAGE plpgsql STABLE AS $$
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

-- Change what was given of a profile; NULL leaves a value as it is. Answers whether the account is active.
-- Refusal: EMAIL_TAKEN.
CREATE FUNCTION users.change_profile(p_user uuid, p_name text, p_email text, p_image text)
RETURNS boolean LANGUAGE plpgsql AS $$
BEGIN
    UPDATE users.accounts a SET
        name = coalesce(p_name, a.name), email = coalesce(p_email, a.email),
        profile_image_url = coalesce(p_image, a.profile_image_url), updated_at = clock_timestamp()
    WHERE a.id = p_user AND a.is_active;
    RETURN FOUND;
EXCEPTION WHEN unique_violation THEN
    RAISE EXCEPTION USING ERRCODE = 'VK000', MESSAGE = 'EMAIL_TAKEN';
END $$;
