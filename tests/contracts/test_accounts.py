"""Sign-in, profile and addresses: what they accept, refuse and limit (CONTRACT A.3, A.8, B.3)."""

from typing import Any

import pytest

from core.testing import Answer, TestApp
from tests.contracts import shapes
from tests.contracts.world import HOME
from tests.people import Customer, NewCustomer, code_for, new_phone

APPS_HOME = {
    "id": "1732262400000", "fullName": "Asha Rao", "phoneNumber": "9876543210", "addressLine1": "1", "addressLine2": "",
    "city": "Pune", "state": "Maharashtra", "pinCode": "411001", "country": "India", "type": "work", "isDefault": False,
    "latitude": None, "longitude": None, "deliveryInstructions": {"specialNotes": "ring", "securityCode": None},
    "createdAt": "2026-11-22T10:00:00.000", "updatedAt": "2026-11-22T10:00:00.000",
}  # fmt: skip
NODES_HOME = {
    "label": "Other", "fullName": "Asha Rao", "phoneNumber": "+919876543210", "addressLine1": "12 Orchard Road",
    "landmark": "temple", "city": "Pune", "state": "Maharashtra", "pincode": "411001", "latitude": 18.5,
    "longitude": 73,
}  # fmt: skip


async def add(app: TestApp, who: Customer, **changes: Any) -> Answer:
    return await app.post("/addresses", json={**HOME, **changes}, as_=who)


@pytest.mark.parametrize(
    "phone", ["12345", "5876543210", "+929876543210", "98765432100", "९८७६५४३२१०", 9876543210, None, ""]
)
@pytest.mark.parametrize("name", ["phone", "phoneNumber"])
async def test_only_indian_mobile_numbers(app: TestApp, name: str, phone: object) -> None:
    answer = await app.post("/auth/send-otp", json={name: phone})
    assert (answer.status, answer.code) == (400, "VAL_001")


@pytest.mark.parametrize("otp", ["12345", "1234567", "12345a", 123456, None])
async def test_a_code_is_six_digits(app: TestApp, otp: object) -> None:
    answer = await app.post("/auth/verify-otp", json={"phone": new_phone(), "otp": otp})
    assert (answer.status, answer.code) == (400, "VAL_001")


async def test_a_code_has_three_attempts_and_no_refusal_is_401(app: TestApp) -> None:
    phone = new_phone()
    code = await code_for(app, phone)
    wrong = "000000" if code != "000000" else "111111"
    refused = [await app.post("/auth/verify-otp", json={"phone": phone, "otp": wrong}) for _ in range(3)]
    refused.append(await app.post("/auth/verify-otp", json={"phone": phone, "otp": code}))
    assert {answer.status for answer in refused} == {400}
    assert {answer.code for answer in refused} <= {"AUTH_005", "AUTH_006"}


async def test_a_code_is_used_once(app: TestApp) -> None:
    phone = new_phone()
    body = {"phone": phone, "otp": await code_for(app, phone)}
    answers = [await app.post("/auth/verify-otp", json=body | {"deviceId": device}) for device in ("mine", "another")]
    assert [answer.status for answer in answers] == [200, 400]
    assert answers[0].data["user"]["isNew"] is True


@pytest.mark.parametrize("form", ["{0}", "+91{0}"])
async def test_the_sixth_code_in_an_hour_is_429(app: TestApp, form: str) -> None:
    phone = new_phone()
    await code_for(app, phone)
    age = "UPDATE users.challenges SET created_at = created_at - interval '2 minutes' WHERE phone = $1 RETURNING 1"
    for _ in range(4):
        await app.db.fetch(age, f"+91{phone}")
        assert (await app.post("/auth/send-otp", json={"phone": form.format(phone)})).status == 200
    await app.db.fetch(age, f"+91{phone}")
    answer = await app.post("/auth/send-otp", json={"phone": form.format(phone)})
    assert (answer.status, answer.code) == (429, "RATE_001")
    assert int(answer.headers["Retry-After"]) == answer.json["error"]["retryAfter"] > 0


async def test_signing_in_again_is_not_new(app: TestApp, customer: Customer) -> None:
    code = await code_for(app, customer.phone)
    answer = await app.post("/auth/verify-otp", json={"phoneNumber": customer.full_phone, "otp": code})
    user = answer.data["user"]
    assert (user["isNew"], user["id"], user["phone"]) == (False, str(customer.user_id), customer.full_phone)
    assert user["role"] == "CUSTOMER"


async def test_leaving_with_the_other_spelling_ends_the_other_session(app: TestApp, customer: Customer) -> None:
    body = {"refreshToken": customer.refresh, "allDevices": True}
    assert (await app.post("/auth/logout", json=body, as_=customer)).status == 200
    answer = await app.post("/auth/token/refresh", json={"refreshToken": customer.refresh})
    assert (answer.status, answer.code) == (401, "AUTH_003")


PROFILES: tuple[tuple[dict[str, Any], int], ...] = (
    ({"name": "Al"}, 200), ({"name": "x" * 100}, 200), ({"name": "x"}, 400), ({"name": "x" * 101}, 400),
    ({"email": "not an address"}, 400), ({"profileImageUrl": "https://cdn.example/a.png"}, 200),
    ({"profilePicture": "https://cdn.example/b.png"}, 200), ({"profileImageUrl": "nonsense"}, 400), ({}, 200),
    ({"name": None, "email": None}, 200), ({"role": "ADMIN", "isVerified": False}, 200),
)  # fmt: skip


