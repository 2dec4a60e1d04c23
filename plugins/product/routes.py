"""HTTP: the public catalogue, and the edits of an administrator."""

from collections.abc import Sequence
from pathlib import Path
from typing import Annotated, Any

import attrs

from core.convert import wire
from core.errors import NOT_FOUND, PRECONDITION_FAILED
from core.http.fields import Number, OneOf, Text, Whole
from core.http.routing import ADMIN, PUBLIC, Cache, Call, Encoded, Files, Pagination, Repeat, Reply, Route
from plugins.product import answers, showing
from plugins.product.editing import Edit, Editor, expected, hundredths
from plugins.product.listing import Sort, Wanted
from plugins.product.models import Entry
from plugins.product.ports import INSUFFICIENT_STOCK
from plugins.product.service import Ask, Shelf, Shop

RISING = {Sort.PRICE, Sort.NAME}
"""What people expect to rise when a sort word says no direction of its own and nobody gave `sortOrder`."""
SORTS = (*(sort.value for sort in Sort), *(f"{sort.value}_{way}" for sort in Sort for way in ("asc", "desc")))
SPELLINGS = {
    "createdAt": "newest",
    "averageRating": "rating",
    "salesCount": "popularity",
    "low_to_high": "price_asc",
    "high_to_low": "price_desc",
}
FRESH = Cache(0)
"""Products are asked for anew each time, with their ETag: stock and prices must be true (CONTRACT A.4)."""
SHELVES = Cache(60)


@attrs.frozen(kw_only=True)
class ProductQuery:
    """What a list of products may be asked for. Prices in rupees, before the discount."""

    page: Annotated[int, Whole(1)] = 1
    """Past the end there is nothing, however far (CONTRACT A.4)."""
    limit: Annotated[int, Whole(1, 100)] = 20
    category: str | None = None
    """Name (in any case), slug or id."""
    category_id: str | None = None
    search: str | None = None
    is_organic: bool | None = None
    in_stock: bool | None = None
    min_price: Annotated[float, Number(0, 1e9)] | None = None
    max_price: Annotated[float, Number(0, 1e9)] | None = None
    filter: Annotated[str, OneOf(("in_stock", "out_of_stock", "organic"))] | None = None
    sort_by: Annotated[str, OneOf(SORTS, SPELLINGS)] | None = None
    sort_order: Annotated[str, OneOf(("asc", "desc"))] | None = None


@attrs.frozen(kw_only=True)
class BannerQuery:
    """Where the banners are shown."""

    position: str = "home"


@attrs.frozen(kw_only=True)
class ProductEdit:
    """What to change of a product. Stock moves by a difference, so two people at once do not undo each other."""

    name: Annotated[str, Text(1, 120)] | None = None
    price: Annotated[float, Number(0.01, 10_000_000)] | None = None
    discount_percentage: Annotated[float, Number(0, 99)] | None = None
    is_active: bool | None = None
    stock_delta: Annotated[int, Whole(-1_000_000, 1_000_000)] | None = None


def asked(query: ProductQuery) -> Ask:
    """The list that a query means."""
    word, _, way = (query.sort_by or "").partition("_")
    sort = Sort(word) if word else None
    way = way or query.sort_order or ("asc" if sort in RISING else "desc")
    stock = {"in_stock": True, "out_of_stock": False}.get(query.filter or "", query.in_stock)
    return Ask(
        page=query.page,
        limit=query.limit,
        categories=tuple(word for word in (query.category, query.category_id) if word),
        search=query.search or "",
        sort=sort,
        descending=way == "desc",
        wanted=Wanted(
            organic=True if query.filter == "organic" else query.is_organic,
            in_stock=stock,
            min_paise=None if query.min_price is None else hundredths(query.min_price),
            max_paise=None if query.max_price is None else hundredths(query.max_price),
        ),
    )


