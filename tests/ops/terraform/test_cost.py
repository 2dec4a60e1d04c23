"""The cost table is made from the sizes that are applied, and says how right it is."""

import json

import pytest

from ops.terraform.cost import BEGIN, HERE, items, sizes, table, written

PRICES = json.loads((HERE / "prices.json").read_text())


def test_the_readme_has_the_table_of_these_sizes() -> None:
    readme = (HERE / "README.md").read_text()
    assert BEGIN in readme
    assert written(table()) == readme, "run python -m ops.terraform.cost --write"


def test_every_part_of_every_size_has_a_price() -> None:
    for size in sizes():
        bill = list(items(size, PRICES))
        assert len(bill) == 9
        assert all(dollars > 0 for _, _, dollars in bill)


def test_a_larger_shop_costs_more_and_an_order_in_it_less() -> None:
    sums = [sum(dollars for _, _, dollars in items(size, PRICES)) for size in sizes()]
    each = [total / size["orders_per_day"] for total, size in zip(sums, sizes(), strict=True)]
    assert [size["name"] for size in sizes()] == ["small", "medium", "large"]
    assert sums == sorted(sums)
    assert each == sorted(each, reverse=True)


@pytest.mark.parametrize("word", ["noted", "source", "precision_percent", "inr_source"])
def test_prices_say_where_and_when_they_are_from(word: str) -> None:
    assert str(PRICES[word]) in table()
