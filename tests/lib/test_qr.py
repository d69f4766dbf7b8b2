"""The QR code: known answers of the standard, and a reader that knows nothing of how it was drawn."""

import pytest

from lib import qr

# The standard's generator for M; a reader's own tables, written down again from the standard.
DATA = {1: [16], 2: [28], 3: [44], 4: [32] * 2, 5: [43] * 2, 6: [27] * 4, 7: [31] * 4}
DATA |= {8: [38, 38, 39, 39], 9: [36] * 3 + [37] * 2, 10: [43] * 4 + [44]}


def test_error_correction_of_the_textbook():
    """HELLO WORLD at 1-M, as every textbook has it."""
    data = [32, 91, 11, 120, 209, 114, 220, 77, 67, 64, 236, 17, 236, 17, 236, 17]

    assert qr.remainder(data, 10) == [196, 35, 39, 119, 235, 215, 231, 226, 93, 23]


def test_error_correction_of_the_standard():
    """01234567 at 1-M, the example of ISO/IEC 18004."""
    data = [0x10, 0x20, 0x0C, 0x56, 0x61, 0x80, 0xEC, 0x11, 0xEC, 0x11, 0xEC, 0x11, 0xEC, 0x11, 0xEC, 0x11]

    assert bytes(qr.remainder(data, 10)).hex() == "a524d4c1ed36c7872c55"


@pytest.mark.parametrize(
    ("mask", "bits"),
    [
        (0, "101010000010010"),
        (1, "101000100100101"),
        (2, "101111001111100"),
        (3, "101101101001011"),
        (4, "100010111111001"),
        (5, "100000011001110"),
        (6, "100111110010111"),
        (7, "100101010100000"),
    ],
)
def test_format_bits_of_the_standard(mask, bits):
    assert f"{qr.format_bits(mask):015b}" == bits


@pytest.mark.parametrize(
    ("version", "bits"),
    [
        (7, "000111110010010100"),
        (8, "001000010110111100"),
        (9, "001001101010011001"),
        (10, "001010010011010011"),
    ],
)
def test_version_bits_of_the_standard(version, bits):
    assert f"{qr.version_bits(version):018b}" == bits


def read(matrix):
    """Read a code as a scanner does: format from beside the finder, unmask, collect, check, decode."""
    size = len(matrix)
    version = (size - 17) // 4
    column = [matrix[y][8] for y in (0, 1, 2, 3, 4, 5, 7, 8)]
    row = [matrix[8][x] for x in (7, 5, 4, 3, 2, 1, 0)]
    told = sum(bit << n for n, bit in enumerate(column + row)) ^ 0b101010000010010
    assert told >> 13 == 0  # level M
    mask = told >> 10 & 7
    flip = [
        lambda i, j: (i + j) % 2 == 0,
        lambda i, j: i % 2 == 0,
        lambda i, j: j % 3 == 0,
        lambda i, j: (i + j) % 3 == 0,
        lambda i, j: (i // 2 + j // 3) % 2 == 0,
        lambda i, j: (i * j) % 2 + (i * j) % 3 == 0,
        lambda i, j: ((i * j) % 2 + (i * j) % 3) % 2 == 0,
        lambda i, j: ((i + j) % 2 + (i * j) % 3) % 2 == 0,
    ][mask]
    bits, column, is_up = [], size - 1, True
    while column > 0:
        if column == 6:
            column -= 1
        for i in range(size - 1, -1, -1) if is_up else range(size):
            for j in (column, column - 1):
                if not is_function(i, j, size, version):
                    bits.append(matrix[i][j] ^ flip(i, j))
        column, is_up = column - 2, not is_up
    words = [int("".join(map(str, map(int, bits[n : n + 8]))), 2) for n in range(0, len(bits) // 8 * 8, 8)]
    return decode(words, version)


def is_function(i, j, size, version):
    if (i < 9 and (j < 9 or j >= size - 8)) or (i >= size - 8 and j < 9) or 6 in (i, j):
        return True
    if version >= 7 and ((i < 6 and j >= size - 11) or (j < 6 and i >= size - 11)):
        return True
    if version == 1:
        return False
    last = size - 7
    step = {7: 16, 8: 18, 9: 20, 10: 22}.get(version, last - 6)
    centers = range(6, last + 1, step)
    corners = {(6, 6), (6, last), (last, 6)}
    return any(abs(i - a) <= 2 and abs(j - b) <= 2 for a in centers for b in centers if (a, b) not in corners)


def decode(words, version):
    lengths = DATA[version]
    blocks = [[] for _ in lengths]
    rest = iter(words)
    for n in range(max(lengths)):
        for block, length in zip(blocks, lengths, strict=True):
            if n < length:
                block.append(next(rest))
    checks = [[] for _ in lengths]
    for _ in range((len(words) - sum(lengths)) // len(lengths)):
        for check in checks:
            check.append(next(rest))
    for block, check in zip(blocks, checks, strict=True):
        assert syndromes([*block, *check], len(check)) == {0}
    bits = "".join(f"{word:08b}" for block in blocks for word in block)
    assert bits[:4] == "0100"
    width = 8 if version < 10 else 16
    count = int(bits[4 : 4 + width], 2)
    start = 4 + width
    return bytes(int(bits[start + 8 * n : start + 8 * n + 8], 2) for n in range(count)).decode()


def syndromes(codeword, degree):
    """A right codeword is zero at every root of the generator. Tables, where the code multiplies by hand."""
    power, log, value = [], {}, 1
    for n in range(255):
        power.append(value)
        log[value] = n
        value <<= 1
        value ^= 0x11D if value > 255 else 0
    found = set()
    for root in range(degree):
        total = 0
        for word in codeword:
            total = (power[(log[total] + root) % 255] if total else 0) ^ word
        found.add(total)
    return found


@pytest.mark.parametrize(
    "length", [1, 14, 15, 26, 27, 42, 43, 62, 63, 84, 85, 106, 107, 122, 123, 152, 153, 180, 181, 213]
)
def test_what_is_drawn_is_read_again(length):
    text = ("https://loyalty.example/cafe-mira?ref=" * 10)[:length]

    assert read(qr.modules(text)) == text


def test_a_link_with_other_letters():
    assert read(qr.modules("https://é.example/ß")) == "https://é.example/ß"


def test_one_module_off_is_noticed():
    matrix = qr.modules("https://loyalty.example/cafe-mira")
    matrix[-1][-1] = not matrix[-1][-1]

    with pytest.raises(AssertionError):
        read(matrix)


def test_too_long_is_refused():
    with pytest.raises(qr.TooLong):
        qr.modules("x" * 214)


def test_the_picture_has_its_quiet_margin_and_every_dark_module():
    picture, matrix = qr.svg("x"), qr.modules("x")

    assert 'viewBox="0 0 29 29"' in picture
    runs = [part.split("h")[1].split("v")[0] for part in picture.split('fill="#000"')[1].split("M")[1:]]
    assert sum(map(int, runs)) == sum(map(sum, matrix))
