-- phase: pre
-- An addition without a key of the client's can be looked up too, when its answer was lost with the connection.

-- The newest additions, newest first. It stays in the row, so that it costs no second write.
ALTER TABLE carts.carts ADD COLUMN additions uuid[] NOT NULL DEFAULT '{}';

CREATE OR REPLACE FUNCTION carts.saved(p_cart carts.carts) RETURNS carts.carts LANGUAGE plpgsql AS $$
BEGIN
    UPDATE carts.carts AS c
    SET version = carts.next_version(c.version), products = p_cart.products, quantities = p_cart.quantities,
        additions = p_cart.additions, updated_at = clock_timestamp()
    WHERE c.user_id = p_cart.user_id
    RETURNING c.* INTO p_cart;
    RETURN p_cart;
END $$;

-- As carts.add_line of 0001, remembering which addition it was. Seven others may come between it and the look-up.
CREATE FUNCTION carts.add_line(
    p_user uuid, p_product uuid, p_quantity integer, p_maximum integer, p_stock integer, p_addition uuid
) RETURNS carts.carts LANGUAGE plpgsql AS $$
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
    v_cart.additions := (p_addition || v_cart.additions)[: 8];
    RETURN carts.saved(v_cart);
END $$;
