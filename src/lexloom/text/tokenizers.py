"""Tokenizers: how text becomes tokens, always described by a `tokenizer.json` that travels with what was made of the tokens."""

import json
import warnings
from collections.abc import Callable, Iterable, Iterator
from dataclasses import asdict, dataclass
from functools import cached_property
from importlib import metadata
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from lexloom.errors import ConfigError, InputError
from lexloom.options import check_choices, check_whole
from lexloom.tensors import checksum
from lexloom.text.tokenizer_json import model_type, with_vocabulary

if TYPE_CHECKING:
    import polars as pl
    from tokenizers import Tokenizer

    from lexloom.text.blocks import Block
    from lexloom.text.splitting import CharacterSplit


@dataclass(frozen=True)
class Segmenter:
    """A word segmenter for languages written without spaces, as recorded beside a tokenizer.json; an optional dependency.

    Attributes:
        name: a key of `SEGMENTERS`, and the name of the package that does the work.
        version: the version that was installed; another may split other words.
    """

    name: str
    version: str

    @classmethod
    def installed(cls, name: str) -> "Segmenter":
        """Look up the installed version.

        Raises:
            ConfigError: the package is not installed.
        """
        try:
            return cls(name, metadata.version(name))
        except metadata.PackageNotFoundError:
            raise ConfigError(f"tokenizer {name!r}: the package {name} is not installed; install it: pip install {name}") from None

    def load(self) -> Callable[[str], Iterable[str]]:
        """Import it.

        Returns:
            A function from a text to its words in order.

        Raises:
            ConfigError: it is not installed. Another version is a warning.
        """
        here = Segmenter.installed(self.name)
        if here.version != self.version:
            warnings.warn(
                f"the text was split by {self.name} {self.version}, installed is {here.version}, which may split other words; "
                f"for the same ones: pip install {self.name}=={self.version}",
                stacklevel=2,
            )
        return SEGMENTERS[self.name]()


def _load_jieba() -> Callable[[str], Iterable[str]]:
    import logging

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own syntax and packaging warnings, none of the user's concern
        import jieba
    jieba.setLogLevel(logging.WARNING)
    return lambda text: jieba.cut(text)


SEGMENTERS: dict[str, Callable[[], Callable[[str], Iterable[str]]]] = {
    "jieba": _load_jieba,
}
"""From name to a function that imports the segmenter; a new segmenter is one more line."""

NAMES = ("words", "whitespace", "characters", "bpe", "unigram", *SEGMENTERS)
LEARNT = ("bpe", "unigram")
LEARN_BYTES = 1 << 26
"""Bytes from the beginning of the corpus that a tokenizer is learnt from."""


@dataclass(frozen=True)
class TokenizerConfig:
    """How to split text into tokens."""

    tokenizer: str = "words"
    """words (Unicode words, and punctuation apart), whitespace, characters, bpe or unigram (learnt from the corpus), jieba (Chinese), or
    the path of a tokenizer.json."""
    lowercase: bool = False
    """Lowercase the text. A tokenizer.json has its own setting."""
    strip_accents: bool = False
    """Remove all combining marks: é becomes e."""
    normalization: Literal["nfc", "nfkc", "none"] = "nfc"
    """Unicode normalization form; nfkc also folds compatibility characters such as full-width letters and ligatures."""
    vocab_size: int = 16000
    """How many tokens bpe and unigram learn."""

    def __post_init__(self) -> None:
        check_choices(self)
        check_whole("vocab_size", self.vocab_size, 2)


