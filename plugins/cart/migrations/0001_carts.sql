-- phase: pre
-- One row per user. Every change locks that row first, so changes of one cart happen one after another and none is lost.

CREATE SCHEMA IF NOT EXISTS carts;

-- Line n is products[n] with quantities[n], in the order in which they were added.
-- touched_on is there to be indexed for the clean-up: it changes once a day, so all other writes of a cart stay on its page (HOT).
CREATE TABLE carts.carts (
    user_id    uuid        PRIMARY KEY,
    version    bigint      NOT NULL,
    products   uuid[]      NOT NULL,
    quantities integer[]   NOT NULL CHECK (0 < ALL (quantities)),
    updated_at timestamptz NOT NULL,
    touched_on date        NOT NULL GENERATED ALWAYS AS ((updated_at AT TIME ZONE 'UTC')::date) STORED,
    CHECK (cardinality(products) = cardinality(quantities))
) WITH (fillfactor = 70);
CREATE INDEX carts_age ON carts.carts (touched_on);

-- A cart lives for 7 days after its last write (CONTRACT B.5).
CREATE FUNCTION carts.is_live(p_updated_at timestamptz) RETURNS boolean LANGUAGE sql STABLE AS $$
    SELECT p_updated_at > now() - interval '7 days'
$$;

-- The next version. Microseconds of the clock rather than a count: a cart that was deleted and made again goes on rising,
-- so that an old copy elsewhere can never pass for the newer one.
CREATE FUNCTION carts.next_version(p_version bigint) RETURNS bigint LANGUAGE sql VOLATILE AS $$
    SELECT greatest(p_version + 1, (extract(epoch FROM clock_timestamp()) * 1000000)::bigint)
$$;

-- The user's row, locked; empty if its time is over; a row without user_id if there is none.
CREATE FUNCTION carts.locked(p_user uuid) RETURNS carts.carts LANGUAGE plpgsql AS $$
DECLARE
    v_cart carts.carts;
BEGIN
    SELECT c.* INTO v_cart FROM carts.carts AS c WHERE c.user_id = p_user FOR UPDATE;
    IF NOT carts.is_live(v_cart.updated_at) THEN
        v_cart.products := '{}';
        v_cart.quantities := '{}';
    END IF;
    RETURN v_cart;
END $$;

-- The same, made if there is none. Of two first changes one inserts and the other waits for it; the loop is for a row
-- that the clean-up takes away between the two statements.
CREATE FUNCTION carts.opened(p_user uuid) RETURNS carts.carts LANGUAGE plpgsql AS $$
DECLARE
    v_cart carts.carts;
BEGIN
    LOOP
        v_cart := carts.locked(p_user);
        EXIT WHEN v_cart.user_id IS NOT NULL;
        INSERT INTO carts.carts (user_id, version, products, quantities, updated_at)
        VALUES (p_user, carts.next_version(0), '{}', '{}', now()) ON CONFLICT (user_id) DO NOTHING;
    END LOOP;
    RETURN v_cart;
END $$;

CREATE FUNCTION carts.saved(p_cart carts.carts) RETURNS carts.carts LANGUAGE plpgsql AS $$
BEGIN
    UPDATE carts.carts AS c
    SET version = carts.next_version(c.version), products = p_cart.products, quantities = p_cart.quantities,
        updated_at = clock_timestamp()
    WHERE c.user_id = p_cart.user_id
    RETURNING c.* INTO p_cart;
    RETURN p_cart;
END $$;

-- Refusals (SQLSTATE VK000, MESSAGE says which): OVER_MAXIMUM, OUT_OF_STOCK. The limits are the caller's view of the
-- catalogue; what is in stock for certain is decided when the order is placed.
CREATE FUNCTION carts.check_line(p_requested bigint, p_maximum integer, p_stock integer) RETURNS void LANGUAGE plpgsql AS $$
BEGIN
    IF p_requested > p_maximum THEN
        RAISE EXCEPTION USING ERRCODE = 'VK000', MESSAGE = 'OVER_MAXIMUM',
            DETAIL = json_build_object('requested', p_requested, 'maximum', p_maximum)::text;
    END IF;
    IF p_requested > p_stock THEN
        RAISE EXCEPTION USING ERRCODE = 'VK000', MESSAGE = 'OUT_OF_STOCK',
            DETAIL = json_build_object('requested', p_requested, 'available', p_stock)::text;
    END IF;
