"""What every route gets from the kernel: the envelope, the limits, who is asking, 404 to 504."""

import asyncio
from uuid import uuid4

import pytest

from core.auth import Role, TokenIssuer
from core.resilience.shedding import Shedder
from core.store.standby import standby_at
from tests.core.harness import Probe


async def test_a_success_has_the_envelope_that_the_app_parses(probe: Probe) -> None:
    answer = await probe.get("/probe/hello?page=2&limit=20", headers={"X-Request-ID": "abc-1"})
    assert answer.status == 200
    assert answer.json["success"] is True
    assert answer.json["requestId"] == answer.json["meta"]["requestId"] == "abc-1" == answer.headers["X-Request-Id"]
    assert answer.json["meta"]["version"] == "1.0.0"
    assert answer.json["pagination"] == {"page": 2, "limit": 20, "total": 45, "totalPages": 3, "hasMore": True}
    assert answer.headers["Content-Type"] == "application/json"
    assert answer.headers["Cache-Control"] == "no-store"
    assert answer.headers["X-Content-Type-Options"] == "nosniff"
    assert "Date" in answer.headers


async def test_a_hostile_request_id_is_replaced(probe: Probe) -> None:
    answer = await probe.get("/probe/hello", headers={"X-Request-ID": 'x" onload=1'})
    assert len(answer.json["requestId"]) == 36


@pytest.mark.parametrize(
    ("method", "path", "status", "code"),
    [
        ("GET", "/nothing", 404, "RES_001"),
        ("GET", "/probe/hello/", 404, "RES_001"),
        ("GET", "/probe/things/not-a-uuid", 404, "RES_001"),
        ("GET", "/probe/words/%ff", 404, "RES_001"),
        ("GET", "/probe/words/a%00b", 404, "RES_001"),
        ("DELETE", "/probe/hello", 405, "METHOD_NOT_ALLOWED"),
        ("PATCH", "/probe/things/special", 405, "METHOD_NOT_ALLOWED"),
        ("GET", "/probe/hello?page=0", 400, "VAL_001"),
        ("GET", "/probe/hello?page=1&page=2", 400, "VAL_002"),
        ("GET", "/probe/hello?page=%ff", 400, "VAL_004"),
        ("GET", "/probe/hello?page=٣", 400, "VAL_001"),
        ("GET", "/probe/hello?organic=maybe", 400, "VAL_001"),
        ("GET", "/probe/boom", 500, "SYS_001"),
        ("GET", "/probe/slow", 504, "SYS_003"),
        ("GET", "/probe/mine", 401, "AUTH_001"),
        ("GET", "/probe/hello?x=" + "y" * 5000, 414, "URI_TOO_LONG"),
    ],
)
async def test_refusals_keep_the_envelope(probe: Probe, method: str, path: str, status: int, code: str) -> None:
    answer = await probe.request(method, path)
    assert (answer.status, answer.code) == (status, code)
    assert answer.json["success"] is False
    assert answer.json["requestId"] == answer.headers["X-Request-Id"]
    assert "secret" not in answer.body.decode()


async def test_a_request_whose_wait_a_library_gives_up_is_answered(probe: Probe) -> None:
    probe.plugin.under_way.clear()
    asking = asyncio.ensure_future(probe.post("/probe/slow"))
    await probe.plugin.under_way.wait()
    await asyncio.sleep(0.01)
    probe.plugin.waits_for.cancel()
    answer = await asking
    assert (answer.status, answer.code) == (500, "SYS_001")


async def test_a_405_says_what_is_allowed(probe: Probe) -> None:
    answer = await probe.delete("/probe/hello")
    assert answer.headers["Allow"] == "GET, HEAD, OPTIONS"


async def test_fixed_words_win_over_values(probe: Probe) -> None:
    assert (await probe.get("/probe/things/special")).data == {"text": "special"}
    thing = str(uuid4())
    assert (await probe.get(f"/probe/things/{thing}")).data == {"text": thing}
    assert (await probe.get("/probe/words/a%20b")).data == {"text": "a b"}


async def test_blank_query_values_count_as_not_given(probe: Probe) -> None:
    assert (await probe.get("/probe/hello?page=&organic=")).data["text"].startswith("1 20 None")


