-- phase: pre
-- Stock taken and given back, search, and the triggers that keep the copies true.

-- What a search reads, derived from what people edit.
CREATE FUNCTION products.describe() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE
    v_category text;
    v_tags     text := concat_ws(' ', array_to_string(NEW.tags, ' '), CASE WHEN NEW.is_organic THEN 'organic' END);
BEGIN
    SELECT c.name INTO v_category FROM products.categories c WHERE c.id = NEW.category_id;
    NEW.search_names := lower(normalize(concat_ws(' ', NEW.name, NEW.other_names), NFC));
    NEW.search_document := lower(normalize(concat_ws(' ', NEW.name, NEW.other_names, v_category, v_tags,
        NEW.farm_source, NEW.description), NFC));
    NEW.search_words := setweight(to_tsvector('english', NEW.search_names), 'A')
        || setweight(to_tsvector('english', concat_ws(' ', v_category, v_tags)), 'B')
        || setweight(to_tsvector('english', NEW.farm_source), 'C')
        || setweight(to_tsvector('english', NEW.description), 'D');
    IF TG_OP = 'UPDATE' THEN
        NEW.version := OLD.version + 1;
        NEW.updated_at := now();
    END IF;
    RETURN NEW;
END $$;
CREATE TRIGGER describe BEFORE INSERT OR UPDATE ON products.products FOR EACH ROW EXECUTE FUNCTION products.describe();

CREATE FUNCTION products.carry_to_stock() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO products.stock AS s (product_id, low_at, unit_price_paise, is_active)
    VALUES (NEW.id, NEW.low_stock_threshold, NEW.unit_price_paise, NEW.is_active)
    ON CONFLICT (product_id) DO UPDATE
    SET low_at = excluded.low_at, unit_price_paise = excluded.unit_price_paise, is_active = excluded.is_active
    WHERE (s.low_at, s.unit_price_paise, s.is_active) IS DISTINCT FROM (excluded.low_at, excluded.unit_price_paise, excluded.is_active);
    RETURN NULL;
END $$;
CREATE TRIGGER carry_to_stock AFTER INSERT OR UPDATE ON products.products FOR EACH ROW EXECUTE FUNCTION products.carry_to_stock();

-- TG_ARGV: the kind, and the column that holds the id.
CREATE FUNCTION products.note_change() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    INSERT INTO products.changes (kind, id)
    VALUES (TG_ARGV[0], (to_jsonb(CASE WHEN TG_OP = 'DELETE' THEN OLD ELSE NEW END) ->> TG_ARGV[1])::uuid);
    RETURN NULL;
END $$;
CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON products.products
    FOR EACH ROW EXECUTE FUNCTION products.note_change('product', 'id');
CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON products.images
    FOR EACH ROW EXECUTE FUNCTION products.note_change('product', 'product_id');
CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON products.reviews
    FOR EACH ROW EXECUTE FUNCTION products.note_change('product', 'product_id');
CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON products.categories
    FOR EACH ROW EXECUTE FUNCTION products.note_change('category', 'id');
CREATE TRIGGER note_change AFTER INSERT OR UPDATE OR DELETE ON products.banners
    FOR EACH ROW EXECUTE FUNCTION products.note_change('banner', 'id');

-- A renamed category is found under its new name.
CREATE FUNCTION products.rename_category() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN
    UPDATE products.products SET category_id = category_id WHERE category_id = NEW.id;
    RETURN NULL;
END $$;
CREATE TRIGGER rename_category AFTER UPDATE OF name ON products.categories
    FOR EACH ROW WHEN (OLD.name IS DISTINCT FROM NEW.name) EXECUTE FUNCTION products.rename_category();

CREATE FUNCTION products.announce_low(p_product uuid, p_level integer, p_threshold integer, p_reference uuid)
RETURNS void LANGUAGE sql AS $$
    SELECT kernel.emit(gen_random_uuid(), 'inventory.low_stock', 1, 'product', p_product::text,
        jsonb_build_object('productId', p_product, 'currentStock', p_level, 'threshold', p_threshold),
        jsonb_build_object('correlationId', coalesce(p_reference::text, ''), 'source', 'product'))
$$;

-- Takes every line or nothing. Lines are merged, ids rise (so two orders never wait for each other in a circle), prices are
-- those that the buyer saw. Answers the new levels, in the order given.
-- Refusals (SQLSTATE VK000): OUT_OF_STOCK with [{productId, requested, available}] for each line that is short or no longer
-- sold; PRICE_CHANGED with [{productId, price, seen}] in paise.
CREATE FUNCTION products.take_stock(p_products uuid[], p_quantities integer[], p_prices bigint[], p_reference uuid)
RETURNS integer[] LANGUAGE plpgsql AS $$
DECLARE
    v_levels  integer[] := '{}';
    v_changes integer[] := '{}';
    v_lows    integer[] := '{}';
    v_short   jsonb := '[]';
    v_moved   jsonb := '[]';
    v_level   integer;
    v_low     integer;
    v_price   bigint;
