-- phase: pre
-- What the shop sells, what can be had of it, and what changed lately.

CREATE SCHEMA IF NOT EXISTS products;
-- Trusted since PostgreSQL 13: the owner of the database may create it.
CREATE EXTENSION IF NOT EXISTS pg_trgm SCHEMA public;

CREATE TABLE products.categories (
    id          uuid        PRIMARY KEY,
    slug        text        NOT NULL UNIQUE,
    name        text        NOT NULL,
    description text,
    image_url   text,
    icon        text        NOT NULL DEFAULT 'category',
    color       bigint      NOT NULL DEFAULT 4283215696,
    sort_order  integer     NOT NULL DEFAULT 0,
    parent_id   uuid        REFERENCES products.categories (id),
    is_active   boolean     NOT NULL DEFAULT true
);
COMMENT ON COLUMN products.categories.color IS 'ARGB, as the app paints it';

CREATE TABLE products.products (
    id                   uuid        PRIMARY KEY,
    slug                 text        NOT NULL UNIQUE,
    name                 text        NOT NULL,
    other_names          text        NOT NULL DEFAULT '',
    description          text        NOT NULL DEFAULT '',
    short_description    text,
    category_id          uuid        NOT NULL REFERENCES products.categories (id),
    price_paise          bigint      NOT NULL CHECK (price_paise BETWEEN 1 AND 100000000000),
    discount_bp          integer     NOT NULL DEFAULT 0 CHECK (discount_bp BETWEEN 0 AND 9999),
    -- Half a paisa rounds up; models.unit_price is the same rule.
    unit_price_paise     bigint      NOT NULL GENERATED ALWAYS AS ((price_paise * (10000 - discount_bp) + 5000) / 10000) STORED,
    unit                 text        NOT NULL DEFAULT 'kg',
    weight               text        NOT NULL DEFAULT '',
    image_url            text        NOT NULL DEFAULT '',
    image_label          text        NOT NULL DEFAULT '',
    is_organic           boolean     NOT NULL DEFAULT false,
    is_featured          boolean     NOT NULL DEFAULT false,
    is_active            boolean     NOT NULL DEFAULT true,
    rating               numeric(3, 2) NOT NULL DEFAULT 0 CHECK (rating BETWEEN 0 AND 5),
    review_count         integer     NOT NULL DEFAULT 0 CHECK (review_count >= 0),
    sales_count          bigint      NOT NULL DEFAULT 0,
    farm_source          text        NOT NULL DEFAULT '',
    tags                 text[]      NOT NULL DEFAULT '{}',
    min_order_quantity   integer     NOT NULL DEFAULT 1 CHECK (min_order_quantity >= 1),
    max_order_quantity   integer     NOT NULL DEFAULT 10 CHECK (max_order_quantity BETWEEN min_order_quantity AND 99),
    quantity_step        integer     NOT NULL DEFAULT 1 CHECK (quantity_step >= 1),
    shelf_life           text,
    storage_instructions text,
    nutrition_info       jsonb       NOT NULL DEFAULT '{}',
    nutritional_benefits text        NOT NULL DEFAULT '',
    farming_practices    text        NOT NULL DEFAULT '',
    weight_options       jsonb       NOT NULL DEFAULT '[]',
    low_stock_threshold  integer     NOT NULL DEFAULT 10 CHECK (low_stock_threshold >= 0),
    version              bigint      NOT NULL DEFAULT 1,
    created_at           timestamptz NOT NULL DEFAULT now(),
    updated_at           timestamptz NOT NULL DEFAULT now(),
    search_names         text        NOT NULL DEFAULT '',
    search_document      text        NOT NULL DEFAULT '',
    search_words         tsvector    NOT NULL DEFAULT ''
);
COMMENT ON COLUMN products.products.discount_bp IS 'hundredths of a percent';
COMMENT ON COLUMN products.products.other_names IS 'names in Hindi, Tamil and so on, separated by commas';
COMMENT ON COLUMN products.products.weight_options IS '[{"id", "weight", "unit", "share"}], share in thousandths of the unit';
CREATE INDEX products_category ON products.products (category_id);
CREATE INDEX products_names ON products.products USING gin (search_names gin_trgm_ops);
CREATE INDEX products_document ON products.products USING gin (search_document gin_trgm_ops);
CREATE INDEX products_words ON products.products USING gin (search_words);

