import pytest

from tests.architecture.code import readme_table
from tests.docs.tables import README, REFRESH, TABLES, built, find_table, table


@pytest.mark.parametrize("heading", TABLES)
def test_a_table_says_what_the_code_says(heading: str) -> None:
    written = find_table(README.read_text("utf-8"), heading)[1]
    assert written == table(heading), f"the table below {heading!r} is old; {REFRESH} writes it anew"


@pytest.mark.parametrize("heading", TABLES)
def test_a_row_is_found_by_its_first_cell_and_has_no_gap(heading: str) -> None:
    titles, make = TABLES[heading]
    found = readme_table(heading)
    assert len(found) == len(list(make()))
    gaps = [key for key, cells in found.items() if len(cells) != len(titles) - 1 or not all(cells)]
    assert gaps == [], f"say in README.md what these mean: {', '.join(gaps)}"


def test_a_plugin_that_lacks_its_row_would_be_seen() -> None:
    assert {manifest.name for manifest in built().plugins.manifests} == set(readme_table("The domains"))
    assert {f"{route.method} {route.path}" for route in built().routes} == set(readme_table("Routes"))
