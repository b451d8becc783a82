"""Small made-up corpora that training must find something in."""

from pathlib import Path

import numpy as np

PLACES = 12


def planted(sentences: int = 6000, seed: int = 0) -> list[list[str]]:
    """Countries and capitals: words about one place are shared by its country and its capital, words about the role by all of its kind."""
    random = np.random.default_rng(seed)
    text = []
    for _ in range(sentences):
        place, kind = int(random.integers(PLACES)), str(random.choice(["country", "capital"]))
        about = [f"{word}{place}" for word in random.choice(["river", "dish", "poet", "hill"], 3)]
        role = [f"{kind}_{word}" for word in random.choice(["has", "is", "was", "with"], 3)]
        words = [f"{kind}{place}", *about, *role]
        random.shuffle(words)
        text.append(words)
    return text


def planted_questions() -> list[tuple[str, str, str, str]]:
    return [(f"country{a}", f"capital{a}", f"country{b}", f"capital{b}") for a in range(PLACES) for b in range(PLACES) if a != b]


def zipf_file(path: Path, tokens: int, *, vocabulary: int = 500, line: int = 50, seed: int = 0) -> Path:
    """A file of random words, frequent ones first in the alphabet of numbers, `line` words a line."""
    random = np.random.default_rng(seed)
    words = (random.zipf(1.2, tokens) % vocabulary).reshape(-1, line)
    path.write_text("\n".join(" ".join(f"w{word}" for word in row) for row in words) + "\n", encoding="utf-8")
    return path