@pytest.mark.parametrize(("body", "status"), PROFILES)
async def test_what_a_profile_may_be(app: TestApp, customer: Customer, body: dict[str, Any], status: int) -> None:
    answer = await app.put("/users/me", json=body, as_=customer)
    assert answer.status == status, answer.body
    user = (await app.get("/users/profile", as_=customer)).data["user"]
    shapes.user(user)
    assert (user["role"], user["isVerified"]) == ("CUSTOMER", True)
    if status == 200:
        same = {"profilePicture": "profileImageUrl"}
        for name in body.keys() & {"name", "profileImageUrl", "profilePicture"}:
            assert user[same.get(name, name)] == user[name] == body[name] or body[name] is None


async def test_an_email_address_belongs_to_one(app: TestApp, new_customer: NewCustomer) -> None:
    body = {"email": f"{new_phone()}@example.com"}
    answers = [await app.put("/users/me", json=body, as_=await new_customer()) for _ in range(2)]
    assert [answer.status for answer in answers] == [200, 409]
    assert answers[1].code == "RES_002"


async def test_a_deleted_account_is_signed_out(app: TestApp, customer: Customer) -> None:
    assert (await app.delete("/users/me", as_=customer)).status == 200
    assert (await app.get("/users/me", as_=customer)).status == 401
    assert (await app.post("/auth/token/refresh", json={"refreshToken": customer.refresh})).status == 401


@pytest.mark.parametrize(
    ("body", "kind"), [(APPS_HOME, "work"), (NODES_HOME, "other"), (HOME, "home"), ({**HOME, "label": "Work"}, "work")]
)
async def test_an_address_of_either_client(app: TestApp, customer: Customer, body: dict[str, Any], kind: str) -> None:
    answer = await app.post("/addresses", json=body, as_=customer)
    assert answer.status == 201, answer.body
    address = answer.data["address"]
    shapes.address(address)
    assert (address["type"], address["label"], address["pinCode"]) == (kind, kind.capitalize(), "411001")
    assert (address["addressLine2"], address["country"], address["isDefault"]) == ("", "India", True)
    assert address["id"] != body.get("id")


LOOSE: tuple[tuple[dict[str, Any], int], ...] = (
    ({"addressLine1": "1"}, 201), ({"addressLine1": "x" * 200}, 201), ({"addressLine1": "x" * 201}, 400),
    ({"addressLine1": " "}, 400), ({"addressLine2": None}, 201), ({"addressLine2": "x" * 201}, 400),
    ({"phoneNumber": "98765 43210"}, 201), ({"phoneNumber": "+91 98765-43210"}, 201), ({"phoneNumber": "9876"}, 400),
    ({"phoneNumber": "022 2345 6789"}, 201), ({"fullName": "Al"}, 201), ({"fullName": ""}, 400),
    ({"fullName": "x" * 101}, 400), ({"city": "x" * 101}, 400), ({"pinCode": "12345"}, 400), ({"pinCode": 411001}, 400),
    ({"pinCode": None}, 400), ({"latitude": 90, "longitude": -180}, 201), ({"latitude": 90.1}, 400),
    ({"landmark": "x" * 101}, 400), ({"type": "castle"}, 400),
)  # fmt: skip


@pytest.mark.parametrize(("changes", "status"), LOOSE)
async def test_the_looser_of_the_two_limits_holds(
    app: TestApp, customer: Customer, changes: dict[str, Any], status: int
) -> None:
    answer = await add(app, customer, **changes)
    assert answer.status == status, answer.body


async def test_there_is_one_default_and_it_comes_first(app: TestApp, customer: Customer) -> None:
    async def kept() -> list[tuple[str, bool]]:
        listed = (await app.get("/addresses", as_=customer)).data["addresses"]
        return [(one["addressLine1"], one["isDefault"]) for one in listed]

    ids = {
        name: (await add(app, customer, addressLine1=name, isDefault=flag)).data["address"]["id"]
        for name, flag in (("a", False), ("b", False), ("c", True), ("d", False))
    }
    assert await kept() == [("c", True), ("d", False), ("b", False), ("a", False)]
    await app.post(f"/addresses/{ids['a']}/default", as_=customer)
    assert await kept() == [("a", True), ("d", False), ("c", False), ("b", False)]
    await app.delete(f"/addresses/{ids['a']}", as_=customer)
    assert await kept() == [("d", True), ("c", False), ("b", False)]
    await app.put(f"/addresses/{ids['d']}", json={"isDefault": False}, as_=customer)
    assert (await kept())[0] == ("d", True)
    assert (await app.get(f"/addresses/{ids['a']}", as_=customer)).status == 404


async def test_ten_addresses_and_no_more(app: TestApp, customer: Customer) -> None:
    answers = [await add(app, customer, addressLine1=f"House {n}") for n in range(11)]
    assert [answer.status for answer in answers] == [201] * 10 + [400]
