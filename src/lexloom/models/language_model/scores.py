"""How well a language model predicts a text."""

import math
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from lexloom.models.language_model.network import LanguageModel
from lexloom.text.batches import ScoredWindows
from lexloom.text.corpus import CorpusSource, as_corpus
from lexloom.text.documents import encode_stream
from lexloom.text.vocabulary import Vocabulary

_WINDOW = 256


@dataclass(frozen=True)
class LanguageScore:
    """The score of a text, each of whose tokens is predicted once, from all tokens before it.

    Attributes:
        loss: mean negative log-likelihood per token, in nats.
        perplexity: exp(loss).
        bits_per_character: line ends are characters too; comparable between levels and tokenizers.
        bits_per_byte: per byte of UTF-8.
        tokens: number of predicted tokens, line ends among them.
        unknown_tokens: how many of these are out of vocabulary. They make the score look better, since the model only predicts `<unk>`.
        unknown_trained: whether the training text had out-of-vocabulary tokens; otherwise the probability of `<unk>` is arbitrary.
        characters: length of the text, line ends included.
        bytes: the same in UTF-8.
        tokens_per_second: speed of the evaluation.
    """

    loss: float
    perplexity: float
    bits_per_character: float
    bits_per_byte: float
    tokens: int
    unknown_tokens: int
    unknown_trained: bool
    characters: int
    bytes: int
    tokens_per_second: float

    def as_dict(self) -> dict[str, Any]:
        """Return the values by name in JSON values; an infinite perplexity becomes None."""
        return asdict(self) | {"perplexity": self.perplexity if math.isfinite(self.perplexity) else None}


@torch.no_grad()
def evaluate_language_model(model: LanguageModel, corpus: CorpusSource, *, batch_size: int = 1) -> LanguageScore:
    """Score a text.

    Args:
        model: a trained model.
        corpus: the text, or its path or URL.
        batch_size: number of parts of the text that are read in parallel; more is faster, but each part starts without context.

    Raises:
        InputError: the text is empty or cannot be read.
    """
    model.eval()
    corpus = as_corpus(corpus)
    ids = encode_stream(corpus, model.tokenizer, model.vocabulary)
    windows = ScoredWindows(np.concatenate([[np.uint32(model.vocabulary.eos_id)], ids]), min(batch_size, len(ids)), _WINDOW)
    device = next(model.parameters()).device
    total, state = 0.0, None
    started = time.perf_counter()
    for window in windows.epoch(0):
        inputs, targets = (torch.from_numpy(array).to(device) for array in (window.inputs, window.targets))
        out, state = model.hidden(inputs, None if window.fresh else state)
        total += float(model.output.loss(out.flatten(0, 1), targets.flatten()))
    seconds = time.perf_counter() - started
    loss, report = total / len(ids), corpus.report
    characters, size = report.characters + report.documents, report.bytes + report.documents
    bits = total / math.log(2)
    return LanguageScore(
        loss,
        math.exp(loss) if loss < 700 else math.inf,
        bits / characters,
        bits / size,
        len(ids),
        int(np.count_nonzero(ids == model.vocabulary.unk_id)),
        _trained_unknown(model.vocabulary),
        characters,
        size,
        len(ids) / seconds,
    )


def _trained_unknown(vocabulary: Vocabulary) -> bool:
    left_out = sum(numbers["occurrences"] for numbers in vocabulary.report.values())
    return bool(left_out or vocabulary.counts[vocabulary.unk_id])
