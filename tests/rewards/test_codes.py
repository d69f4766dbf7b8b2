"""Codes: nobody guesses one, everybody can type one, and a typo is noticed."""

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from rewards import codes

letters = st.text(codes.LETTERS, min_size=codes.LENGTH - 1, max_size=codes.LENGTH - 1).map(
    lambda drawn: drawn + codes.check_letter(drawn)
)
places = st.integers(0, codes.LENGTH - 1)


def test_a_code_reads_easily_and_holds_enough_chance():
    code = codes.new()

    assert len(code) == 19
    assert [len(group) for group in code.split("-")] == [4, 4, 4, 4]
    assert not set(code) & set("0O1I")
    assert len(codes.LETTERS) == len(set(codes.LETTERS)) == 32
    assert (codes.LENGTH - 1) * 5 >= 60
    assert len({codes.new() for _ in range(1000)}) == 1000


@given(letters)
def test_what_is_made_is_right(code):
    assert codes.is_right(code)
    assert codes.read(codes.show(code)) == code


@given(letters, places, st.sampled_from(codes.LETTERS))
def test_every_single_wrong_letter_is_noticed(code, place, letter):
    assume(code[place] != letter)

    assert not codes.is_right(code[:place] + letter + code[place + 1 :])


@given(letters, places, places)
def test_every_two_letters_that_changed_places_are_noticed(code, one, other):
    assume(code[one] != code[other])
    swapped = list(code)
    swapped[one], swapped[other] = swapped[other], swapped[one]

    assert not codes.is_right("".join(swapped))


def test_no_letter_and_no_neighbors_are_forgotten():
    """All of them, not a sample: each letter at each place against each other one, and each pair side by side."""
    code = codes.read(codes.new())
    for place in range(codes.LENGTH):
        for letter in codes.LETTERS.replace(code[place], ""):
            assert not codes.is_right(code[:place] + letter + code[place + 1 :])
    for place in range(codes.LENGTH - 1):
        for first in codes.LETTERS:
            for second in codes.LETTERS:
                rest = "2" * place, "2" * (codes.LENGTH - 2 - place)
                here = codes._sum(rest[0] + first + second + rest[1])
                there = codes._sum(rest[0] + second + first + rest[1])
                assert first == second or here != there


@given(letters, st.booleans(), st.sampled_from(["", " ", "-", " - ", "\u2013", "."]))
def test_case_blanks_and_dashes_are_as_one_types_them(code, is_small, between):
    typed = between.join(code.lower() if is_small else code)

    assert codes.read(f"  {typed} ") == code


@pytest.mark.parametrize(
    "typed", ["", "7KQM", "0" * 16, "ÄÖÜß" * 4, "ı" * 16, "A" * 500, "7KQM-2XWD-R9TB-HVEN-2"]
)
def test_what_is_no_code_is_none(typed):
    assert codes.read(typed) is None


def test_a_typo_is_told_apart_from_a_code_nobody_has():
    code = codes.new()
    wrong = ("3" if code[0] == "2" else "2") + code[1:]

    assert codes.unknown(wrong).code == "code_mistyped"
    assert codes.unknown(code).code == "not_found"
    assert codes.unknown("hello").code == "not_found"


@given(letters)
def test_the_digest_says_nothing_of_the_code(code):
    assert codes.digest(code) not in (code, codes.foreign_digest(code))
    assert len(codes.digest(code)) == 64