@pytest.mark.parametrize(
    ("body", "code"),
    [
        (b"{", "VAL_004"),
        (b"[]", "VAL_004"),
        (b'{"name":"a","name":"b"}', "VAL_004"),
        (b'{"name":"\\u0000"}', "VAL_002"),
        (b'{"name":"\\ud800"}', "VAL_004"),
        (b'{"name":"\xff"}', "VAL_004"),
        (b'{"name":"a","amount":NaN}', "VAL_004"),
        (b'{"name":"a","amount":1e400}', "VAL_004"),
        (b'{"name":"a","amount":1e30}', "VAL_002"),
        (b'{"name":"a","x":' + b"[" * 21 + b"]" * 21 + b"}", "VAL_002"),
        (b'{"name":"a","x":[' + b"1," * 200 + b"1]}", "VAL_002"),
        (b'{"name":"a","x":"' + b"y" * 10_001 + b'"}', "VAL_002"),
        (b'{"name":""}', "VAL_001"),
        (b"", "VAL_001"),
        (b'{"name":"a","lines":[{"productId":"x","quantity":true}]}', "VAL_001"),
    ],
)
async def test_bad_bodies_are_told_apart_and_never_a_500(probe: Probe, body: bytes, code: str) -> None:
    answer = await probe.post("/probe/echo", body=body)
    assert (answer.status, answer.code) == (400, code)


async def test_all_field_errors_come_at_once(probe: Probe) -> None:
    answer = await probe.post("/probe/echo", json={"lines": [{"productId": "x", "quantity": 0}], "amount": "1"})
    fields = {e["field"] for e in answer.json["error"]["details"]["validationErrors"]}
    assert fields == {"name", "lines.0.productId", "lines.0.quantity", "amount"}


async def test_colons_and_escapes_in_texts_are_no_keys(probe: Probe) -> None:
    answer = await probe.post("/probe/echo", body=rb'{"name":"a\":\"b:c\\"}')
    assert answer.data == {"text": 'a":"b:c\\ 0'}


async def test_unknown_fields_never_bind(probe: Probe) -> None:
    assert (await probe.post("/probe/echo", json={"name": "a", "role": "ADMIN"})).data == {"text": "a 0"}


async def test_a_large_body_is_413(probe: Probe) -> None:
    answer = await probe.post("/probe/echo", body=b'{"name":"' + b"a" * 70_000 + b'"}')
    assert (answer.status, answer.code) == (413, "PAYLOAD_TOO_LARGE")


@pytest.mark.parametrize(
    "headers", [{"Content-Type": "multipart/form-data"}, {"Content-Type": "text/plain"}, {"Content-Encoding": "gzip"}]
)
async def test_other_media_are_415(probe: Probe, headers: dict[str, str]) -> None:
    answer = await probe.post("/probe/echo", body=b"x", headers=headers)
    assert (answer.status, answer.code) == (415, "UNSUPPORTED_MEDIA_TYPE")


async def test_problem_json_for_those_who_ask(probe: Probe) -> None:
    answer = await probe.get("/nothing", headers={"Accept": "application/problem+json"})
    assert answer.headers["Content-Type"] == "application/problem+json"
    assert (answer.json["status"], answer.json["code"]) == (404, "RES_001")


async def test_roles_and_ended_sessions(probe: Probe) -> None:
    somebody, admin = probe.person(), probe.person(Role.ADMIN)
    assert (await probe.get("/probe/mine", as_=somebody)).data == {"text": str(somebody.user_id)}
    assert (await probe.get("/probe/admin", as_=somebody)).status == 403
    probe.plugin.gate.role = Role.ADMIN
    assert (await probe.get("/probe/admin", as_=admin)).status == 200
    probe.plugin.gate.role = Role.CUSTOMER
    assert (await probe.get("/probe/admin", as_=admin)).status == 403  # what is stored counts, not what the token says
    probe.plugin.gate.ended.add(somebody.session_id)
    ended = await probe.get("/probe/mine", as_=somebody)
    assert (ended.status, ended.code) == (401, "AUTH_004")


@pytest.mark.parametrize("header", ["Bearer", "Bearer x.y.z", "Basic abc", "bearer a", "Bearer " + "a." * 500])
async def test_bad_tokens_are_401(probe: Probe, header: str) -> None:
    answer = await probe.get("/probe/mine", headers={"Authorization": header})
    assert answer.status == 401
    assert answer.code in ("AUTH_001", "AUTH_003")


