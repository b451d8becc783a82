"""How well a language model predicts a text."""

import math
import time
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np
import torch

from lexloom.models.language_model import LanguageModel
from lexloom.text.batches import ScoredWindows
from lexloom.text.readers import CorpusSource, as_corpus
from lexloom.text.stream import encode_stream
from lexloom.text.vocabulary import Vocabulary

_WINDOW = 256


@dataclass(frozen=True)
class LanguageScore:
    """What a text costs a model; every token of it is predicted once, from all that come before it.

    Attributes:
        loss: mean negative log-likelihood of a token, in nats.
        perplexity: e to the loss.
        bits_per_character: of the text with its line ends; comparable between levels and tokenizers.
        bits_per_byte: the same for UTF-8 bytes.
        tokens: tokens predicted, the end of each line among them.
        unknown_tokens: those of them that the model sees as `<unk>`. They flatter: it need not say which word they are.
        unknown_trained: whether the training text had unknown tokens, so that the model knows what to expect of them.
        characters: of the text, line ends counted.
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
        """Give the values by name; None for an infinite perplexity, which JSON has not."""
        return asdict(self) | {"perplexity": self.perplexity if math.isfinite(self.perplexity) else None}


@torch.no_grad()
def evaluate_language_model(model: LanguageModel, corpus: CorpusSource, *, batch_size: int = 1) -> LanguageScore:
    """Score a text.

    Args:
        model: a trained model.
        corpus: the text, or where it is.
        batch_size: how many stretches of the text are read side by side; more is faster, but each begins without what came before it.

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
