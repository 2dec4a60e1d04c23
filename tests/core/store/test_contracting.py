import pytest

from core.store.contracting import contracting, only_expands, takes_away
from core.store.schema import Migration, MigrationError


def file(sql: str, *, phase: str = "pre", owner: str = "cart", version: int = 7) -> Migration:
    return Migration(owner, version, f"{version:04d}_it", phase, "whole", sql)


@pytest.mark.parametrize(
    ("sql", "what"),
    [
        ("DROP TABLE a.b;", "drops what older code may use"),
        ("drop view a.b", "drops what older code may use"),
        ("DROP FUNCTION a.f(int);", "drops a function"),
        ("ALTER TABLE a.b ADD COLUMN d int,\n DROP COLUMN c;", "drops a column"),
        ("ALTER TABLE a.b DROP c", "drops a column"),
        ("ALTER TABLE a.b ALTER c DROP DEFAULT", "drops a default"),
        ("ALTER TABLE a.b RENAME COLUMN c TO d", "renames"),
        ("ALTER TABLE a.b RENAME TO d", "renames"),
        ("ALTER TABLE a.b ALTER COLUMN c TYPE bigint", "changes a column's type"),
        ("ALTER TABLE a.b ALTER c SET DATA TYPE bigint", "changes a column's type"),
        ("ALTER TABLE a.b ALTER c SET NOT NULL", "refuses NULL"),
        ("ALTER TABLE a.b ADD COLUMN c int NOT NULL", "adds a column that older code does not fill"),
        ("ALTER TABLE a.b ADD c int DEFAULT 1, ADD d int NOT NULL", "adds a column that older code does not fill"),
        ("TRUNCATE a.b", "empties a table"),
        ("REVOKE SELECT ON a.b FROM c", "takes rights away"),
    ],
)
def test_what_older_code_would_miss_is_named(sql: str, what: str) -> None:
    assert takes_away(f"CREATE TABLE a.other (id int);\n{sql}").startswith(what)


@pytest.mark.parametrize(
    "sql",
    [
        "CREATE TABLE a.b (c int NOT NULL); ALTER TABLE a.b ALTER c DROP DEFAULT;",
        "CREATE OR REPLACE FUNCTION a.f() RETURNS void LANGUAGE plpgsql AS $x$ BEGIN DROP TABLE t; END $x$;",
        "-- DROP TABLE a.b;\nSELECT 'DROP TABLE a.b'; /* TRUNCATE */",
        "ALTER TABLE a.b ADD COLUMN c int NOT NULL DEFAULT 0, ADD d text",
        "ALTER TABLE a.b ADD COLUMN c int DEFAULT 0 NOT NULL",
        "ALTER TABLE a.b ADD c int GENERATED ALWAYS AS IDENTITY NOT NULL",
        "ALTER TABLE a.b DROP CONSTRAINT c, ALTER d DROP NOT NULL",
        "ALTER TABLE a.b ADD CONSTRAINT c CHECK (d IS NOT NULL) NOT VALID",
        "CREATE TRIGGER t BEFORE TRUNCATE ON a.b EXECUTE FUNCTION a.f()",
        "DROP INDEX CONCURRENTLY IF EXISTS a.i; CREATE INDEX CONCURRENTLY i ON a.b (c);",
    ],
)
def test_what_only_expands_passes(sql: str) -> None:
    assert takes_away(sql) == ""


def test_a_file_of_phase_post_contracts_whatever_it_says() -> None:
    assert list(contracting([file("SELECT 1", phase="post"), file("SELECT 1")])) == [
        "cart 0007_it contracts (vurksha migrate --post, when nothing older runs)"
    ]


def test_of_a_database_that_nobody_migrated_nobody_misses_anything() -> None:
    first = file("SELECT 1", owner="kernel", version=1)
    only_expands([first, file("DROP TABLE a.b")])
    with pytest.raises(MigrationError, match="not expand-only: cart 0007_it drops what older code may use: DROP TABLE"):
        only_expands([file("DROP TABLE a.b")])
