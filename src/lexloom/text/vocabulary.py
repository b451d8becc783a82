"""`Vocabulary`: the tokens that have an id, with their counts; and how it is chosen from all that was counted."""

import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from lexloom.artefact import header, read_header
from lexloom.errors import ConfigError, FormatError
from lexloom.files import write_text
from lexloom.options import check_whole
from lexloom.tensors import checksum
from lexloom.text.tokenizer_json import with_vocabulary
from lexloom.text.tokenizers import TextTokenizer

FORMAT_VERSION = 2

ROLES: Mapping[str, tuple[str, ...]] = {
    "pad": ("<pad>", "[PAD]"),
    "unk": ("<unk>", "[UNK]"),
    "bos": ("<bos>", "<s>", "[BOS]"),
    "eos": ("<eos>", "</s>", "[EOS]"),
    "mask": ("<mask>", "[MASK]"),
    "cls": ("<cls>", "[CLS]"),
    "sep": ("<sep>", "[SEP]"),
}
"""The special tokens by role: the name that lexloom writes, then names in tokenizers of others."""


@dataclass(frozen=True)
class VocabularyConfig:
    """Which of the counted tokens get an id. The vocabulary of a subword tokenizer is kept whole instead."""

    min_count: int = 5
    """Leave out tokens seen less often than this."""
    max_size: int | None = None
    """Keep at most this many tokens, the most frequent; special tokens are not counted."""

    def __post_init__(self) -> None:
        for name in ("min_count", "max_size"):
            check_whole(name, getattr(self, name), 1)


