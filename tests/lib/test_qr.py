"""QR codes: against published values, and read back by a reader that shares no line with the writer."""

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from lib import qr

# Version 1-M of "HELLO WORLD": the worked example that every tutorial of the standard shows.
HELLO = [32, 91, 11, 120, 209, 114, 220, 77, 67, 64, 236, 17, 236, 17, 236, 17]
HELLO_CHECK = [196, 35, 39, 119, 235, 215, 231, 226, 93, 23]
# Table C.1 of the standard: the format of level M by mask.
FORMATS = [0x5412, 0x5125, 0x5E7C, 0x5B4B, 0x45F9, 0x40CE, 0x4F97, 0x4AA0]


def test_the_words_are_those_of_the_published_example():
    assert qr.data_words("HELLO WORLD") == (1, HELLO)
    assert qr.check_words(HELLO, 10) == HELLO_CHECK


def test_the_formats_are_those_of_the_standard():
    assert [qr.format_bits(mask) for mask in range(8)] == FORMATS


def read(grid):
    """A reader: find the mask in the format beside the corner, take it off, collect, check, and decode."""
    size = len(grid)
    version = (size - 17) // 4
    beside = [(8, 0), (8, 1), (8, 2), (8, 3), (8, 4), (8, 5), (8, 7), (8, 8), (7, 8), (5, 8), (4, 8), (3, 8),
              (2, 8), (1, 8), (0, 8)]  # fmt: skip
    first = int("".join(str(int(grid[y][x])) for y, x in beside), 2)
    below = [(size - 1 - k, 8) for k in range(7)] + [(8, size - 8 + k) for k in range(8)]
    second = int("".join(str(int(grid[y][x])) for y, x in below), 2)
    assert first == second
    mask = FORMATS.index(first)
    bits = ""
    x = size - 1
    up = True
    while x > 0:
        if x == 6:
            x -= 1
        for y in range(size - 1, -1, -1) if up else range(size):
            for column in (x, x - 1):
                if not _is_pattern(size, y, column):
                    bits += str(int(grid[y][column] != _mask(mask, y, column)))
        up = not up
        x -= 2
    checks, blocks, each = {1: (10, 1, 16), 2: (16, 1, 28), 3: (26, 1, 44), 4: (18, 2, 32), 5: (24, 2, 43),
                            6: (16, 4, 27)}[version]  # fmt: skip
    words = [int(bits[k : k + 8], 2) for k in range(0, (checks + each) * blocks * 8, 8)]
    data = [[words[k * blocks + block] for k in range(each)] for block in range(blocks)]
    check = [[words[(each + k) * blocks + block] for k in range(checks)] for block in range(blocks)]
    for block, tail in zip(data, check, strict=True):
        assert _syndromes(block + tail, checks) == [0] * checks
    return _text("".join(f"{word:08b}" for block in data for word in block))


def _is_pattern(size, y, x):
    corner = (y < 9 and (x < 9 or x > size - 9)) or (x < 9 and y > size - 9)
    center = size > 21 and abs(y - (size - 7)) < 3 and abs(x - (size - 7)) < 3
    return corner or center or y == 6 or x == 6


def _mask(number, i, j):
    return (
        [(i + j) % 2, i % 2, j % 3, (i + j) % 3, (i // 2 + j // 3) % 2][number] == 0
        if number < 5
        else [i * j % 2 + i * j % 3, (i * j % 2 + i * j % 3) % 2, ((i + j) % 2 + i * j % 3) % 2][number - 5]
        == 0
    )


def _syndromes(words, count):
    power = [1]
    for _ in range(254):
        power.append(power[-1] * 2 ^ (0x11D if power[-1] > 127 else 0))
    log = {value: place for place, value in enumerate(power)}
    found = []
    for root in range(count):
        total = 0
        for word in words:
            total = (power[(log[total] + root) % 255] if total else 0) ^ word
        found.append(total)
    return found


def _text(bits):
    if bits[:4] == "0100":
        count = int(bits[4:12], 2)
        return bytes(int(bits[12 + 8 * k : 20 + 8 * k], 2) for k in range(count)).decode()
    assert bits[:4] == "0010"
    count, at, found = int(bits[4:13], 2), 13, ""
    while len(found) < count:
        if count - len(found) == 1:
            return found + qr.ALPHANUMERIC[int(bits[at : at + 6], 2)]
        pair = int(bits[at : at + 11], 2)
        found += qr.ALPHANUMERIC[pair // 45] + qr.ALPHANUMERIC[pair % 45]
        at += 11
    return found


@pytest.mark.parametrize("length", [1, 14, 15, 26, 27, 42, 43, 62, 63, 84, 85, 106])
def test_every_version_reads_back(length):
    text = "x" * length

    assert read(qr.matrix(text)) == text


@settings(max_examples=40, deadline=None)
@given(st.text(qr.ALPHANUMERIC, min_size=1, max_size=60) | st.text(min_size=1, max_size=25))
def test_whatever_is_written_reads_back(text):
    assert read(qr.matrix(text)) == text


def test_a_code_of_ours_is_the_smallest_there_is():
    assert len(qr.matrix("7KQM-2XWD-R9TB-HVEN")) == 21


def test_what_does_not_fit_is_refused():
    with pytest.raises(qr.TooLong):
        qr.matrix("x" * 107)


def test_the_image_has_no_style_and_keeps_its_quiet_zone():
    image = qr.svg("A", label="Code A")

    assert 'viewBox="0 0 29 29"' in image
    assert "style" not in image
    assert 'aria-label="Code A"' in image
