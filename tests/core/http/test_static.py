"""Files and pages: from memory, with ETag and 304, under the right type and policy."""

from pathlib import Path

import pytest

from core.http.docs import page
from core.http.envelope import Clockwork
from core.http.routing import Files
from core.http.static import files
from tests.core.harness import Probe


async def test_a_file_has_its_type_its_age_and_its_tag(probe: Probe) -> None:
    answer = await probe.get("/images/leaf.svg")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "image/svg+xml")
    assert answer.body == (probe.plugin.folder / "leaf.svg").read_bytes()
    assert answer.headers["Cache-Control"] == "public, max-age=86400"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert answer.headers["Content-Security-Policy"] == "default-src 'none'; frame-ancestors 'none'"
    tag = answer.headers["ETag"]
    for known in (tag, f'"other", {tag}', f"W/{tag}", "*"):
        again = await probe.get("/images/leaf.svg", headers={"If-None-Match": known})
        assert (again.status, again.body, again.headers["ETag"]) == (304, b"", tag)
    changed = await probe.get("/images/leaf.svg", headers={"If-None-Match": '"other"'})
    assert changed.status == 200


async def test_head_names_the_length_only(probe: Probe) -> None:
    answer = await probe.request("HEAD", "/images/leaf.svg")
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["Content-Length"]) == len((await probe.get("/images/leaf.svg")).body)


@pytest.mark.parametrize(
    "path",
    [
        "/images/nothing.svg",
        "/images/",
        "/images/../probe.py",
        "/images/%2e%2e/probe.py",
        "/images/deep",
        "/images/deep/",
    ],
)
async def test_what_is_no_file_of_the_folder_is_not_found(probe: Probe, path: str) -> None:
    answer = await probe.get(path)
    assert (answer.status, answer.code) == (404, "RES_001")


async def test_a_folder_below_is_part_of_the_path(probe: Probe) -> None:
    assert (await probe.get("/images/deep/note.txt")).headers["Content-Type"] == "text/plain"


async def test_a_file_takes_no_other_method(probe: Probe) -> None:
    assert (await probe.post("/images/leaf.svg")).status == 405


async def test_the_docs_page_has_one_policy_its_own(probe: Probe) -> None:
    answer = await probe.get("/docs")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "text/html; charset=utf-8")
    assert answer.headers.getall("Content-Security-Policy") == [page()[1]]  # type: ignore[attr-defined]  # a multidict
    again = await probe.get("/docs", headers={"If-None-Match": answer.headers["ETag"]})
    assert again.status == 304
    assert again.headers.getall("Content-Security-Policy") == [page()[1]]  # type: ignore[attr-defined]  # as above


async def test_the_document_is_json(probe: Probe) -> None:
    answer = await probe.get("/openapi.json")
    assert (answer.status, answer.headers["Content-Type"]) == (200, "application/json")
    assert "/api/v1/probe/hello" in answer.json["paths"]


def test_a_file_of_no_known_type_is_only_bytes(tmp_path: Path) -> None:
    (tmp_path / "thing.qqq").write_bytes(b"?")
    ((path, endpoint),) = files(Files("/x", tmp_path), Clockwork())
    assert (path, b"application/octet-stream" in endpoint._kind) == ("/x/thing.qqq", True)


def test_a_page_of_a_plugin_brings_its_own_policy(tmp_path: Path) -> None:
    (tmp_path / "page.html").write_text("<p>Hello</p>")
    ((_, endpoint),) = files(Files("/x", tmp_path, policy="default-src 'self'"), Clockwork())
    assert b"Content-Security-Policy: default-src 'self'\r\n" in endpoint._kind
