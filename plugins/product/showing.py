"""Products, categories and banners as the wire shows them."""

from datetime import datetime
from typing import Any
from uuid import UUID

import attrs

from core.convert import wire
from core.types import rupees
from plugins.product.answers import (
    BannerItem,
    CategoryChild,
    CategoryInfo,
    CategoryItem,
    Image,
    ProductDetail,
    ProductItem,
    Review,
    WeightOption,
)
from plugins.product.models import Banner, Category, Entry, Product, share_price, share_stock, short_text


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
    shared["description"] = p.description
    return ProductDetail(
        **shared,
        short_description=short_text(p),
        price_per_kg=item.effective_price,
        stock_count=entry.stock,
        quantity_step=p.quantity_step,
        shelf_life=p.shelf_life,
        storage_instructions=p.storage_instructions,
        nutrition_info=p.nutrition_info,
        nutritional_benefits=p.nutritional_benefits,
        farming_practices=p.farming_practices,
        images=[_image(image) for image in p.images],
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


def _image(row: dict[str, Any]) -> Image:
    return Image(
        id=UUID(row["id"]),
        url=row["url"],
        alt_text=row["alt_text"],
        semantic_label=row["semantic_label"],
        sort_order=row["sort_order"],
        is_primary=row["is_primary"],
    )


def _review(said: dict[str, Any]) -> Review:
    moment = datetime.fromisoformat(said["created_at"])
    return Review(
        id=UUID(said["id"]),
        user_name=said["user_name"],
        rating=said["rating"],
        title=said["title"],
        comment=said["comment"],
        is_verified=said["is_verified"],
        date=moment.date().isoformat(),
        created_at=moment,
    )


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
