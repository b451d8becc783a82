"""Tiny models for tests: random weights, a made-up vocabulary."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import torch

from lexloom.models.classifier.labels import LabelSet
from lexloom.models.classifier.network import Classifier, DocumentBatch
from lexloom.models.classifier.options import ClassifierConfig, ClassifierOptions
from lexloom.models.language_model.data import WindowBatch
from lexloom.models.language_model.network import LanguageModel
from lexloom.models.language_model.options import LanguageModelConfig, LanguageModelOptions
from lexloom.nn.embedding_config import EmbeddingConfig
from lexloom.nn.recurrent_config import RecurrentConfig
from lexloom.text.tokenizers import TextTokenizer, TokenizerConfig, make_tokenizer
from lexloom.text.vocabulary import Vocabulary

SPECIALS = {"unk": "<unk>", "eos": "<eos>"}


def vocabulary_of(*tokens: str, unknown: int = 0) -> Vocabulary:
    """A vocabulary of the special tokens and these, the first the most frequent."""
    counts = [unknown, 0, *range(len(tokens), 0, -1)]
    return Vocabulary(["<unk>", "<eos>", *tokens], np.array(counts, np.int64), SPECIALS)


def words(number: int) -> Vocabulary:
    return vocabulary_of(*(f"w{place}" for place in range(number)))


def options(
    *, model: dict[str, Any] | None = None, embedding: dict[str, Any] | None = None, recurrent: dict[str, Any] | None = None
) -> LanguageModelOptions:
    return LanguageModelOptions(
        LanguageModelConfig(**(model or {})),
        EmbeddingConfig(**(embedding or {})),
        RecurrentConfig(**{"hidden_size": 12, **(recurrent or {})}),
    )


def language_model(
    vocabulary: Vocabulary | None = None, tokenizer: TextTokenizer | None = None, *, seed: int = 0, **parts: Any
) -> LanguageModel:
    """An untrained model in training mode; `parts` as `options` takes them."""
    torch.manual_seed(seed)
    made = LanguageModel(options(**parts), vocabulary or words(20), tokenizer or make_tokenizer(TokenizerConfig()))
    with torch.no_grad():  # predictions that differ from token to token, as those of trained models do
        for parameter in made.parameters():
            parameter.mul_(2)
    return made


def classifier(
    labels: Sequence[str] = ("a", "b", "c"), *, several: bool = False, tokens: Sequence[str] | None = None, seed: int = 0, **parts: Any
) -> Classifier:
    """An untrained classifier in training mode; `parts` are the fields of `ClassifierOptions`, `class_weights` a number a label."""
    weights = parts.pop("class_weights", None)
    tokens = [f"w{place}" for place in range(20)] if tokens is None else tokens
    vocabulary = Vocabulary(
        ["<pad>", "<unk>", *tokens], np.array([0, 0, *range(len(tokens), 0, -1)], np.int64), {"pad": "<pad>", "unk": "<unk>"}
    )
    shape = ClassifierOptions(
        ClassifierConfig(**parts.get("model", {})),
        EmbeddingConfig(**{"embedding_dim": 8, **parts.get("embedding", {})}),
        RecurrentConfig(**{"hidden_size": 6, **parts.get("recurrent", {})}),
    )
    torch.manual_seed(seed)
    return Classifier(
        shape, LabelSet(tuple(labels), several), vocabulary, make_tokenizer(TokenizerConfig(tokenizer="whitespace")), class_weights=weights
    )


def documents(lengths: Sequence[int] = (9, 3, 1, 6, 9), *, labels: int = 3, several: bool = False, size: int = 22) -> DocumentBatch:
    """A batch of documents of these lengths, in which every id from 1 to `size` may occur."""
    random = torch.Generator().manual_seed(1)
    ids = torch.randint(1, size, (len(lengths), max(lengths)), generator=random)
    keep = torch.arange(max(lengths)) < torch.tensor(lengths)[:, None]
    targets = torch.randint(labels, (len(lengths),), generator=random)
    if several:
        targets = (torch.rand(len(lengths), labels, generator=random) < 0.4).float()
    return DocumentBatch(ids * keep, keep, targets)


def window(rows: int = 3, length: int = 8, *, size: int = 22, seed: int = 1, fresh: bool = True) -> WindowBatch:
    """A batch in which every id below `size` may occur."""
    ids = torch.randint(size, (rows, length + 1), generator=torch.Generator().manual_seed(seed))
    return WindowBatch(ids[:, :-1], ids[:, 1:], fresh, rows * length)
