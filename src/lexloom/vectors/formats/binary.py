"""Read and write word2vec's binary format: `V E` as text, then for each row the token, a space and E little-endian float32.

word2vec.c writes a newline after each row, other tools do not; both are read.
"""

from pathlib import Path

import numpy as np

from lexloom.errors import FormatError
from lexloom.files import ByteStream, open_target
from lexloom.vectors.formats.recognize import Header
from lexloom.vectors.formats.rows import TOKEN_ERRORS, Gatherer, Loaded, Request, encode_tokens, row_blocks
from lexloom.vectors.table import Vectors

_BLOCK = 1 << 18  # blocks that stay in the cache while they are cut and joined: twice as fast as 4 MB
_LONGEST_TOKEN = 1 << 16


def read_binary(stream: ByteStream, header: Header, request: Request) -> Loaded:
    """Read vectors from word2vec's binary format.

    Raises:
        FormatError: the source has fewer rows than its header promises (the message says in which row it ends), or more data, or is
            not in this format.
    """
    assert header.rows is not None
    gatherer = Gatherer(header.dim, request, header.rows)
    stream.read(header.size)
    width, tail = 4 * header.dim, b""
    while gatherer.rows < header.rows and not gatherer.done:
        block = stream.read(max(_BLOCK, width))
        if not block:
            raise FormatError(
                f"{stream.name}: cut short in row {gatherer.rows + 1:,} of the {header.rows:,} that its header promises; "
                "download or copy it again"
            )
        left = header.rows - gatherer.rows
        tokens, values, tail = _split(tail + block, width, left if gatherer.room is None else min(left, gatherer.room))
        if len(tail) > width + _LONGEST_TOKEN and b" " not in tail[:_LONGEST_TOKEN]:
            raise FormatError(
                f"{stream.name}: row {gatherer.rows + len(tokens) + 1:,} has no token of at most {_LONGEST_TOKEN:,} bytes; "
                "the file is damaged or not in word2vec's binary format"
            )
        rows = np.frombuffer(b"".join(values), "<f4").reshape(len(values), header.dim)
        gatherer.rows += len(tokens)
        gatherer.add([token.lstrip(b"\n").decode("utf-8", TOKEN_ERRORS) for token in tokens], rows)
    if not gatherer.done and (tail + stream.read(_BLOCK)).strip(b"\n"):
        raise FormatError(f"{stream.name}: more data follows the {header.rows:,} rows that its header promises; its header is wrong")
    return gatherer.finish()


def _split(block: bytes, width: int, most: int) -> tuple[list[bytes], list[bytes], bytes]:
    """Cut a block into at most `most` tokens, their rows of `width` bytes each, and the bytes left over."""
    tokens: list[bytes] = []
    values: list[bytes] = []
    find, size, start = block.find, len(block), 0
    while len(tokens) < most:
        space = find(b" ", start)
        end = space + 1 + width
        if space < 0 or end > size:
            break
        tokens.append(block[start:space])
        values.append(block[space + 1 : end])
        start = end
    return tokens, values, block[start:]


def write_binary(vectors: Vectors, target: Path) -> None:
    """Write word2vec's binary format without newlines between the rows, as gensim does and as GoogleNews is.

    Raises:
        FormatError: a token contains a space or a newline.
    """
    tokens = encode_tokens(vectors.tokens, b" \n", "word2vec-binary")
    with open_target(target) as stream:
        stream.write(b"%d %d\n" % vectors.matrix.shape)
        for first, rows in row_blocks(vectors.matrix):
            data, width = rows.astype("<f4", copy=False).tobytes(), 4 * vectors.dim
            pieces: list[bytes] = []
            for position in range(len(rows)):
                pieces += (tokens[first + position], b" ", data[position * width : (position + 1) * width])
            stream.write(b"".join(pieces))
