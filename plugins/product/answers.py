"""What goes over the wire (CONTRACT A.4, B.4, C.1-3), and the one place that turns products into it."""

from datetime import datetime
from typing import Any
from uuid import UUID

import attrs

from core.convert import wire
from core.types import Rupees, rupees
from plugins.product.models import Banner, Category, Entry, Product, share_price, share_stock, short_text


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


def product_item(entry: Entry, category: Category) -> ProductItem:
    """A product as a list shows it."""
    p = entry.product
    return ProductItem(
        id=p.id,
        name=p.name,
        slug=p.slug,
        description=short_text(p),
        category=category.name,
        category_id=category.id,
        category_info=CategoryInfo(id=category.id, name=category.name, slug=category.slug),
        price=rupees(p.price_paise),
        discount_percentage=p.discount_bp / 100 if p.discount_bp else None,
        effective_price=rupees(p.unit_price_paise),
        compare_at_price=rupees(p.price_paise) if p.discount_bp else None,
        unit=p.unit,
        weight=p.weight,
        image=p.image_url,
        image_url=p.image_url,
        semantic_label=p.image_label,
        stock=entry.stock,
        in_stock=entry.on_sale and entry.stock > 0,
        is_active=p.is_active,
        is_organic=p.is_organic,
        is_featured=p.is_featured,
        rating=p.rating,
        average_rating=p.rating,
        review_count=p.review_count,
        farm_source=p.farm_source,
        tags=p.tags,
        min_order_quantity=p.min_order_quantity,
        max_order_quantity=p.max_order_quantity,
    )


def product_detail(entry: Entry, category: Category) -> ProductDetail:
    """A product as its own page shows it."""
    p, item = entry.product, product_item(entry, category)
    shared: dict[str, Any] = {field.name: getattr(item, field.name) for field in attrs.fields(ProductItem)}
    return ProductDetail(
        **shared | {"description": p.description},
        short_description=short_text(p),
        price_per_kg=item.effective_price,
        stock_count=entry.stock,
        quantity_step=p.quantity_step,
        shelf_life=p.shelf_life,
        storage_instructions=p.storage_instructions,
        nutrition_info=p.nutrition_info,
        nutritional_benefits=p.nutritional_benefits,
        farming_practices=p.farming_practices,
        images=[Image(**image | {"id": UUID(image["id"])}) for image in p.images],
        weight_options=_options(p, entry.stock),
        reviews=[_review(review) for review in p.reviews],
        total_reviews=p.review_count,
        created_at=p.created_at,
        version=p.version,
    )


def _options(product: Product, stock: int) -> list[WeightOption]:
    return [
        WeightOption(
            id=option["id"],
            weight=option["weight"],
            price=rupees(share_price(product.unit_price_paise, option["share"])),
            unit=option["unit"],
            stock=share_stock(stock, option["share"]),
        )
        for option in product.weight_options
    ]


def _review(said: dict[str, Any]) -> Review:
    moment = datetime.fromisoformat(said["created_at"])
    return Review(**said | {"id": UUID(said["id"]), "created_at": moment, "date": moment.date().isoformat()})


def fragment(entry: Entry, category: Category) -> bytes:
    """The JSON of a product in a list, made once per change."""
    if entry.fragment is None:
        entry.fragment = wire.dump(product_item(entry, category))
    return entry.fragment


def category_child(category: Category) -> CategoryChild:
    """A category in few words."""
    return CategoryChild(id=category.id, name=category.name, slug=category.slug, image_url=category.image_url)


def category_item(category: Category, count: int, children: list[Category]) -> CategoryItem:
    """A category in a list."""
    return CategoryItem(
        id=category.id,
        name=category.name,
        slug=category.slug,
        description=category.description,
        image_url=category.image_url,
        icon=category.icon,
        color=category.color,
        product_count=count,
        count=count,
        children=[category_child(child) for child in children],
    )


def banner_item(banner: Banner) -> BannerItem:
    """A banner in a list."""
    return BannerItem(**{field.name: getattr(banner, field.name) for field in attrs.fields(BannerItem)})