END $$;

-- Add to a line, or begin one. Refusals: OVER_MAXIMUM, OUT_OF_STOCK, CART_FULL (100 lines).
CREATE FUNCTION carts.add_line(p_user uuid, p_product uuid, p_quantity integer, p_maximum integer, p_stock integer)
RETURNS carts.carts LANGUAGE plpgsql AS $$
DECLARE
    v_cart carts.carts := carts.opened(p_user);
    v_line integer := array_position(v_cart.products, p_product);
BEGIN
    IF v_line IS NULL THEN
        v_line := cardinality(v_cart.products) + 1;
        IF v_line > 100 THEN
            RAISE EXCEPTION USING ERRCODE = 'VK000', MESSAGE = 'CART_FULL', DETAIL = json_build_object('maximum', 100)::text;
        END IF;
        v_cart.products[v_line] := p_product;
        v_cart.quantities[v_line] := 0;
    END IF;
    PERFORM carts.check_line(v_cart.quantities[v_line]::bigint + p_quantity, p_maximum, p_stock);
    v_cart.quantities[v_line] := v_cart.quantities[v_line] + p_quantity;
    RETURN carts.saved(v_cart);
END $$;

-- Take quantities out; a line with nothing left goes. Products that are not in the cart do not matter: nothing is
-- written when none of them is. `order` calls this in the statement that places the order.
CREATE FUNCTION carts.take_lines(p_user uuid, p_products uuid[], p_quantities integer[])
RETURNS carts.carts LANGUAGE plpgsql AS $$
DECLARE
    v_cart    carts.carts := carts.locked(p_user);
    v_line    integer;
    v_changed boolean := false;
BEGIN
    FOR i IN 1 .. cardinality(p_products) LOOP
        v_line := array_position(v_cart.products, p_products[i]);
        CONTINUE WHEN v_line IS NULL;
        v_changed := true;
        IF v_cart.quantities[v_line] > p_quantities[i] THEN
            v_cart.quantities[v_line] := v_cart.quantities[v_line] - p_quantities[i];
        ELSE
            v_cart.products := v_cart.products[: v_line - 1] || v_cart.products[v_line + 1 :];
            v_cart.quantities := v_cart.quantities[: v_line - 1] || v_cart.quantities[v_line + 1 :];
        END IF;
    END LOOP;
    RETURN CASE WHEN v_changed THEN carts.saved(v_cart) ELSE v_cart END;
END $$;

-- Take one line out, whatever its quantity.
CREATE FUNCTION carts.remove_line(p_user uuid, p_product uuid) RETURNS carts.carts LANGUAGE sql AS $$
    SELECT carts.take_lines(p_user, ARRAY[p_product], ARRAY[2147483647])
$$;

-- Set a line to a quantity, or take it out with 0. Refusals: NOT_IN_CART, OVER_MAXIMUM, OUT_OF_STOCK.
CREATE FUNCTION carts.put_line(p_user uuid, p_product uuid, p_quantity integer, p_maximum integer, p_stock integer)
RETURNS carts.carts LANGUAGE plpgsql AS $$
DECLARE
    v_cart carts.carts := carts.locked(p_user);
    v_line integer := array_position(v_cart.products, p_product);
BEGIN
    IF v_line IS NULL THEN
        RAISE EXCEPTION USING ERRCODE = 'VK000', MESSAGE = 'NOT_IN_CART';
    END IF;
    IF p_quantity = 0 THEN
        RETURN carts.remove_line(p_user, p_product);
    END IF;
    PERFORM carts.check_line(p_quantity, p_maximum, p_stock);
    v_cart.quantities[v_line] := p_quantity;
    RETURN carts.saved(v_cart);
END $$;

CREATE FUNCTION carts.cleared(p_user uuid) RETURNS carts.carts LANGUAGE plpgsql AS $$
DECLARE
    v_cart carts.carts := carts.locked(p_user);
BEGIN
    IF cardinality(v_cart.products) > 0 THEN
        v_cart.products := '{}';
        v_cart.quantities := '{}';
        v_cart := carts.saved(v_cart);
    END IF;
    RETURN v_cart;
END $$;