async def test_public_routes_ignore_any_authorization(probe: Probe) -> None:
    for header in ("", "Bearer expired", "nonsense"):
        assert (await probe.get("/probe/hello", headers={"Authorization": header})).status == 200


async def test_a_token_of_another_secret_is_refused(probe: Probe) -> None:
    other = TokenIssuer("o" * 40, [], issuer="vurksha", audience="vurksha-app", minutes=15)
    token = other.issue(uuid4(), uuid4(), "ADMIN")
    assert (await probe.get("/probe/mine", headers={"Authorization": f"Bearer {token}"})).code == "AUTH_003"


async def test_no_standby_says_whether_a_session_lives(probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    standby = standby_at(probe.db.pool.dsn, {})
    standby.hear(primary=False)
    monkeypatch.setattr(probe.db, "standby", standby)
    assert (await probe.get("/probe/live", as_=probe.person())).status == 200
    assert standby.pool.opened == 0


async def test_the_client_may_only_lower_the_deadline(probe: Probe) -> None:
    began = asyncio.get_running_loop().time()
    answer = await probe.get("/probe/slow", headers={"X-Request-Timeout-Ms": "20"})
    assert (answer.status, answer.json["error"]["retryable"]) == (504, True)
    assert asyncio.get_running_loop().time() - began < 0.18
    assert answer.headers["Retry-After"] == "1"


async def test_the_client_is_the_last_hop_that_no_proxy_of_ours_is(probe: Probe) -> None:
    answer = await probe.get("/probe/hello", headers={"X-Forwarded-For": "6.6.6.6, 9.9.9.9, 127.0.0.2"})
    assert answer.data["text"].endswith(" 9.9.9.9")
    assert (await probe.get("/probe/hello")).data["text"].endswith(" 127.0.0.1")


def test_an_ipv4_proxy_is_trusted_on_a_listener_for_both_families(probe: Probe) -> None:
    assert probe.app.entry._trusts("::ffff:127.0.0.1")
    assert not probe.app.entry._trusts("::ffff:9.9.9.9")
    assert not probe.app.entry._trusts("::1")


async def test_cors_is_an_exact_list(probe: Probe) -> None:
    good = await probe.get("/probe/hello", headers={"Origin": "https://shop.example"})
    assert good.headers["Access-Control-Allow-Origin"] == "https://shop.example"
    bad = await probe.get("/probe/hello", headers={"Origin": "https://evil.example"})
    assert "Access-Control-Allow-Origin" not in bad.headers
    preflight = await probe.request("OPTIONS", "/probe/echo", headers={"Origin": "https://shop.example"})
    assert (preflight.status, preflight.headers["Allow"]) == (204, "OPTIONS, POST")
    assert preflight.headers["Access-Control-Allow-Origin"] == "https://shop.example"


async def test_head_answers_like_get_without_a_body(probe: Probe) -> None:
    answer = await probe.request("HEAD", "/probe/hello")
    assert (answer.status, answer.body) == (200, b"")
    assert int(answer.headers["Content-Length"]) > 100


async def test_what_cannot_be_served_in_time_is_refused_at_once_the_least_first(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    shedder = probe.app.kernel.shedder
    with monkeypatch.context() as patched:
        shedder.lagged(shedder._late * 1.2)
        patched.setattr(Shedder, "lagged", lambda *_: None)  # what the loop really is, it may measure later
        refused = await probe.get("/probe/hello")
        assert (refused.status, refused.code, refused.headers["Retry-After"]) == (503, "SYS_002", "1")
        assert (await probe.post("/probe/echo", json={"name": "a"})).status == 200
        assert (await probe.get("/health/live")).status == 200
    shedder.lagged(0.0)
    assert (await probe.get("/probe/hello")).status == 200
    assert shedder.inside == 0


async def test_no_write_is_begun_when_the_process_has_just_stood_still(
    probe: Probe, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as patched:
        patched.setattr(Shedder, "stalled", True)
        assert (await probe.post("/probe/echo", json={"name": "a"})).status == 503
        assert (await probe.get("/probe/hello")).status == 200
    assert (await probe.post("/probe/echo", json={"name": "a"})).status == 200
