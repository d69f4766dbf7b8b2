"""
QR codes as SVG: bytes, error correction M (15%), versions 1 to 10, which hold links of up to 213 bytes.

ISO/IEC 18004 in as much as a link needs. Pure: no Django, no pictures library.
"""

from collections.abc import Callable, Iterator
from itertools import groupby

# By version, from 1: all codewords; error correction codewords of each block and the number of blocks at M.
CODEWORDS = (26, 44, 70, 100, 134, 172, 196, 242, 292, 346)
CORRECTION = (10, 16, 26, 18, 24, 16, 18, 22, 22, 26)
BLOCKS = (1, 1, 1, 2, 2, 4, 4, 4, 5, 5)
# Centers of the alignment marks, as distances from the left.
ALIGNED: tuple[tuple[int, ...], ...] = (
    *((), (6, 18), (6, 22), (6, 26), (6, 30), (6, 34)),
    *((6, 22, 38), (6, 24, 42), (6, 26, 46), (6, 28, 50)),
)
MASKS: tuple[Callable[[int, int], int], ...] = (
    lambda x, y: (x + y) % 2,
    lambda x, y: y % 2,
    lambda x, y: x % 3,
    lambda x, y: (x + y) % 3,
    lambda x, y: (x // 3 + y // 2) % 2,
    lambda x, y: x * y % 2 + x * y % 3,
    lambda x, y: (x * y % 2 + x * y % 3) % 2,
    lambda x, y: ((x + y) % 2 + x * y % 3) % 2,
)
QUIET = 4  # light modules around, without which no reader finds it

Matrix = list[list[bool]]


class TooLong(ValueError):
    """The text does not fit version 10."""


def svg(text: str) -> str:
    """
    Return the QR code of a text as an SVG picture, dark on white in every theme: readers need the contrast.

    :raises TooLong: more than 213 bytes
    """
    matrix = modules(text)
    size = len(matrix) + 2 * QUIET
    path = []
    for y, row in enumerate(matrix):
        x = 0
        for is_dark, run in groupby(row):
            length = len(list(run))
            if is_dark:
                path.append(f"M{x + QUIET} {y + QUIET}h{length}v1h-{length}z")
            x += length
    return (
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {size} {size}" shape-rendering="crispEdges">'
        f'<path fill="#fff" d="M0 0h{size}v{size}H0z"/><path fill="#000" d="{"".join(path)}"/></svg>'
    )


def modules(text: str) -> Matrix:
    """Return the code's modules, row by row; True is dark. Of the eight masks the calmest picture is taken."""
    version, codewords = _codewords(text.encode())
    drawn = [_draw(version, codewords, mask) for mask in range(len(MASKS))]
    return min(drawn, key=_penalty)


# --- the bits -----------------------------------------------------------------------------------------


def _codewords(data: bytes) -> tuple[int, list[int]]:
    for version in range(1, len(CODEWORDS) + 1):
        room = CODEWORDS[version - 1] - CORRECTION[version - 1] * BLOCKS[version - 1]
        length_bits = 8 if version < 10 else 16
        if 4 + length_bits + 8 * len(data) <= 8 * room:
            break
    else:
        raise TooLong(f"{len(data)} bytes do not fit a QR code of version {len(CODEWORDS)}")
    bits = f"0100{len(data):0{length_bits}b}" + "".join(f"{byte:08b}" for byte in data)
    bits += "0" * min(4, 8 * room - len(bits))
    bits += "0" * (-len(bits) % 8)
    words = [int(bits[at : at + 8], 2) for at in range(0, len(bits), 8)]
    words += [0xEC if n % 2 == 0 else 0x11 for n in range(room - len(words))]
    return version, _interleaved(words, version)


def _interleaved(words: list[int], version: int) -> list[int]:
    """Return the codewords of all blocks, column by column: data first, then error correction."""
    count, correction = BLOCKS[version - 1], CORRECTION[version - 1]
    short, longer = divmod(len(words), count)
    blocks, at = [], 0
    for place in range(count):
        length = short + (place >= count - longer)
        blocks.append(words[at : at + length])
        at += length
    columns = [block[n] for n in range(short + 1) for block in blocks if n < len(block)]
    corrections = [remainder(block, correction) for block in blocks]
    return columns + [block[n] for n in range(correction) for block in corrections]


def _times(a: int, b: int) -> int:
    """Multiply in GF(256) by the polynomial 0x11D."""
    product = 0
    for bit in range(7, -1, -1):
        product = (product << 1) ^ ((product >> 7) * 0x11D)
        product ^= ((b >> bit) & 1) * a
    return product


def remainder(block: list[int], degree: int) -> list[int]:
    """Return the Reed-Solomon error correction codewords of a block."""
    divisor, root = [0] * (degree - 1) + [1], 1
    for _ in range(degree):
        divisor = [
            _times(one, root) ^ (divisor[place + 1] if place + 1 < degree else 0)
            for place, one in enumerate(divisor)
        ]
        root = _times(root, 2)
    rest = [0] * degree
    for word in block:
        factor = word ^ rest.pop(0)
        rest.append(0)
        rest = [one ^ _times(part, factor) for one, part in zip(rest, divisor, strict=True)]
    return rest


def format_bits(mask: int) -> int:
    """Return the fifteen bits that name error correction M (00) and the mask."""
    rest = mask
    for _ in range(10):
        rest = (rest << 1) ^ ((rest >> 9) * 0x537)
    return (mask << 10 | rest) ^ 0x5412


def version_bits(version: int) -> int:
    """Return the eighteen bits that name a version from 7 on."""
    rest = version
    for _ in range(12):
        rest = (rest << 1) ^ ((rest >> 11) * 0x1F25)
    return version << 12 | rest


# --- the picture --------------------------------------------------------------------------------------


def _draw(version: int, codewords: list[int], mask: int) -> Matrix:
    fixed = _fixed(version, mask)
    size = 17 + 4 * version
    bits = iter("".join(f"{word:08b}" for word in codewords))
    matrix = [[False] * size for _ in range(size)]
    for x, y in _zigzag(size):
        if (x, y) not in fixed:
            is_dark = next(bits, "0") == "1"
            matrix[y][x] = is_dark != (MASKS[mask](x, y) == 0)
    for (x, y), is_dark in fixed.items():
        matrix[y][x] = is_dark
    return matrix


def _zigzag(size: int) -> Iterator[tuple[int, int]]:
    """The way of the data: two columns at a time from the right, up and down, around the timing column."""
    is_upward = True
    for right in [*range(size - 1, 6, -2), 5, 3, 1]:
        for step in range(size):
            y = size - 1 - step if is_upward else step
            yield right, y
            yield right - 1, y
        is_upward = not is_upward


def _fixed(version: int, mask: int) -> dict[tuple[int, int], bool]:
    """Return the modules that hold no data: finders, timing, alignment, format and version."""
    size = 17 + 4 * version
    fixed: dict[tuple[int, int], bool] = {}
    for n in range(size):
        fixed[n, 6] = fixed[6, n] = n % 2 == 0
    centers = ALIGNED[version - 1]
    for x in centers:
        for y in centers:
            # Not where a finder is.
            if (x, y) not in ((6, 6), (6, centers[-1]), (centers[-1], 6)):
                _square(fixed, x, y, reach=2, light=(1,), size=size)
    for x, y in ((3, 3), (size - 4, 3), (3, size - 4)):
        _square(fixed, x, y, reach=4, light=(2, 4), size=size)
    _write_format(fixed, format_bits(mask), size)
    if version >= 7:
        bits = version_bits(version)
        for n in range(18):
            far, near = size - 11 + n % 3, n // 3
            fixed[far, near] = fixed[near, far] = bits >> n & 1 == 1
    return fixed


def _square(
    fixed: dict[tuple[int, int], bool], x: int, y: int, *, reach: int, light: tuple[int, ...], size: int
) -> None:
    for across in range(-reach, reach + 1):
        for down in range(-reach, reach + 1):
            if 0 <= x + across < size and 0 <= y + down < size:
                fixed[x + across, y + down] = max(abs(across), abs(down)) not in light


def _write_format(fixed: dict[tuple[int, int], bool], bits: int, size: int) -> None:
    around = [(8, n) for n in (0, 1, 2, 3, 4, 5, 7, 8)] + [(n, 8) for n in (7, 5, 4, 3, 2, 1, 0)]
    apart = [(size - 1 - n, 8) for n in range(8)] + [(8, size - 15 + n) for n in range(8, 15)]
    for places in (around, apart):
        for n, place in enumerate(places):
            fixed[place] = bits >> n & 1 == 1
    fixed[8, size - 8] = True


def _penalty(matrix: Matrix) -> int:
    """Return how restless a picture is: long runs, blocks, what looks like a finder, too much of one color."""
    size, sum_ = len(matrix), 0
    for rows in (matrix, [list(column) for column in zip(*matrix, strict=True)]):
        for row in rows:
            sum_ += sum(length - 2 for _, run in groupby(row) if (length := len(list(run))) >= 5)
            text = "".join("1" if one else "0" for one in row)
            for pattern in ("10111010000", "00001011101"):
                sum_ += 40 * sum(text.startswith(pattern, at) for at in range(size))
    for y in range(size - 1):
        for x in range(size - 1):
            square = {matrix[y][x], matrix[y][x + 1], matrix[y + 1][x], matrix[y + 1][x + 1]}
            sum_ += 3 * (len(square) == 1)
    dark = sum(map(sum, matrix))
    return sum_ + 10 * (abs(dark * 20 - size * size * 10) // (size * size))
