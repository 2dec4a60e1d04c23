from typing import Any
from uuid import UUID

import pytest

from core.auth import Role
from core.testing import Answer, TestApp
from core.types import uuid7
from plugins.user.ports import ADDRESSES, USERS
from plugins.user.service import UserService
from tests.plugins.user.conftest import Client, http_sign_in, new_phone

ADDRESS = {
    "id": "1700000000000",
    "fullName": "Asha Rao",
    "phoneNumber": "98765 43210",
    "addressLine1": "1",
    "addressLine2": "Near the lake",
    "city": "Pune",
    "state": "Maharashtra",
    "pinCode": "411001",
    "country": "India",
    "type": "work",
    "latitude": 18.52,
    "longitude": 73.85,
    "deliveryInstructions": {"specialNotes": "Ring twice", "securityCode": "42", "preferredTimeSlot": "9-12"},
}


@pytest.fixture
async def me(app: TestApp) -> Client:
    """A new customer."""
    return await http_sign_in(app, new_phone())


def fields(answer: Answer) -> set[str]:
    """The fields that a 400 names."""
    assert answer.status == 400, answer.body
    return {error["field"] for error in answer.json["error"]["details"]["validationErrors"]}


@pytest.mark.parametrize("path", ["/auth/send-otp", "/auth/otp/send"])
@pytest.mark.parametrize("key", ["phone", "phoneNumber"])
async def test_both_paths_and_keys_send_a_code(app: TestApp, path: str, key: str) -> None:
    phone = new_phone()
    headers = {"Authorization": "Bearer nonsense"}
    answer = await app.post(path, json={key: phone, "deviceId": str(uuid7())}, headers=headers)
    assert answer.status == 200
    assert answer.data["expiresIn"] == 300
    assert answer.data["retryIn"] == 30
    code = (await app.message(phone))["code"]
    assert code.encode() not in answer.body
    again = await app.post(path, json={key: phone[3:]})
    assert again.status == 200
    assert 1 <= again.data["retryIn"] <= 30
    assert len(app.messages(phone)) == 1


async def test_a_send_over_the_limit_is_429_with_the_seconds_to_wait(app: TestApp) -> None:
    device = str(uuid7())
    answers = [await app.post("/auth/send-otp", json={"phone": new_phone(), "deviceId": device}) for _ in range(6)]
    assert [answer.status for answer in answers] == [200] * 5 + [429]
    assert answers[-1].code == "RATE_001"
    assert 3500 < int(answers[-1].headers["Retry-After"]) <= 3600


@pytest.mark.parametrize(
    "body", [{}, {"phone": "12345"}, {"phone": 9876543210}, {"phone": "९८७६५४३२१०"}, {"phoneNumber": "+1 555"}]
)
async def test_what_is_no_phone_is_a_field_error(app: TestApp, body: dict[str, Any]) -> None:
    for path, more in (("/auth/send-otp", {}), ("/auth/verify-otp", {"otp": "123456"})):
        assert fields(await app.post(path, json={**body, **more})) <= {"phone", "phoneNumber"}


@pytest.mark.parametrize("otp", ["12345", "1234567", "12345a", "१२३४५६", 123456, None])
async def test_what_is_no_code_is_a_field_error(app: TestApp, otp: object) -> None:
    assert fields(await app.post("/auth/verify-otp", json={"phone": new_phone(), "otp": otp})) == {"otp"}


async def test_signing_in_answers_flat_and_nested_tokens_and_the_user(app: TestApp) -> None:
    phone = new_phone()
    await app.post("/auth/send-otp", json={"phone": phone})
    code = (await app.message(phone))["code"]
    body = {"phoneNumber": phone, "otp": code, "deviceId": "d", "deviceName": "Pixel", "deviceType": "android"}
    answer = await app.post("/auth/otp/verify", json=body, headers={"Authorization": "Bearer stale"})
    assert answer.status == 200
    data = answer.data
    assert data["tokens"] == {key: data[key] for key in ("accessToken", "refreshToken", "expiresIn")}
    assert data["expiresIn"] == 900
    user = data["user"]
    assert user["phone"] == user["phoneNumber"] == phone
    assert user["profilePicture"] is user["profileImageUrl"] is None
    assert (user["isNew"], user["isVerified"], user["role"]) == (True, True, "CUSTOMER")
    assert user["createdAt"].endswith("Z")
    assert str(UUID(user["id"])) == user["id"]
    assert answer.headers["Cache-Control"] == "no-store"


async def test_wrong_codes_are_400_and_look_alike(app: TestApp) -> None:
    phone = new_phone()
    await app.post("/auth/send-otp", json={"phone": phone})
    right = (await app.message(phone))["code"]
    wrong = f"{(int(right) + 1) % 1_000_000:06d}"
    answers = [await app.post("/auth/verify-otp", json={"phone": phone, "otp": wrong}) for _ in range(4)]
    assert [(answer.status, answer.code) for answer in answers] == [(400, "AUTH_005")] * 3 + [(400, "AUTH_006")]
    assert len({frozenset(answer.json["error"]) for answer in answers}) == 1


