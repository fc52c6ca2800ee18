"""Pseudonyms: the same number under the same key is always the same, and without the key nothing can be computed."""

from __future__ import annotations

import hashlib
import hmac

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from returnrisk.errors import PseudonymKeyError
from returnrisk.store.pseudonyms import MINIMUM_KEY_BYTES, pseudonym_text, pseudonymise, read_key

KEY = b"thirty-two bytes of a secret key"
OTHER = b"thirty-two bytes of another key!"
NUMBERS = [f"999901-{i:07d}" for i in range(5000)]
CROCKFORD = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"

numbers = st.text(alphabet="0123456789ABCDEFXYZabcdefxyz-", min_size=1, max_size=32)


def test_the_same_numbers_give_the_same_pseudonyms_in_any_order():
    first = pseudonymise(NUMBERS, kind="household", key=KEY)
    again = pseudonymise(reversed(NUMBERS), kind="household", key=KEY)
    assert first == again
    assert len(set(first.values())) == len(NUMBERS)


def test_a_pseudonym_never_changes_between_releases():
    """Stores of last year must still match: the construction itself is pinned, computed a second way."""
    made = pseudonymise(["a-17 "], kind="household", key=KEY)
    digest = hmac.new(KEY, b"household\x1fA-17", hashlib.sha256).hexdigest()
    assert made == {"a-17 ": int(digest[:16], 16) // 2}


def test_another_key_gives_other_pseudonyms():
    first, second = (pseudonymise(NUMBERS, kind="household", key=k) for k in (KEY, OTHER))
    assert not set(first.values()) & set(second.values())


def test_another_kind_gives_other_pseudonyms():
    kinds = [set(pseudonymise(NUMBERS, kind=k, key=KEY).values()) for k in ("household", "person", "claim")]
    assert not kinds[0] & kinds[1]
    assert not kinds[0] & kinds[2]
    assert not kinds[1] & kinds[2]


def test_pseudonyms_are_63_bits_that_look_random():
    made = list(pseudonymise(NUMBERS, kind="person", key=KEY).values())
    assert all(0 <= value < 2**63 for value in made)
    for bit in range(63):
        share = sum(value >> bit & 1 for value in made) / len(made)
        assert 0.45 < share < 0.55, bit  # 7 standard deviations of a fair coin thrown 5 000 times


@settings(max_examples=50, deadline=None)
@given(number=numbers, spaces=st.sampled_from(["", " ", "\t", " \n", "\u3000"]))
def test_case_and_surrounding_space_do_not_matter(number, spaces):
    made = pseudonymise([number, number.lower(), number.upper(), f"{spaces}{number}{spaces}"], kind="person", key=KEY)
    assert len(set(made.values())) == 1


@settings(max_examples=50, deadline=None)
@given(one=numbers, two=numbers)
def test_different_numbers_stay_different(one, two):
    made = pseudonymise([one, two], kind="household", key=KEY)
    assert (made[one] == made[two]) == (one.upper() == two.upper())


def test_space_inside_a_number_matters():
    made = pseudonymise(["A 1", "A1"], kind="household", key=KEY)
    assert made["A 1"] != made["A1"]


def test_every_value_is_a_key_of_the_answer_as_it_was_given():
    assert set(pseudonymise(["x1", "X1", " x1"], kind="household", key=KEY)) == {"x1", "X1", " x1"}
    assert pseudonymise([], kind="household", key=KEY) == {}


def test_a_number_does_not_show_through_its_pseudonym():
    for number, pseudonym in pseudonymise(NUMBERS[:500], kind="household", key=KEY).items():
        assert number[-7:] not in str(pseudonym)


def test_a_collision_is_refused_and_never_merged(monkeypatch):
    """Two numbers with one hash cannot be found by search: the hash is narrowed to make them meet."""
    real = hmac.digest
    monkeypatch.setattr(hmac, "digest", lambda key, message, algorithm: bytes(7) + real(key, message, algorithm)[:1] + bytes(24))
    with pytest.raises(PseudonymKeyError, match="share one pseudonym") as caught:
        pseudonymise(NUMBERS, kind="household", key=KEY)
    assert "999901" not in str(caught.value)


@settings(max_examples=200, deadline=None)
@given(value=st.integers(min_value=0, max_value=2**63 - 1))
def test_the_text_can_be_read_back_and_holds_no_letter_that_sounds_or_looks_like_another(value):
    text = pseudonym_text(value)
    assert len(text) == 15
    assert [len(group) for group in text.split("-")] == [4, 4, 5]
    digits = text.replace("-", "")
    assert not set(digits) - set(CROCKFORD)
    assert not set(digits) & set("ILOU")
    read = 0
    for digit in digits:
        read = read * 32 + CROCKFORD.index(digit)
    assert read == value


def test_the_text_takes_the_integers_of_arrays_too():
    import numpy as np

    assert pseudonym_text(np.int64(1234567890123456789)) == pseudonym_text(1234567890123456789) == "128G-GYHY-YK08N"
    assert pseudonym_text(0) == "0000-0000-00000"


def test_a_key_is_read_without_the_white_space_an_editor_adds(tmp_path):
    path = tmp_path / "pseudonym.key"
    path.write_bytes(b"\n" + KEY + b"\r\n")
    assert read_key(path) == KEY


def test_a_missing_key_says_what_to_do_and_what_is_at_stake(tmp_path):
    with pytest.raises(PseudonymKeyError, match=r"no pseudonym key at pseudonym\.key.*returnrisk init") as caught:
        read_key(tmp_path / "pseudonym.key")
    assert str(tmp_path) not in str(caught.value)


def test_a_short_key_is_refused_and_not_shown(tmp_path):
    path = tmp_path / "pseudonym.key"
    path.write_bytes(b"hunter2-hunter2" + b" " * 40)
    with pytest.raises(PseudonymKeyError, match=r"15 bytes; at least 16") as caught:
        read_key(path)
    assert "hunter2" not in str(caught.value)
    path.write_bytes(b"x" * MINIMUM_KEY_BYTES)
    assert read_key(path) == b"x" * 16


def test_no_key_is_an_error_with_the_exit_code_of_data():
    assert PseudonymKeyError.exit_code == 3
