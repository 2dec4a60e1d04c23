import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.user.codes import CodeBook, new_code

BOOK = CodeBook("p" * 32)
CODE = st.from_regex(r"[0-9]{6}", fullmatch=True)


def test_a_code_is_six_ascii_digits() -> None:
    for _ in range(200):
        code = new_code()
        assert len(code) == 6 and code.isascii() and code.isdigit()  # noqa: PT018


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
        with pytest.raises(ValueError, match="sealed"):
            book.open(key, box)


def test_a_short_pepper_is_refused() -> None:
    with pytest.raises(ValueError, match="at least 32 bytes"):
        CodeBook("short")
