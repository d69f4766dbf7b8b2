"""
QR codes (ISO/IEC 18004) as SVG, for codes that a till scans from a phone.

Versions 1 to 6 with error correction M (15 % may be lost), which hold 106 bytes: enough for every code of
ours. Capital letters, digits and `-` take the denser alphanumeric mode, everything else is UTF-8.
"""

from collections.abc import Callable, Iterator, Sequence

ALPHANUMERIC = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZ $%*+-./:"
QUIET = 4
# Per version: check words of each block, blocks, data words of each block.
BLOCKS = ((10, 1, 16), (16, 1, 28), (26, 1, 44), (18, 2, 32), (24, 2, 43), (16, 4, 27))
MASKS: tuple[Callable[[int, int], bool], ...] = (
    lambda y, x: (y + x) % 2 == 0,
    lambda y, x: y % 2 == 0,
    lambda y, x: x % 3 == 0,
    lambda y, x: (y + x) % 3 == 0,
    lambda y, x: (y // 2 + x // 3) % 2 == 0,
    lambda y, x: y * x % 2 + y * x % 3 == 0,
    lambda y, x: (y * x % 2 + y * x % 3) % 2 == 0,
    lambda y, x: ((y + x) % 2 + y * x % 3) % 2 == 0,
)
Grid = list[list[bool]]


class TooLong(ValueError):
    """It does not fit into version 6."""


def svg(text: str, *, label: str) -> str:
    """
    Return an SVG image of the code, dark on white whatever the page's colors: scanners need it so.

    Attributes only, no style: it fits a strict Content-Security-Policy. `label` must be escaped.

    :raises TooLong: the text holds more than version 6
    """
    dark = matrix(text)
    side = len(dark) + 2 * QUIET
    path = "".join(
        f"M{x + QUIET} {y + QUIET}h1v1h-1z"
        for y, row in enumerate(dark)
        for x, is_dark in enumerate(row)
        if is_dark
    )
    return (
        f'<svg class="qr" role="img" aria-label="{label}" viewBox="0 0 {side} {side}" '
        f'shape-rendering="crispEdges"><path fill="#fff" d="M0 0h{side}v{side}H0z"/>'
        f'<path fill="#000" d="{path}"/></svg>'
    )


def matrix(text: str) -> Grid:
    """Return the rows of the code, True for dark, without the quiet zone. :raises TooLong:"""
    version, words = data_words(text)
    bits = [word >> place & 1 == 1 for word in _interleaved(version, words) for place in range(7, -1, -1)]
    size = 17 + 4 * version
    best: tuple[int, Grid] | None = None
    for number, mask in enumerate(MASKS):
        dark, taken = _patterns(version)
        _write_format(dark, taken, number)
        stream = iter(bits)
        for y, x in _path(size, taken):
            dark[y][x] = next(stream, False) != mask(y, x)
        score = _penalty(dark)
        if best is None or score < best[0]:
            best = (score, dark)
    assert best is not None
    return best[1]


def data_words(text: str) -> tuple[int, list[int]]:
    """Return the smallest version that holds the text, and its data words. :raises TooLong:"""
    raw = text.encode()
    if set(text) <= set(ALPHANUMERIC):
        values = [ALPHANUMERIC.index(letter) for letter in text]
        pairs = [
            f"{first * 45 + second:011b}" for first, second in zip(values[::2], values[1::2], strict=False)
        ]
        tail = f"{values[-1]:06b}" if len(values) % 2 else ""
        bits = f"0010{len(text):09b}{''.join(pairs)}{tail}"
    else:
        bits = f"0100{len(raw):08b}{''.join(f'{byte:08b}' for byte in raw)}"
    for version, (_, blocks, each) in enumerate(BLOCKS, start=1):
        room = blocks * each * 8
        if len(bits) <= room:
            bits += "0" * min(4, room - len(bits))
            bits += "0" * (-len(bits) % 8)
            words = [int(bits[start : start + 8], 2) for start in range(0, len(bits), 8)]
            fill = (0xEC, 0x11)
            words += [fill[number % 2] for number in range(room // 8 - len(words))]
            return version, words
    raise TooLong(f"{len(raw)} bytes do not fit into a code of version 6")


# --- error correction: Reed-Solomon over GF(256) modulo x^8 + x^4 + x^3 + x^2 + 1 -----------------------------


def _times(a: int, b: int) -> int:
    product = 0
    while b:
        product ^= a if b & 1 else 0
        a = a << 1 ^ (0x11D if a & 0x80 else 0)
        b >>= 1
    return product


def check_words(words: Sequence[int], count: int) -> list[int]:
    """Return the check words of a block: the remainder of its words by the generator of that degree."""
    generator, root = [1], 1
    for _ in range(count):
        shifted = [*generator, 0]
        generator = [high ^ _times(low, root) for high, low in zip(shifted, [0, *generator], strict=True)]
        root = _times(root, 2)
    rest = [*words, *[0] * count]
    for place in range(len(words)):
        factor = rest[place]
        for offset, term in enumerate(generator):
            rest[place + offset] ^= _times(term, factor)
    return rest[len(words) :]


def _interleaved(version: int, words: Sequence[int]) -> list[int]:
    count, blocks, each = BLOCKS[version - 1]
    data = [words[start : start + each] for start in range(0, blocks * each, each)]
    checks = [check_words(block, count) for block in data]
    return [
        block[place]
        for group, many in ((data, each), (checks, count))
        for place in range(many)
        for block in group
    ]


# --- drawing -------------------------------------------------------------------------------------------------


def _patterns(version: int) -> tuple[Grid, Grid]:
    """Return what every code of a version shows, and which modules are taken by it."""
    size = 17 + 4 * version
    dark = [[False] * size for _ in range(size)]
    taken = [[False] * size for _ in range(size)]

    def put(y: int, x: int, is_dark: bool) -> None:
        if 0 <= y < size and 0 <= x < size:
            dark[y][x], taken[y][x] = is_dark, True

    for place in range(size):
        put(6, place, place % 2 == 0)
        put(place, 6, place % 2 == 0)
    for top, left in ((0, 0), (0, size - 7), (size - 7, 0)):
        for y in range(-1, 8):
            for x in range(-1, 8):
                put(top + y, left + x, max(abs(y - 3), abs(x - 3)) in (0, 1, 3))
    if version > 1:
        for y in range(-2, 3):
            for x in range(-2, 3):
                put(size - 7 + y, size - 7 + x, max(abs(y), abs(x)) != 1)
    for place in range(9):
        for y, x in ((8, place), (place, 8)):
            taken[y][x] = True
    for place in range(1, 9):
        for y, x in ((8, size - place), (size - place, 8)):
            taken[y][x] = True
    dark[size - 8][8] = True
    return dark, taken


def format_bits(mask: int) -> int:
    """Return the fifteen bits that tell the reader: level M, and which mask."""
    data = mask  # level M is 00
    rest = data << 10
    for place in range(14, 9, -1):
        if rest >> place & 1:
            rest ^= 0b10100110111 << place - 10
    return (data << 10 | rest) ^ 0b101010000010010


def _write_format(dark: Grid, taken: Grid, mask: int) -> None:
    size, bits = len(dark), format_bits(mask)
    for place in range(15):
        is_dark = bits >> place & 1 == 1
        around = place if place < 6 else place + 1 if place < 8 else size - 15 + place
        dark[around][8] = is_dark
        along = size - 1 - place if place < 8 else 7 if place == 8 else 14 - place
        dark[8][along] = is_dark
    dark[size - 8][8] = True


def _path(size: int, taken: Grid) -> Iterator[tuple[int, int]]:
    """Yield the free modules in the order of the bits: two columns at a time, up and down from the right."""
    is_up = True
    for right in (*range(size - 1, 6, -2), 5, 3, 1):
        for step in range(size):
            y = size - 1 - step if is_up else step
            for x in (right, right - 1):
                if not taken[y][x]:
                    yield y, x
        is_up = not is_up


def _penalty(dark: Grid) -> int:
    """Return how hard a code is to read: long runs, blocks, what looks like a corner, too much of one color."""
    size, score = len(dark), 0
    lines = ["".join("1" if one else "0" for one in row) for row in dark]
    lines += ["".join("1" if row[x] else "0" for row in dark) for x in range(size)]
    for line in lines:
        for run in line.replace("01", "0 1").replace("10", "1 0").split():
            score += len(run) - 2 if len(run) >= 5 else 0
        for corner in ("10111010000", "00001011101"):
            score += 40 * sum(line.startswith(corner, place) for place in range(size - 10))
    for y in range(size - 1):
        for x in range(size - 1):
            score += 3 * (dark[y][x] == dark[y][x + 1] == dark[y + 1][x] == dark[y + 1][x + 1])
    share = sum(map(sum, dark)) * 100 // (size * size)
    return score + abs(share - 50) // 5 * 10
