import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.user.codes import CodeBook, new_code

BOOK = CodeBook("p" * 32)
CODE = st.from_regex(r"[0-9]{6}", fullmatch=True)


def test_a_code_is_six_ascii_digits() -> None:
    codes = [new_code() for _ in range(200)]
    assert all(len(code) == 6 and code.isascii() and code.isdigit() for code in codes)
    assert len({code[0] for code in codes}) > 5, "they start with any digit"


@given(CODE, CODE)
def test_a_fingerprint_binds_code_phone_and_purpose(one: str, other: str) -> None:
    mine = BOOK.fingerprint("+919876543210", "LOGIN", one)
    assert (mine == BOOK.fingerprint("+919876543210", "LOGIN", other)) == (one == other)
    assert mine != BOOK.fingerprint("+919876543211", "LOGIN", one)
    assert mine != BOOK.fingerprint("+919876543210", "PHONE_CHANGE", one)
    assert mine != CodeBook("q" * 32).fingerprint("+919876543210", "LOGIN", one)
    assert one.encode() not in mine


@given(CODE, st.binary(min_size=16, max_size=16))
def test_a_sealed_code_opens_for_its_own_challenge_only(code: str, challenge: bytes) -> None:
    sealed = BOOK.seal(challenge, code)
    assert code.encode() not in sealed
    assert BOOK.open(challenge, sealed) == code
    for book, key, box in (
        (BOOK, b"another", sealed),
        (CodeBook("q" * 32), challenge, sealed),
        (BOOK, challenge, sealed[:-1] + bytes([sealed[-1] ^ 1])),
    ):
        with pytest.raises(ValueError, match=r"^sealed with another pepper, or for another challenge$"):
            book.open(key, box)


def test_codes_of_an_earlier_release_are_still_good() -> None:
    """What the database and the queue hold: the same pepper still proves the one and opens the other."""
    book = CodeBook("p" * 32)
    mine = book.fingerprint("+919876543210", "LOGIN", "012345")
    assert mine.hex() == "ebb6a6eea4c6a6084f6c22a8f76d13ed8a8a0aedca59da598b39cd668be40ff7"
    sealed = "3670aa0a0931517f5110404b3991e8c5737fe34fb5c0a7277dc5e466438134ab4d6e"
    assert book.open(b"challenge-------", bytes.fromhex(sealed)) == "012345"


def test_a_short_pepper_is_refused() -> None:
    with pytest.raises(ValueError, match=r"^user.code_pepper needs at least 32 bytes$"):
        CodeBook("short")
