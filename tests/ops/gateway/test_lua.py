"""The Lua in kong.yml, run for real, with a stand-in for the few functions of Kong that it calls."""

import base64
import json
import subprocess
from uuid import uuid4

import pytest

from core import errors
from core.auth import TokenIssuer
from tests.ops.gateway.kong import document, gate

pytestmark = pytest.mark.ops

KONG = """
local status, source, headers = {status}, "{source}", {{ ["x-request-id"] = {id}, authorization = {authorization} }}
local out = {{}}
local alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"
ngx = {{ decode_base64 = function(text)
  if #text % 4 ~= 0 or text:find("[^%w+/=]") then return nil end
  local bits = text:gsub("=", ""):gsub(".", function(c)
    local n, s = alphabet:find(c, 1, true) - 1, ""
    for i = 5, 0, -1 do s = s .. (math.floor(n / 2 ^ i) % 2) end
    return s
  end)
  return (bits:gsub("%d%d%d?%d?%d?%d?%d?%d?", function(b) return #b == 8 and string.char(tonumber(b, 2)) or "" end))
end }}
kong = {{
  request = {{ get_header = function(name) return headers[name:lower()] end }},
  service = {{ request = {{
    set_header = function(name, value) out[name] = value end,
    clear_header = function(name) out[name] = "cleared" end,
  }} }},
  response = {{
    get_source = function() return source end,
    get_status = function() return status end,
    get_header = function(name) return headers[name:lower()] end,
    get_raw_body = function() return "what Kong says" end,
    set_raw_body = function(body) out.body = body end,
    set_header = function(name, value) out[name] = value end,
    clear_header = function(name) out[name] = "cleared" end,
  }},
}}
assert(loadstring([==[{code}]==]))()
for name, value in pairs(out) do print(name .. "\\t" .. value) end
"""


def run(
    code: str, *, status: int = 200, source: str = "service", authorization: str = "", name: str = "r-1"
) -> dict[str, str]:
    """What a piece of it set."""
    script = KONG.format(
        code=code, status=status, source=source, id=json.dumps(name), authorization=json.dumps(authorization)
    )
    done = subprocess.run(["luajit", "-"], input=script, capture_output=True, text=True, check=False, timeout=20)
    assert done.returncode == 0, done.stderr
    return dict(line.split("\t", 1) for line in done.stdout.splitlines())


def access() -> str:
    code: str = gate("GET", "/api/v1/orders").plugins["pre-function"]["access"][0]
    return code


def after(phase: str) -> str:
    code: str = next(one for one in document()["plugins"] if one["name"] == "post-function")["config"][phase][0]
    return code


def test_the_user_that_a_token_names_is_counted() -> None:
    tokens = TokenIssuer("a secret of the tests, thirty-two", (), issuer="vurksha", audience="app", minutes=15)
    for _ in range(20):
        user = uuid4()
        token = tokens.issue(user, uuid4(), "CUSTOMER")
        assert run(access(), authorization=f"Bearer {token}") == {"X-Rate-Key": str(user)}


@pytest.mark.parametrize(
    "authorization",
    ["", "Bearer", "Bearer a.b.c", "Basic dTpw", "Bearer ...", f"Bearer x.{base64.b64encode(b'{}').decode()}.z"],
)
def test_where_no_user_is_named_the_clients_own_header_goes(authorization: str) -> None:
    assert run(access(), authorization=authorization) == {"X-Rate-Key": "cleared"}


@pytest.mark.parametrize(
    ("status", "code"),
    [
        (400, errors.INVALID_FORMAT),
        (401, errors.UNAUTHORIZED),
        (404, errors.NOT_FOUND),
        (405, errors.METHOD_NOT_ALLOWED),
        (408, errors.INVALID_FORMAT),
        (411, errors.INVALID_FORMAT),
        (413, errors.PAYLOAD_TOO_LARGE),
        (414, errors.URI_TOO_LONG),
        (417, errors.EXPECTATION_FAILED),
        (429, errors.RATE_LIMITED),
        (431, errors.HEADERS_TOO_LARGE),
        (494, errors.HEADERS_TOO_LARGE),
        (500, errors.UNAVAILABLE),
        (502, errors.UNAVAILABLE),
        (503, errors.UNAVAILABLE),
    ],
)
@pytest.mark.parametrize("source", ["exit", "error"])
def test_a_refusal_of_the_gateway_reads_like_the_shops(status: int, code: errors.Code, source: str) -> None:
    body = json.loads(run(after("body_filter"), status=status, source=source)["body"])
    told = body["error"]
    assert (body["success"], told["code"]) == (False, code.name)
    assert (told["message"], told["retryable"]) == (code.message, code.retryable)
    assert body["requestId"] == body["meta"]["requestId"] == "r-1"
    assert body["meta"]["timestamp"].endswith("Z")
    headers = run(after("header_filter"), status=status, source=source)
    assert headers["Content-Type"].startswith("application/json")
    assert headers["Content-Length"] == "cleared"


def test_what_the_shop_answers_stays_as_it_is() -> None:
    for phase in ("header_filter", "body_filter"):
        assert run(after(phase), status=404) == {}
        assert run(after(phase), status=204, source="exit") == {}


def test_a_name_of_a_request_cannot_end_the_text() -> None:
    body = run(after("body_filter"), status=401, source="exit", name='"},"evil":{"a":"')["body"]
    assert json.loads(body)["requestId"] == ""