BEGIN
    IF 1 > ANY (p_quantities) THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'a quantity below one';
    END IF;
    FOR i IN 1 .. cardinality(p_products) LOOP
        UPDATE products.stock s SET available = s.available - p_quantities[i]
        WHERE s.product_id = p_products[i] AND s.available >= p_quantities[i] AND s.is_active
        RETURNING s.available, s.low_at, s.unit_price_paise INTO v_level, v_low, v_price;
        IF NOT FOUND THEN
            SELECT CASE WHEN s.is_active THEN s.available ELSE 0 END INTO v_level
            FROM products.stock s WHERE s.product_id = p_products[i];
            v_short := v_short || jsonb_build_object(
                'productId', p_products[i], 'requested', p_quantities[i], 'available', coalesce(v_level, 0));
            CONTINUE;
        END IF;
        IF v_price IS DISTINCT FROM p_prices[i] THEN
            v_moved := v_moved || jsonb_build_object('productId', p_products[i], 'price', v_price, 'seen', p_prices[i]);
        END IF;
        v_levels[i] := v_level;
        v_lows[i] := v_low;
        v_changes[i] := -p_quantities[i];
    END LOOP;
    IF v_short <> '[]' THEN
        RAISE EXCEPTION USING ERRCODE = 'VK000', MESSAGE = 'OUT_OF_STOCK', DETAIL = v_short::text;
    ELSIF v_moved <> '[]' THEN
        RAISE EXCEPTION USING ERRCODE = 'VK000', MESSAGE = 'PRICE_CHANGED', DETAIL = v_moved::text;
    END IF;
    INSERT INTO products.inventory_log (product_id, change, level, reason, reference)
    SELECT t.product, t.change, t.level, 'ORDER_PLACED', p_reference
    FROM unnest(p_products, v_changes, v_levels) AS t(product, change, level);
    FOR i IN 1 .. cardinality(p_products) LOOP
        IF v_levels[i] <= v_lows[i] AND v_levels[i] + p_quantities[i] > v_lows[i] THEN
            PERFORM products.announce_low(p_products[i], v_levels[i], v_lows[i], p_reference);
        END IF;
    END LOOP;
    RETURN v_levels;
END $$;

-- Puts back what an order had taken: merged lines, rising ids. A product that is gone is passed over (its level is null).
CREATE FUNCTION products.give_back_stock(p_products uuid[], p_quantities integer[], p_reason text, p_reference uuid)
RETURNS integer[] LANGUAGE plpgsql AS $$
DECLARE
    v_levels integer[] := '{}';
    v_level  integer;
BEGIN
    IF 1 > ANY (p_quantities) THEN
        RAISE EXCEPTION USING ERRCODE = '22023', MESSAGE = 'a quantity below one';
    END IF;
    FOR i IN 1 .. cardinality(p_products) LOOP
        UPDATE products.stock s SET available = s.available + p_quantities[i] WHERE s.product_id = p_products[i]
        RETURNING s.available INTO v_level;
        v_levels := v_levels || v_level;
    END LOOP;
    INSERT INTO products.inventory_log (product_id, change, level, reason, reference)
    SELECT t.product, t.change, t.level, p_reason, p_reference
    FROM unnest(p_products, p_quantities, v_levels) AS t(product, change, level) WHERE t.level IS NOT NULL;
    RETURN v_levels;
END $$;

-- One change by hand: a difference, so that two people at once do not undo each other. Null if there is not so much.
CREATE FUNCTION products.adjust_stock(p_product uuid, p_change integer, p_reason text, p_reference uuid)
RETURNS integer LANGUAGE plpgsql AS $$
DECLARE
    v_level integer;
    v_low   integer;
BEGIN
    UPDATE products.stock s SET available = s.available + p_change
    WHERE s.product_id = p_product AND s.available + p_change >= 0
    RETURNING s.available, s.low_at INTO v_level, v_low;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    INSERT INTO products.inventory_log (product_id, change, level, reason, reference)
    VALUES (p_product, p_change, v_level, p_reason, p_reference);
    IF v_level <= v_low AND v_level - p_change > v_low THEN
        PERFORM products.announce_low(p_product, v_level, v_low, p_reference);
    END IF;
    RETURN v_level;
END $$;

-- $1 the query, lower case and NFC; $2 the same as a LIKE pattern; $3 how many. Best first: the words themselves, then names
-- that look alike ("tamato"), then what merely mentions them. Each OR has its own GIN index.
CREATE FUNCTION products.search(text, text, integer) RETURNS SETOF uuid
LANGUAGE sql STABLE SET pg_trgm.word_similarity_threshold = 0.5 AS $$
    SELECT p.id FROM products.products p
    WHERE p.search_names %> $1 OR p.search_document LIKE $2 OR p.search_words @@ plainto_tsquery('english', $1)
    ORDER BY (p.search_names LIKE $2) DESC,
             word_similarity($1, p.search_names) + ts_rank(p.search_words, plainto_tsquery('english', $1)) DESC,
             p.sales_count DESC, p.id
    LIMIT $3
$$;
