-- phase: pre
-- A search that keeps to filters before it stops. products.search, which the release before this one still asks, does not.

-- $1 the query, lower case and NFC; $2 the same as a LIKE pattern; $3 how many; $4 the categories to look in; $5 organic or
-- not; $6 and $7 the least and the highest price; null asks for nothing. Best first, and only what is sold: the words
-- themselves, then names that look alike ("tamato"), then what merely mentions them. Each OR has its own GIN index; IS TRUE
-- keeps the planner from the index of the categories, which all of a shop's categories would make it read whole.
CREATE FUNCTION products.find(text, text, integer, uuid[], boolean, bigint, bigint) RETURNS SETOF uuid
LANGUAGE sql STABLE SET pg_trgm.word_similarity_threshold = 0.5 AS $$
    SELECT p.id FROM products.products p
    WHERE (p.search_names %> $1 OR p.search_document LIKE $2 OR p.search_words @@ plainto_tsquery('english', $1))
      AND p.is_active AND (p.category_id = ANY ($4)) IS TRUE AND ($5 IS NULL OR p.is_organic = $5)
      AND ($6 IS NULL OR p.price_paise >= $6) AND ($7 IS NULL OR p.price_paise <= $7)
    ORDER BY (p.search_names LIKE $2) DESC,
             word_similarity($1, p.search_names) + ts_rank(p.search_words, plainto_tsquery('english', $1)) DESC,
             p.sales_count DESC, p.id
    LIMIT $3
$$;
