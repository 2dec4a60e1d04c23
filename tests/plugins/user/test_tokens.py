import os

import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, invariant, rule

from plugins.user.tokens import Presented, RefreshToken, Verdict, judge, new_salt

RAW = st.binary(min_size=32, max_size=32)


@given(RAW)
def test_a_token_survives_its_way_to_the_client_and_back(raw: bytes) -> None:
    token = RefreshToken(raw)
    assert RefreshToken.read(token.text) == token
    assert len(token.text) == 43
    assert repr(raw) not in repr(token)


def test_tokens_of_an_earlier_release_are_still_good() -> None:
    """What clients and the database hold: these values may never change."""
    token = RefreshToken(bytes(range(32)))
    assert token.text == "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8"
    assert token.hash.hex() == "630dcd2966c4336691125448bbb25b4ff412a49c732db2c8abc1b8581bd710dd"
    successor = token.successor(b"s" * 16, 2)
    assert successor.raw.hex() == "f492996e31e8a817c8ed6955e5a4fba6e04c23438255cf6b7afbfe84caa0289d"


@given(st.text(max_size=60))
def test_what_reads_as_a_token_is_written_the_same_way(text: str) -> None:
    token = RefreshToken.read(text)
    assert token is None or token.text == text


@pytest.mark.parametrize(
    "text", ["", "x", "é" * 43, "A" * 42, "A" * 44, "A" * 42 + "B", "A" * 42 + "=", " " + "A" * 42]
)
def test_other_texts_are_no_token(text: str) -> None:
    assert RefreshToken.read(text) is None


@given(RAW, st.binary(min_size=16, max_size=16), st.integers(1, 10_000))
def test_twins_derive_one_successor_and_others_another(raw: bytes, salt: bytes, generation: int) -> None:
    token = RefreshToken(raw)
    successor = token.successor(salt, generation)
    assert successor == RefreshToken(raw).successor(salt, generation)
    assert successor != token
    assert successor != token.successor(salt, generation + 1)
    assert successor != token.successor(new_salt(), generation)


@given(st.booleans(), st.integers(0, 9), st.integers(0, 9), st.booleans(), st.sampled_from(["a", "b", None]))
def test_only_the_current_token_rotates_and_only_its_predecessor_repeats(
    opened: bool, generation: int, behind: int, in_grace: bool, device: str | None
) -> None:
    presented = Presented(
        generation=generation, current=generation + behind, open=opened, in_grace=in_grace, device="a"
    )
    verdict = judge(presented, device)
    if not opened:
        assert verdict is Verdict.REFUSE
    elif device == "b":
        assert verdict is Verdict.REVOKE
    elif behind == 0:
        assert verdict is Verdict.ROTATE
    elif behind == 1 and in_grace:
        assert verdict is Verdict.REPEAT
    else:
        assert verdict is Verdict.REVOKE


class Family(RuleBasedStateMachine):
    """One session and everybody who ever held a token of it."""

    def __init__(self) -> None:
        super().__init__()
        self.salt, self.tokens, self.open, self.in_grace = new_salt(), [RefreshToken(os.urandom(32))], True, True

    @rule()
    def time_passes(self) -> None:
        self.in_grace = False

    @rule(back=st.integers(0, 4))
    def present(self, back: int) -> None:
        current = len(self.tokens) - 1
        generation = max(0, current - back)
        token = self.tokens[generation]
        seen = Presented(generation=generation, current=current, open=self.open, in_grace=self.in_grace, device=None)
        verdict, was_open = judge(seen, None), self.open
        if verdict is Verdict.ROTATE:
            self.tokens.append(token.successor(self.salt, generation + 1))
            self.in_grace = True
        elif verdict is Verdict.REPEAT:
            assert token.successor(self.salt, generation + 1) == self.tokens[-1]
        elif verdict is Verdict.REVOKE:
            self.open = False
        assert was_open or verdict is Verdict.REFUSE
        assert verdict is not Verdict.REVOKE or generation < current

    @invariant()
    def all_tokens_differ(self) -> None:
        assert len({token.raw for token in self.tokens}) == len(self.tokens)


TestFamily = Family.TestCase