@dataclass(frozen=True)
class TextTokenizer:
    """A tokenizer.json, and perhaps a segmenter that splits before it.

    Attributes:
        json: the text of the tokenizer.json.
        segmenter: separates words by spaces before the tokenizer.json splits them.
    """

    json: str
    segmenter: Segmenter | None = None

    @property
    def closed(self) -> bool:
        """Whether the vocabulary is that of the model (BPE, Unigram, WordPiece) instead of the counted words."""
        return model_type(self.json) != "WordLevel"

    @property
    def identity(self) -> str:
        """A checksum of everything that decides how text is split."""
        return checksum(json.dumps([self.json, self.segmenter and asdict(self.segmenter)]).encode())

    def __getstate__(self) -> dict[str, Any]:
        """Leave out cached properties, some of which cannot be pickled."""
        return {"json": self.json, "segmenter": self.segmenter}

    @cached_property
    def library(self) -> "Tokenizer":
        """The same tokenizer, loaded by the `tokenizers` library."""
        from tokenizers import Tokenizer

        return Tokenizer.from_str(self.json)

    @cached_property
    def _splitter(self) -> "Callable[[pl.Series], pl.Series]":
        from lexloom.text.splitting import make_splitter

        return make_splitter(self.json)

    @cached_property
    def by_character(self) -> "CharacterSplit | None":
        """How a compiled loop can split text into the same tokens as `split`; None if it cannot."""
        from lexloom.text.splitting import find_character_split

        return None if self.segmenter else find_character_split(self.json)

    def split(self, texts: "pl.Series") -> "pl.Series":
        """Split texts into tokens, not using the model.

        Args:
            texts: String (n,).

        Returns:
            List(String) (n,).
        """
        return self._splitter(self._segmented(texts))

    def encode(self, texts: "pl.Series") -> Iterator[list[int]]:
        """Encode texts by the model; no special tokens are added, nothing is truncated.

        Args:
            texts: String (n,).

        Yields:
            n lists of ids.
        """
        for part in self._segmented(texts).to_frame("text").iter_slices(16):  # an encoding takes many times the memory of its text
            for encoding in self.library.encode_batch_fast(part["text"].to_list(), add_special_tokens=False):
                yield encoding.ids

    def _segmented(self, texts: "pl.Series") -> "pl.Series":
        if self.segmenter is None:
            return texts
        import polars as pl

        cut = self._words_of
        normalizer = self.library.normalizer
        normalize = normalizer.normalize_str if normalizer else str
        return pl.Series([" ".join(cut(normalize(text))) for text in texts], dtype=pl.String)

    @cached_property
    def _words_of(self) -> Callable[[str], Iterable[str]]:
        return self.segmenter.load() if self.segmenter else str.split


def make_tokenizer(config: TokenizerConfig) -> TextTokenizer:
    """Make the tokenizer that a configuration names; bpe and unigram are empty until `learn`.

    Raises:
        ConfigError: the name is not known, an option does not go with it, or the segmenter is not installed.
        InputError: the tokenizer.json cannot be read.
    """
    if config.tokenizer not in NAMES:
        return _read_tokenizer(config)
    from tokenizers import Regex, Tokenizer, models, normalizers, pre_tokenizers

    steps = _normalizer_steps(config)
    if config.tokenizer == "characters":
        steps.append(normalizers.Replace(Regex(r"\s"), "\u2581"))
    if config.tokenizer in LEARNT:
        steps.append(normalizers.Replace(Regex(r"\s+"), " "))
    if config.tokenizer == "bpe":
        tokenizer = Tokenizer(models.BPE(unk_token="<unk>"))
    elif config.tokenizer == "unigram":
        tokenizer = Tokenizer(models.Unigram())
    else:
        tokenizer = Tokenizer(models.WordLevel({"<unk>": 0}, unk_token="<unk>"))
    if steps:
        tokenizer.normalizer = normalizers.Sequence(steps) if len(steps) > 1 else steps[0]
    if config.tokenizer == "words":
        tokenizer.pre_tokenizer = pre_tokenizers.Whitespace()
    elif config.tokenizer == "characters":
        tokenizer.pre_tokenizer = pre_tokenizers.Split(Regex(r"[\s\S]"), "isolated")
    elif config.tokenizer in LEARNT:
        tokenizer.pre_tokenizer = pre_tokenizers.Sequence([pre_tokenizers.Metaspace(), pre_tokenizers.Punctuation("isolated")])
        from tokenizers import decoders

        tokenizer.decoder = decoders.Metaspace()
    else:
        tokenizer.pre_tokenizer = pre_tokenizers.WhitespaceSplit()
    segmenter = Segmenter.installed(config.tokenizer) if config.tokenizer in SEGMENTERS else None
    return TextTokenizer(tokenizer.to_str(), segmenter)


