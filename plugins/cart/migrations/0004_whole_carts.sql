-- phase: pre
-- A cart that is ordered as a whole is ordered once.

-- Take everything out, if it is just these lines. What was read and what is there are compared rather than versions: a
-- change that was taken back matters to nobody. Refusal: CART_CHANGED.
CREATE FUNCTION carts.take_all(p_user uuid, p_products uuid[], p_quantities integer[])
RETURNS carts.carts LANGUAGE plpgsql AS $$
DECLARE
    v_cart carts.carts := carts.locked(p_user);
    v_same boolean := coalesce(cardinality(v_cart.products), 0) = cardinality(p_products);
BEGIN
    FOR i IN 1 .. cardinality(p_products) LOOP
        v_same := v_same
            AND v_cart.quantities[array_position(v_cart.products, p_products[i])] IS NOT DISTINCT FROM p_quantities[i];
    END LOOP;
    IF NOT v_same THEN
        RAISE EXCEPTION USING ERRCODE = 'VK000', MESSAGE = 'CART_CHANGED';
    END IF;
    v_cart.products := '{}';
    v_cart.quantities := '{}';
    RETURN carts.saved(v_cart);
END $$;
