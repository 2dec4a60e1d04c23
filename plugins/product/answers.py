"""What goes over the wire (CONTRACT A.4, B.4, C.1-3)."""

from datetime import datetime
from uuid import UUID

import attrs

from core.types import Rupees


@attrs.frozen(kw_only=True)
class CategoryInfo:
    """The category of a product."""

    id: UUID
    name: str
    slug: str


@attrs.frozen(kw_only=True)
class ProductItem:
    """A product in a list. `price` is before the discount; `effective_price` is what a customer pays."""

    id: UUID
    name: str
    slug: str
    description: str
    category: str
    category_id: UUID
    category_info: CategoryInfo
    price: Rupees
    discount_percentage: float | None
    effective_price: Rupees
    compare_at_price: Rupees | None
    unit: str
    weight: str
    image: str
    image_url: str
    semantic_label: str
    stock: int
    in_stock: bool
    is_active: bool
    is_organic: bool
    is_featured: bool
    rating: float
    average_rating: float
    review_count: int
    farm_source: str
    tags: tuple[str, ...]
    min_order_quantity: int
    max_order_quantity: int


@attrs.frozen(kw_only=True)
class Image:
    """A picture of a product."""

    id: UUID
    url: str
    alt_text: str
    semantic_label: str
    sort_order: int
    is_primary: bool


@attrs.frozen(kw_only=True)
class WeightOption:
    """A pack size. `price` is after the discount."""

    id: str
    weight: str
    price: Rupees
    unit: str
    stock: int


@attrs.frozen(kw_only=True)
class Review:
    """What a customer said. `date` is `created_at` as a day."""

    id: UUID
    user_name: str
    rating: int
    title: str | None
    comment: str
    is_verified: bool
    date: str
    created_at: datetime


@attrs.frozen(kw_only=True)
class ProductDetail(ProductItem):
    """A product on its own page: a list's fields, the whole description, and more."""

    short_description: str
    price_per_kg: Rupees
    stock_count: int
    quantity_step: int
    shelf_life: str | None
    storage_instructions: str | None
    nutrition_info: dict[str, object]
    nutritional_benefits: str
    farming_practices: str
    images: list[Image]
    weight_options: list[WeightOption]
    reviews: list[Review]
    total_reviews: int
    created_at: datetime
    version: int
    """For `If-Match` of an edit."""


@attrs.frozen(kw_only=True)
class ProductList:
    """A page of products."""

    products: list[ProductItem]


@attrs.frozen(kw_only=True)
class ProductAnswer:
    """One product."""

    product: ProductDetail


@attrs.frozen(kw_only=True)
class CategoryChild:
    """A category below another, or above it."""

    id: UUID
    name: str
    slug: str
    image_url: str | None


@attrs.frozen(kw_only=True)
class CategoryItem:
    """A category. `product_count` counts what is on sale; `color` is ARGB."""

    id: UUID
    name: str
    slug: str
    description: str | None
    image_url: str | None
    icon: str
    color: int
    product_count: int
    count: int
    children: list[CategoryChild]


@attrs.frozen(kw_only=True)
class CategoryDetail:
    """A category with its family."""

    id: UUID
    name: str
    slug: str
    description: str | None
    image_url: str | None
    icon: str
    color: int
    product_count: int
    count: int
    children: list[CategoryChild]
    parent: CategoryChild | None


@attrs.frozen(kw_only=True)
class CategoryList:
    """Names for the app, objects for everybody else."""

    categories: list[str]
    items: list[CategoryItem]


@attrs.frozen(kw_only=True)
class CategoryAnswer:
    """One category."""

    category: CategoryDetail


@attrs.frozen(kw_only=True)
class BannerItem:
    """A banner."""

    id: UUID
    title: str
    subtitle: str | None
    image_url: str
    tag: str
    position: str
    link_type: str | None
    link_value: str | None


@attrs.frozen(kw_only=True)
class BannerList:
    """Banners, in their order."""

    banners: list[BannerItem]