def _normalizer_steps(config: TokenizerConfig) -> list[Any]:
    """Normalization first, lowercasing last, since NFKC produces new capitals; accents are removed between, when they are decomposed."""
    from tokenizers import Regex, normalizers

    compatibility = config.normalization == "nfkc"
    steps: list[Any] = []
    if config.strip_accents:
        # not the library's StripAccents: its tables of marks are years older than those of its regular expressions
        steps += [normalizers.NFKD() if compatibility else normalizers.NFD(), normalizers.Replace(Regex(r"\p{M}"), "")]
    if compatibility:
        steps.append(normalizers.NFKC())
    elif config.strip_accents or config.normalization == "nfc":
        steps.append(normalizers.NFC())
    if config.lowercase:
        steps.append(normalizers.Lowercase())
    return steps


def _read_tokenizer(config: TokenizerConfig) -> TextTokenizer:
    """Read a user's tokenizer.json, without truncation, padding and the template of special tokens."""
    from tokenizers import Tokenizer

    path = Path(config.tokenizer)
    if not path.is_file():
        raise ConfigError(f"tokenizer {config.tokenizer!r}: neither a file nor one of {', '.join(NAMES)}")
    if config.lowercase or config.strip_accents or config.normalization != TokenizerConfig.normalization:
        raise ConfigError(f"tokenizer {path}: says itself how text is normalized; leave out lowercase, strip_accents and normalization")
    try:
        text = path.read_text(encoding="utf-8")
        Tokenizer.from_str(text)
    except Exception as error:  # the library raises bare exceptions
        raise InputError(f"{path}: not a tokenizer.json that can be read: {error}") from None
    content = json.loads(text)
    content.update(truncation=None, padding=None, post_processor=None)
    if model_type(text) == "WordLevel":
        content.update(added_tokens=[], model={"type": "WordLevel", "vocab": {"<unk>": 0}, "unk_token": "<unk>"})
    return TextTokenizer(json.dumps(content, ensure_ascii=False))


def learn(config: TokenizerConfig, texts: Iterable[list[str]]) -> TextTokenizer:
    """Learn the subwords of a bpe or unigram tokenizer.

    Args:
        config: names the model and its size.
        texts: batches of text; a small text gives fewer subwords than asked for.
    """
    from tokenizers import Tokenizer, trainers

    tokenizer = Tokenizer.from_str(make_tokenizer(config).json)
    trainer: Any
    if config.tokenizer == "bpe":
        trainer = trainers.BpeTrainer(vocab_size=config.vocab_size, special_tokens=["<unk>"], show_progress=False)
    else:
        trainer = trainers.UnigramTrainer(vocab_size=config.vocab_size, special_tokens=["<unk>"], unk_token="<unk>", show_progress=False)
    tokenizer.train_from_iterator(texts, trainer)
    content = json.loads(tokenizer.to_str())
    content["added_tokens"] = []  # the text <unk> is text like any other
    return TextTokenizer(json.dumps(content, ensure_ascii=False))


def tokenizer_for(config: TokenizerConfig, blocks: "Iterator[Block]") -> "tuple[TextTokenizer, Iterator[Block]]":
    """Make the tokenizer, and learn it from the first 64 MB if need be.

    Returns:
        It, and an iterator that gives the blocks that were looked at, then the rest.
    """
    buffered: list[Block] = []
    if (first := next(blocks, None)) is not None:
        buffered.append(first)
    if first is not None and first.split:
        tokenizer = TextTokenizer(with_vocabulary(None, ["<unk>"], "<unk>"))
    elif config.tokenizer in LEARNT and first is not None:
        size = first.size
        while size < LEARN_BYTES and (block := next(blocks, None)) is not None:
            buffered.append(block)
            size += block.size
        tokenizer = learn(config, (block.texts.to_list() for block in buffered))
    else:
        tokenizer = make_tokenizer(config)
    return tokenizer, _handing_over(buffered, blocks)


def _handing_over(buffered: "list[Block]", rest: "Iterator[Block]") -> "Iterator[Block]":
    """Go through the buffered blocks, and release each one."""
    while buffered:
        yield buffered.pop(0)
    yield from rest