async def test_a_refresh_answers_flat_and_nested_and_works_at_once(app: TestApp, me: Client) -> None:
    body = {"refreshToken": me.refresh}
    answer = await app.post("/auth/token/refresh", json=body, headers={"Authorization": ""})
    assert answer.status == 200
    data = answer.data
    assert data["tokens"] == {key: data[key] for key in ("accessToken", "refreshToken", "expiresIn")}
    fresh = Client(me.user_id, data["accessToken"], data["refreshToken"], me.phone)
    assert (await app.get("/users/profile", as_=fresh)).status == 200
    twin = await app.post("/auth/token/refresh", json=body)
    assert twin.data["refreshToken"] == data["refreshToken"]


async def test_a_bad_refresh_token_is_401_and_a_missing_one_400(app: TestApp) -> None:
    answer = await app.post("/auth/token/refresh", json={"refreshToken": "nonsense"})
    assert (answer.status, answer.code) == (401, "AUTH_003")
    assert fields(await app.post("/auth/token/refresh", json={})) == {"refreshToken"}


async def test_logout_without_a_body_ends_the_session(app: TestApp, me: Client) -> None:
    assert (await app.post("/auth/logout", as_=me)).status == 200
    after = await app.get("/users/profile", as_=me)
    assert (after.status, after.code) == (401, "AUTH_004")
    refused = await app.post("/auth/token/refresh", json={"refreshToken": me.refresh})
    assert (refused.status, refused.code) == (401, "AUTH_003")
    assert (await app.post("/auth/logout", as_=me)).status == 200, "the app repeats a logout whose answer was lost"


async def test_logout_everywhere(app: TestApp, me: Client) -> None:
    other = await http_sign_in(app, me.phone)
    body = {"refreshToken": me.refresh, "allDevices": True}
    assert (await app.post("/auth/logout", as_=me, json=body)).status == 200
    assert (await app.get("/users/me", as_=other)).status == 401


async def test_the_profile_is_read_and_changed_under_both_names(app: TestApp, me: Client) -> None:
    for path in ("/users/profile", "/users/me"):
        body = {
            "name": "  Asha Rao ",
            "email": f"{uuid7().hex}@example.com",
            "profilePicture": "https://example.com/a.png",
        }
        changed = await app.put(path, as_=me, json=body)
        assert changed.status == 200, changed.body
        user = (await app.get(path, as_=me)).data["user"]
        assert user == changed.data["user"]
        assert (user["name"], user["email"]) == ("Asha Rao", body["email"])
        assert user["profilePicture"] == user["profileImageUrl"] == "https://example.com/a.png"
    assert (await app.put("/users/me", as_=me)).status == 200


async def test_every_bad_field_of_a_profile_is_named(app: TestApp, me: Client) -> None:
    body = {"name": "A", "email": "not mail", "profileImageUrl": "ftp://x"}
    assert fields(await app.put("/users/me", as_=me, json=body)) == {"name", "email", "profileImageUrl"}


async def test_an_email_in_use_is_409(app: TestApp, me: Client) -> None:
    body = {"email": f"{uuid7().hex}@example.com"}
    other = await http_sign_in(app, new_phone())
    assert (await app.put("/users/me", as_=other, json=body)).status == 200
    answer = await app.put("/users/me", as_=me, json=body)
    assert (answer.status, answer.code) == (409, "RES_002")


async def test_a_deleted_account_is_signed_out(app: TestApp, me: Client) -> None:
    answer = await app.delete("/users/me", as_=me)
    assert answer.status == 200
    assert answer.data["message"]
    assert (await app.get("/users/me", as_=me)).status == 401


async def test_only_an_administrator_reads_other_accounts(app: TestApp, me: Client) -> None:
    refused = await app.get(f"/users/{me.user_id}", as_=me)
    assert (refused.status, refused.code) == (403, "FORBIDDEN")
    admin = await http_sign_in(app, new_phone())
    users = app.services.get(USERS)
    assert isinstance(users, UserService)
    await users.grant(admin.phone, Role.ADMIN, "cli:asha@desk")
    admin = await http_sign_in(app, admin.phone)
    answer = await app.get(f"/users/{me.user_id}", as_=admin)
    assert answer.data["user"]["phone"] == me.phone
    assert answer.data["user"]["isActive"] is True
    assert (await app.get(f"/users/{uuid7()}", as_=admin)).status == 404
    assert (await app.get("/users/nonsense", as_=admin)).status in (400, 404)


