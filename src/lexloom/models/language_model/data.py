"""The data of a language model: token streams to train and validate on."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lexloom.artefact import STORE_HEADER
from lexloom.errors import InputError
from lexloom.models.language_model.options import LanguageModelOptions, WindowConfig
from lexloom.text.batches import IGNORE, RandomWindows, ScoredWindows, SequentialWindows, Windows, rows_of
from lexloom.text.blocks import ReadProgress
from lexloom.text.corpus import Corpus
from lexloom.text.documents import encode_stream, stream_of
from lexloom.text.store import TokenStore, open_or_build_store
from lexloom.text.tokenizers import TextTokenizer
from lexloom.text.vocabulary import Vocabulary, describe_left_out
from lexloom.training.processor import precision_of

SPECIALS = ("unk", "eos")
_VALID_ROWS = 10


@dataclass(frozen=True)
class StreamData:
    """Encoded text.

    Attributes:
        train: the stream to train on, uint32 (N,).
        valid: the stream to validate on, after the last token of the text before it; None without validation.
        vocabulary: of the whole corpus.
        tokenizer: how text is split.
        sizes: characters and bytes per token of the validation text, or of the training text without validation.
        encoded: checksums of the store.
        facts, about, problems: see `Data`.
    """

    train: np.ndarray
    valid: np.ndarray | None
    vocabulary: Vocabulary
    tokenizer: TextTokenizer
    sizes: dict[str, float]
    encoded: dict[str, str]
    facts: dict[str, Any]
    about: list[str]
    problems: list[str]

    def checksums(self) -> dict[str, str]:
        """Identify the encoded corpus."""
        return self.encoded


class WindowBatch(NamedTuple):
    """A window as tensors.

    Attributes:
        inputs: int64 (B, T).
        targets: int64 (B, T), `IGNORE` where there is nothing to predict.
        fresh: whether the state starts from zero.
        scored: number of targets.
    """

    inputs: Tensor
    targets: Tensor
    fresh: bool
    scored: int


class WindowBatches:
    """Windows over a stream as batches; the processes share the rows.

    Args:
        stream: uint32 (N,).
        config: the shape of windows.
        seed: of the order and the offsets.
        scored: every target exactly once, for validation, in at most 10 rows.
    """

    def __init__(self, stream: np.ndarray, config: WindowConfig, seed: int, *, scored: bool = False) -> None:
        self._stream, self._config, self._seed, self._scored = stream, config, seed, scored
        self.windows = self._make(slice(None))

    def _make(self, rows: slice) -> Windows:
        config = self._config
        if self._scored:
            size = max(1, min(_VALID_ROWS, (len(self._stream) - 1) // config.bptt))
            return ScoredWindows(self._stream, size, config.bptt, rows=rows)
        if config.windows == "random":
            return RandomWindows(self._stream, config.batch_size, config.bptt, self._seed, rows=rows)
        offset_seed = self._seed if config.random_offset else None
        return SequentialWindows(self._stream, config.batch_size, config.bptt, rows=rows, offset_seed=offset_seed)

    def __len__(self) -> int:
        return len(self.windows)

    def epoch(self, number: int) -> Iterator[WindowBatch]:
        """Iterate over the windows of an epoch, counted from 0."""
        for inputs, targets, fresh in self.windows.epoch(number):
            scored = targets.size - int(np.count_nonzero(targets == IGNORE))
            yield WindowBatch(torch.from_numpy(inputs), torch.from_numpy(targets), fresh, scored)

    def shard(self, process: int, processes: int) -> "WindowBatches":
        """Return the rows of one of several processes."""
        shard = WindowBatches(self._stream, self._config, self._seed, scored=self._scored)
        every = slice(process, None, processes)  # a validation row more or less changes no mean
        shard.windows = self._make(every if self._scored else rows_of(process, processes, self._config.batch_size))
        return shard


def read_stream(
    corpus: Corpus,
    valid: Corpus | Literal["none"] | None,
    options: LanguageModelOptions,
    store: Path,
    progress: ReadProgress,
    *,
    reuse: bool,
) -> StreamData:
    """Encode a corpus, and take its last tenth to validate on unless a validation text is given.

    Args:
        corpus: the text to train on.
        valid: the text to validate on, or "none".
        options: the tokenizer, the vocabulary, the windows.
        store: where the encoded corpus is kept.
        progress: called with the bytes encoded.
        reuse: take the store that is there if the corpus cannot be read again, as standard input on a resume.

    Raises:
        InputError: a text is missing, empty or too short.
        FormatError: the store is damaged.
    """
    if reuse and corpus.fingerprint() is None and (store / STORE_HEADER).exists():
        encoded, reused = TokenStore.open(store), True
    else:
        encoded, reused = open_or_build_store(corpus, store, options.tokenizer, options.vocabulary, specials=SPECIALS, progress=progress)
    vocabulary, report = encoded.vocabulary, encoded.header["report"]
    stream, held_out, problems = stream_of(encoded), False, list(corpus.report.warnings())
    sizes = {name: (report[name] + report["documents"]) / len(stream) for name in ("characters", "bytes")}
    validation = None
    if isinstance(valid, Corpus):
        ids = encode_stream(valid, encoded.tokenizer, vocabulary)
        sizes = {name: (getattr(valid.report, name) + valid.report.documents) / len(ids) for name in sizes}
        validation = np.concatenate([stream[-1:], ids])  # its first token is predicted from an end of line
        problems += valid.report.warnings()
    elif valid is None:
        cut = len(stream) - len(stream) // 10
        stream, validation, held_out = stream[:cut], stream[cut - 1 :], True
        if len(validation) < 2:
            raise InputError(f"{corpus.name}: {len(stream)} tokens are too few to hold out a tenth; give --valid FILE or --valid none")
    if precision_of(options.training) != options.training.precision:
        actual = precision_of(options.training).replace("32", "32 bits")
        problems.append(f"this CPU cannot train in {options.training.precision}: training in {actual}")
    windows = WindowBatches(stream, options.windows, 0).windows
    facts = {
        "name": corpus.name,
        "tokens": len(stream),
        "valid_tokens": 0 if validation is None else len(validation) - 1,
        "held_out": held_out,
        "left_over": windows.left_over,
    }
    about = _describe(facts, vocabulary, windows, reused=reused)
    return StreamData(stream, validation, vocabulary, encoded.tokenizer, sizes, encoded.header["checksums"], facts, about, problems)


def _describe(facts: dict[str, Any], vocabulary: Vocabulary, windows: Windows, *, reused: bool) -> list[str]:
    unknown = sum(numbers["occurrences"] for numbers in vocabulary.report.values())
    whole = facts["tokens"] + (facts["valid_tokens"] if facts["held_out"] else 0)
    share = f"; {unknown / whole:.1%} of the text is <unk>" if unknown else ""
    lines = [f"{'reused' if reused else 'encoded'} text: {facts['tokens']:,} tokens to train on"]
    lines.append(f"vocabulary: {len(vocabulary):,} tokens{describe_left_out(vocabulary.report)}{share}")
    if facts["held_out"]:
        lines.append(f"validation: the last tenth of the text, {facts['valid_tokens']:,} tokens")
    else:
        lines.append(f"validation: {facts['valid_tokens']:,} tokens" if facts["valid_tokens"] else "no validation: keeps the last epoch")
    over = f"; {facts['left_over']:,} tokens fill no batch" if facts["left_over"] else ""
    lines.append(f"an epoch: {len(windows):,} windows, {windows.targets_per_epoch:,} tokens{over}")
    return lines