CREATE TABLE products.images (
    id             uuid    PRIMARY KEY,
    product_id     uuid    NOT NULL REFERENCES products.products (id) ON DELETE CASCADE,
    url            text    NOT NULL,
    alt_text       text    NOT NULL DEFAULT '',
    semantic_label text    NOT NULL DEFAULT '',
    sort_order     integer NOT NULL DEFAULT 0,
    is_primary     boolean NOT NULL DEFAULT false
);
CREATE INDEX images_product ON products.images (product_id, sort_order);

CREATE TABLE products.reviews (
    id          uuid        PRIMARY KEY,
    product_id  uuid        NOT NULL REFERENCES products.products (id) ON DELETE CASCADE,
    user_id     uuid        NOT NULL,
    user_name   text        NOT NULL CHECK (user_name <> ''),
    rating      smallint    NOT NULL CHECK (rating BETWEEN 1 AND 5),
    title       text,
    comment     text,
    is_verified boolean     NOT NULL DEFAULT false,
    is_approved boolean     NOT NULL DEFAULT false,
    created_at  timestamptz NOT NULL DEFAULT now(),
    UNIQUE (product_id, user_id)
);
CREATE INDEX reviews_shown ON products.reviews (product_id, created_at DESC) WHERE is_approved;

CREATE TABLE products.banners (
    id         uuid        PRIMARY KEY,
    position   text        NOT NULL DEFAULT 'home',
    title      text        NOT NULL,
    subtitle   text,
    image_url  text        NOT NULL,
    tag        text        NOT NULL DEFAULT 'FRESH',
    link_type  text        CHECK (link_type IN ('product', 'category', 'external')),
    link_value text,
    sort_order integer     NOT NULL DEFAULT 0,
    is_active  boolean     NOT NULL DEFAULT true,
    starts_at  timestamptz,
    ends_at    timestamptz
);

-- What one order line needs, in one row: its lock makes the level, the price and "is it sold at all" one decision.
-- No index but the key, and room in the page: a sale is a heap-only update.
CREATE TABLE products.stock (
    product_id       uuid    PRIMARY KEY REFERENCES products.products (id) ON DELETE CASCADE,
    available        integer NOT NULL DEFAULT 0 CHECK (available >= 0),
    low_at           integer NOT NULL DEFAULT 10,
    unit_price_paise bigint  NOT NULL,
    is_active        boolean NOT NULL
) WITH (fillfactor = 70);

-- Every movement of stock, for people to read and for the replicas to learn from.
CREATE TABLE products.inventory_log (
    product_id uuid        NOT NULL,
    id         bigint      GENERATED ALWAYS AS IDENTITY,
    change     integer     NOT NULL,
    level      integer     NOT NULL,
    reason     text        NOT NULL,
    reference  uuid,
    at         timestamptz NOT NULL DEFAULT clock_timestamp(),
    xid        bigint      NOT NULL DEFAULT (pg_current_xact_id()::text::bigint),
    PRIMARY KEY (product_id, id)
);
-- A reader that remembers the oldest transaction that was open at its last look misses nothing, in whatever order they
-- commit: it reads from that transaction on. A rising number alone could be overtaken.
CREATE INDEX inventory_log_xid ON products.inventory_log (xid);

-- Every edit, for the replicas; kept a day.
CREATE TABLE products.changes (
    xid  bigint      NOT NULL DEFAULT (pg_current_xact_id()::text::bigint),
    kind text        NOT NULL CHECK (kind IN ('product', 'category', 'banner')),
    id   uuid        NOT NULL,
    at   timestamptz NOT NULL DEFAULT now()
);
CREATE INDEX changes_xid ON products.changes (xid);
CREATE INDEX changes_at ON products.changes (at);