class PublicRoutes:
    """Answers of the catalogue, joined from bytes that are there already."""

    def __init__(self, shop: Shop) -> None:
        self._shop = shop

    async def products(self, call: Call[None, ProductQuery]) -> Reply:
        """A page."""
        page = await self._shop.page(asked(call.query))
        valid = self._shop.catalogue.still(page.entries) if page.lasting else None
        where = Pagination(call.query.page, call.query.limit, page.total)
        return Reply(data=self._joined(page.entries), pagination=where, valid=valid)

    async def featured(self, _: Call[None, None]) -> Reply:
        """The front row."""
        entries = self._shop.featured()
        valid = self._shop.catalogue.still(entries)
        return Reply(data=self._joined(entries), pagination=Pagination.whole(len(entries)), valid=valid)

    async def product(self, call: Call[None, None]) -> Reply:
        """One product."""
        entry = self._shop.product(call.uuid("product_id"))
        detail = showing.product_detail(entry, self._shop.category_of(entry))
        return self._kept(answers.ProductAnswer(product=detail), [entry])

    async def categories(self, _: Call[None, None]) -> Reply:
        """All shelves."""
        shelves = self._shop.shelves()
        items = [showing.category_item(shelf.category, shelf.count, shelf.children) for shelf in shelves]
        reply = self._kept(answers.CategoryList(categories=[item.name for item in items], items=items))
        return attrs.evolve(reply, pagination=Pagination.whole(len(items)))

    async def category(self, call: Call[None, None]) -> Reply:
        """One shelf."""
        return self._kept(answers.CategoryAnswer(category=_detail(self._shop.shelf(call.text("slug")))))

    async def banners(self, call: Call[None, BannerQuery]) -> Reply:
        """What is advertised now."""
        shown, until = self._shop.banners(call.query.position)
        data = answers.BannerList(banners=[showing.banner_item(banner) for banner in shown])
        valid = self._shop.catalogue.still((), until)
        return Reply(data=Encoded(wire.dump(data)), pagination=Pagination.whole(len(shown)), valid=valid)

    def _joined(self, entries: Sequence[Entry]) -> Encoded:
        parts = [showing.fragment(entry, self._shop.category_of(entry)) for entry in entries]
        return Encoded(b'{"products":[%b]}' % b",".join(parts))

    def _kept(self, data: object, entries: Sequence[Entry] = ()) -> Reply:
        return Reply(data=Encoded(wire.dump(data)), valid=self._shop.catalogue.still(entries))


class AdminRoutes:
    """Edits."""

    def __init__(self, editor: Editor) -> None:
        self._editor = editor

    async def edit(self, call: Call[ProductEdit, None]) -> Reply:
        """Change one product."""
        edit = Edit(**attrs.asdict(call.body))
        version, product_id = expected(call.if_match), call.uuid("product_id")
        entry, category = await self._editor.edit(call.tx, product_id, edit, version, call.principal)
        product = showing.product_detail(entry, category)
        return Reply(data=answers.ProductAnswer(product=product), etag=f'"{product.version}"')


def _detail(shelf: Shelf) -> answers.CategoryDetail:
    item = showing.category_item(shelf.category, shelf.count, shelf.children)
    shared: dict[str, Any] = {field.name: getattr(item, field.name) for field in attrs.fields(answers.CategoryItem)}
    parent = showing.category_child(shelf.parent) if shelf.parent else None
    return answers.CategoryDetail(**shared, parent=parent)


def routes(shop: Shop, editor: Editor) -> list[Route | Files]:
    """The route table (CONTRACT 0, rows 18 to 23)."""
    public, admin = PublicRoutes(shop), AdminRoutes(editor)

    def read(path: str, handler: Any, answer: type, summary: str, **more: Any) -> Route:
        return Route(
            method="GET", path=path, policy=PUBLIC, handler=handler, answer=answer, summary=summary, private=False,
            **{"cache": FRESH, **more},
        )  # fmt: skip

    return [
        read(
            "/products",
            public.products,
            answers.ProductList,
            "Products, filtered, searched, in pages",
            query=ProductQuery,
            paged=True,
        ),
        read("/products/featured", public.featured, answers.ProductList, "Featured products", paged=True),
        read("/products/{product_id:uuid}", public.product, answers.ProductAnswer, "One product", errors=(NOT_FOUND,)),
        read("/categories", public.categories, answers.CategoryList, "Categories", cache=SHELVES, paged=True),
        read(
            "/categories/{slug}",
            public.category,
            answers.CategoryAnswer,
            "One category",
            errors=(NOT_FOUND,),
            cache=SHELVES,
        ),
        read(
            "/banners",
            public.banners,
            answers.BannerList,
            "Banners of a position",
            query=BannerQuery,
            cache=SHELVES,
            paged=True,
        ),
        Route(
            method="PATCH",
            path="/admin/products/{product_id:uuid}",
            policy=ADMIN,
            handler=admin.edit,
            body=ProductEdit,
            answer=answers.ProductAnswer,
            summary="Change a product, or its stock by a difference; `If-Match` takes its version",
            repeat=Repeat.KEYED,
            errors=(NOT_FOUND, PRECONDITION_FAILED, INSUFFICIENT_STOCK),
        ),
        Files(prefix="/images", folder=Path(__file__).parent / "pictures"),
    ]