async def test_an_address_is_answered_in_both_spellings(app: TestApp, me: Client) -> None:
    answer = await app.post("/addresses", as_=me, json=ADDRESS)
    assert answer.status == 201, answer.body
    address = answer.data["address"]
    assert address["id"] != ADDRESS["id"]
    assert address["pinCode"] == address["pincode"] == "411001"
    assert (address["type"], address["label"], address["isDefault"]) == ("work", "Work", True)
    assert address["createdAt"].endswith("Z")
    assert address["updatedAt"].endswith("Z")
    for key in (
        "fullName",
        "phoneNumber",
        "addressLine1",
        "addressLine2",
        "latitude",
        "longitude",
        "deliveryInstructions",
    ):
        assert address[key] == ADDRESS[key]
    assert (await app.get(f"/addresses/{address['id']}", as_=me)).data["address"] == address
    assert (await app.get("/addresses", as_=me)).data["addresses"] == [address]


async def test_the_earlier_backends_names_work_too(app: TestApp, me: Client) -> None:
    body = {
        "fullName": "Asha Rao",
        "phoneNumber": "+919876543210",
        "addressLine1": "1 MG Road",
        "city": "Pune",
        "state": "Maharashtra",
        "pincode": "411001",
        "label": "Other",
        "landmark": "The lake",
    }
    address = (await app.post("/addresses", as_=me, json=body)).data["address"]
    assert (address["type"], address["label"]) == ("other", "Other")
    assert (address["addressLine2"], address["landmark"], address["country"]) == ("", "The lake", "India")
    assert address["deliveryInstructions"] is None
    path = f"/addresses/{address['id']}"
    changed = await app.put(path, as_=me, json={"pinCode": "411002", "landmark": "", "label": "Home"})
    after = changed.data["address"]
    assert (after["pincode"], after["landmark"], after["type"]) == ("411002", None, "home")
    assert after["city"] == "Pune"


async def test_a_repeated_post_with_a_key_saves_once(app: TestApp, me: Client) -> None:
    headers = {"X-Idempotency-Key": "1700000000000"}
    first = await app.post("/addresses", as_=me, json=ADDRESS, headers=headers)
    again = await app.post("/addresses", as_=me, json=ADDRESS, headers=headers)
    assert (first.status, again.status) == (201, 201)
    assert first.data == again.data
    assert again.headers["X-Idempotent-Replayed"] == "true"


async def test_the_default_moves_and_deleting_is_repeatable(app: TestApp, me: Client) -> None:
    first = (await app.post("/addresses", as_=me, json=ADDRESS)).data["address"]
    second = (await app.post("/addresses", as_=me, json={**ADDRESS, "addressLine1": "2"})).data["address"]
    moved = await app.post(f"/addresses/{second['id']}/default", as_=me)
    assert moved.data["address"]["isDefault"] is True
    for _ in range(2):
        assert (await app.delete(f"/addresses/{second['id']}", as_=me)).status == 200
    left = (await app.get("/addresses", as_=me)).data["addresses"]
    assert [(address["id"], address["isDefault"]) for address in left] == [(first["id"], True)]


async def test_somebody_elses_address_is_not_found(app: TestApp, me: Client) -> None:
    other = await http_sign_in(app, new_phone())
    theirs = (await app.post("/addresses", as_=other, json=ADDRESS)).data["address"]
    path = f"/addresses/{theirs['id']}"
    answers = [
        await app.get(path, as_=me),
        await app.put(path, as_=me, json={"city": "Mumbai"}),
        await app.delete(path, as_=me),
        await app.post(f"{path}/default", as_=me),
    ]
    assert {(answer.status, answer.code) for answer in answers} == {(404, "RES_001")}
    found = await app.services.get(ADDRESSES).find(app.db, other.user_id, UUID(theirs["id"]))
    assert found is not None
    assert found.city == "Pune"


async def test_every_bad_field_of_an_address_is_named(app: TestApp, me: Client) -> None:
    bad = {"phoneNumber": "१२३४५६७८९०", "pinCode": "41100", "latitude": 91, "type": "castle", "addressLine1": " "}
    assert fields(await app.post("/addresses", as_=me, json={**ADDRESS, **bad})) == set(bad)
    without = {key: value for key, value in ADDRESS.items() if key != "pinCode"}
    assert fields(await app.post("/addresses", as_=me, json=without)) == {"pinCode"}


async def test_the_eleventh_address_is_400(app: TestApp, me: Client) -> None:
    for number in range(10):
        assert (await app.post("/addresses", as_=me, json={**ADDRESS, "addressLine1": f"{number}"})).status == 201
    answer = await app.post("/addresses", as_=me, json={**ADDRESS, "addressLine1": "eleventh"})
    assert (answer.status, answer.code) == (400, "VAL_002")


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/users/profile"), ("GET", "/addresses"), ("POST", "/auth/logout"), ("PUT", "/users/me")],
)
async def test_nobody_else_gets_in(app: TestApp, method: str, path: str) -> None:
    answer = await app.request(method, path)
    assert (answer.status, answer.code) == (401, "AUTH_001")