class Vocabulary:
    """V tokens and their ids: special ones first, then the most frequent first, ties in the order of first appearance.

    Attributes:
        tokens: V tokens; the id of each is its position.
        counts: int64 (V,), occurrences in the corpus; for a special token those of its own text, usually none.
        specials: from role to token (`unk` always).
        report: what was left out and why: `{"min_count": {"types": n, "occurrences": n}, "max_size": ...}`.
        index: from token to id.
    """

    def __init__(
        self,
        tokens: Sequence[str],
        counts: np.ndarray,
        specials: Mapping[str, str],
        report: Mapping[str, Mapping[str, int]] | None = None,
    ) -> None:
        self.tokens = list(tokens)
        self.counts = np.asarray(counts, np.int64)
        self.specials = dict(specials)
        self.report = {reason: dict(numbers) for reason, numbers in (report or {}).items()}
        self.index = {token: number for number, token in enumerate(self.tokens)}
        if len(self.index) != len(self.tokens) or len(self.counts) != len(self.tokens):
            raise FormatError(
                f"{len(self.tokens)} tokens, {len(self.index)} of them different, {len(self.counts)} counts: expected the same"
            )
        if "unk" not in self.specials or not self.index.keys() >= set(self.specials.values()):
            raise FormatError(f"special tokens {self.specials}: expected unk among them, and all of them among the tokens")

    def __len__(self) -> int:
        return len(self.tokens)

    def __contains__(self, token: object) -> bool:
        return token in self.index

    def __repr__(self) -> str:
        return f"Vocabulary({len(self)} tokens)"

    @property
    def unk_id(self) -> int:
        """The id that stands for every token without one."""
        return self.index[self.specials["unk"]]

    @property
    def eos_id(self) -> int:
        """The id of the end of a line, in a vocabulary with that role."""
        return self.index[self.specials["eos"]]

    def id_of(self, token: str) -> int:
        """The id of a token, or that of `unk`."""
        return self.index.get(token, self.unk_id)

    def encode(self, tokens: Iterable[str]) -> np.ndarray:
        """The ids of n tokens, uint32 (n,)."""
        get, unk = self.index.get, self.unk_id
        return np.array([get(token, unk) for token in tokens], np.uint32)

    def decode(self, ids: Iterable[int]) -> list[str]:
        """The tokens of ids."""
        return [self.tokens[number] for number in ids]

    @property
    def identity(self) -> str:
        """A checksum of tokens, counts and roles."""
        return checksum(json.dumps([self.tokens, self.specials]).encode(), self.counts)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write a vocabulary.json: tokens and counts, one per line."""
        content = {"specials": self.specials, "report": self.report, "tokens": self.tokens, "counts": self.counts.tolist()}
        write_text(path, json.dumps(header("vocabulary", FORMAT_VERSION) | content, ensure_ascii=False, separators=(",\n", ": ")) + "\n")

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> "Vocabulary":
        """Read what `save` wrote.

        Raises:
            FormatError: it is missing, damaged, or of another format or version.
        """
        content = read_header(Path(path), "vocabulary", FORMAT_VERSION)
        try:
            return cls(content["tokens"], np.array(content["counts"], np.int64), content["specials"], content["report"])
        except (KeyError, TypeError, ValueError, AttributeError, FormatError) as error:
            raise FormatError(f"{os.fspath(path)}: the vocabulary is damaged: {error!r}") from None


def special_tokens(roles: Sequence[str], existing: Collection[str] = ()) -> dict[str, str]:
    """Name the special tokens of some roles.

    Args:
        roles: keys of `ROLES`; unk is put first if it is missing.
        existing: tokens of a tokenizer; its own names for the roles are kept.

    Raises:
        ConfigError: a role is not known.
    """
    for role in roles:
        if role not in ROLES:
            raise ConfigError(f"special token {role!r}: expected one of {', '.join(ROLES)}")
    wanted = roles if "unk" in roles else ("unk", *roles)
    return {role: next((name for name in ROLES[role] if name in existing), ROLES[role][0]) for role in wanted}


@dataclass(frozen=True)
class TypeCounts:
    """All different tokens (types) of a text; their provisional ids are their positions.

    Attributes:
        tokens: m tokens, in the order of their first appearance.
        counts: int64 (m,), their occurrences.
    """

    tokens: list[str]
    counts: np.ndarray


def choose_vocabulary(
    types: TypeCounts, specials: Mapping[str, str], *, min_count: int, max_size: int | None = None
) -> tuple[Vocabulary, np.ndarray]:
    """Choose which tokens get an id.

    Args:
        types: what was counted.
        specials: from role to token; they come first, with any count.
        min_count: tokens seen less often get none; 0 keeps those that were never seen too.
        max_size: how many tokens, besides the special ones, get one.

    Returns:
        The vocabulary, and uint32 (m,): the final id of each provisional one, that of unk for tokens that were left out.
    """
    counts = types.counts
    special_names = set(specials.values())
    place_of = {token: place for place, token in enumerate(types.tokens) if token in special_names}
    places = [place_of.get(token, -1) for token in specials.values()]
    special = np.zeros(len(counts), bool)
    special[[place for place in places if place >= 0]] = True
    frequent = np.flatnonzero((counts >= min_count) & ~special)
    ordered = frequent[np.argsort(-counts[frequent], kind="stable")]
    kept = ordered[:max_size]

    tokens = [*specials.values(), *(types.tokens[place] for place in kept.tolist())]
    special_counts = [int(counts[place]) if place >= 0 else 0 for place in places]
    rare = (counts > 0) & (counts < min_count) & ~special  # tokens that do not occur are not rare
    report = {
        "min_count": {"types": int(rare.sum()), "occurrences": int(counts[rare].sum())},
        "max_size": {"types": len(ordered) - len(kept), "occurrences": int(counts[ordered[len(kept) :]].sum())},
    }
    vocabulary = Vocabulary(tokens, np.concatenate([np.array(special_counts, np.int64), counts[kept]]), specials, report)
    final = np.full(len(counts), vocabulary.unk_id, np.uint32)
    final[kept] = np.arange(len(specials), len(tokens), dtype=np.uint32)
    for number, place in enumerate(places):
        if place >= 0:
            final[place] = number
    return vocabulary, final


_REASONS = {"min_count": "rarer than min_count", "max_size": "beyond max_size"}


def describe_left_out(report: Mapping[str, Mapping[str, int]]) -> str:
    """Say how many types a vocabulary left out and why, as the end of a sentence."""
    return "".join(f", {numbers['types']:,} {_REASONS[reason]}" for reason, numbers in report.items() if numbers["types"])


def choose_ids(
    types: TypeCounts, tokenizer: TextTokenizer, roles: Sequence[str], config: VocabularyConfig
) -> tuple[Vocabulary, np.ndarray, TextTokenizer]:
    """Choose the vocabulary of a text; a tokenizer with a model of its own keeps all of its tokens.

    Args:
        types: what was counted.
        tokenizer: how the text was split.
        roles: of special tokens, see `special_tokens`.
        config: which tokens get an id.

    Returns:
        The vocabulary; uint32 (m,), as of `choose_vocabulary`; and the tokenizer, which has the new ids if it has a model of its own.
    """
    names = special_tokens(roles, set(types.tokens) if tokenizer.closed else ())
    if not tokenizer.closed:
        return *choose_vocabulary(types, names, min_count=config.min_count, max_size=config.max_size), tokenizer
    vocabulary, final = choose_vocabulary(types, names, min_count=0)
    return vocabulary, final, TextTokenizer(with_vocabulary(tokenizer.json, vocabulary.tokens, names["unk"]))
