"""FNV-1a over tokens and their character n-grams against a plain twin."""

from itertools import pairwise

import numpy as np
import pytest

from lexloom.compiled.hashing import hash_tokens

TOKENS = ["", "a", "the", "naïve", "日本語", "🙂x"]


def fnv(data: bytes) -> int:
    h = 2166136261
    for byte in data:
        signed = byte - 256 if byte > 127 else byte
        h = (h ^ (signed % 2**32)) * 16777619 % 2**32
    return h


def ngrams(token: str, shortest: int, longest: int) -> list[str]:
    word = f"<{token}>"
    found = [word[i : i + n] for i in range(len(word)) for n in range(shortest, longest + 1) if i + n <= len(word)]
    return [gram for gram in found if gram not in ("<", ">")]


@pytest.mark.parametrize(("shortest", "longest"), [(3, 6), (1, 2), (4, 4), (3, 0)])
def test_hashes_are_those_of_the_twin(shortest, longest):
    text = np.frombuffer("".join(TOKENS).encode(), np.uint8)
    ends = np.cumsum([len(token.encode()) for token in TOKENS])
    hashes, found, starts = np.zeros(len(TOKENS), np.uint32), np.zeros(500, np.uint32), np.zeros(len(TOKENS) + 1, np.int64)
    hash_tokens(text, ends, shortest, longest, 1000, hashes, found, starts)
    assert hashes.tolist() == [fnv(token.encode()) for token in TOKENS]
    expected = [[fnv(gram.encode()) % 1000 for gram in ngrams(token, shortest, longest)] if longest else [] for token in TOKENS]
    assert [found[first:last].tolist() for first, last in pairwise(starts)] == expected
