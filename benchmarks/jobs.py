"""Jobs that run in a process of their own: `python -m benchmarks.jobs NAME JSON`. The result is printed as JSON.

A job imports only what it measures, so that no tool pays for the imports of another.
"""

import json
import os
import re
import sys
import tempfile
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FunctionType
from typing import Any

Result = dict[str, Any]


def _timed(action: Callable[[], Any]) -> tuple[float, Any]:
    started = time.perf_counter()
    value = action()
    return time.perf_counter() - started, value


# ---- training ------------------------------------------------------------------------------------------------------------------------


def gensim_train(corpus: str, out: str, mode: str, sg: int, dim: int, epochs: int, seed: int, threads: int) -> Result:
    """Train with gensim from text to a saved word2vec file; `seconds` is the time of `train` alone, without counting words."""
    from gensim.models import Word2Vec
    from gensim.models.word2vec import LineSentence

    source: Any = {"corpus_file": corpus} if mode == "corpus_file" else {"corpus_iterable": LineSentence(corpus)}
    model = Word2Vec(
        vector_size=dim,
        window=5,
        min_count=5,
        negative=5,
        sample=1e-3,
        ns_exponent=0.75,
        sg=sg,
        alpha=0.025 if sg else 0.05,
        min_alpha=1e-4,
        epochs=epochs,
        seed=seed,
        workers=threads,
    )
    model.build_vocab(**source)
    sizes = {"total_examples": model.corpus_count, "total_words": model.corpus_total_words}
    seconds, _ = _timed(lambda: model.train(**source, epochs=epochs, **sizes))
    model.wv.save_word2vec_format(out, binary=True)
    return {"raw_words": model.corpus_total_words * epochs, "seconds": seconds, "tokens": len(model.wv)}


def fasttext_train(corpus: str, epochs: int, threads: int) -> Result:
    """Train with fastText without subwords; `seconds` includes reading and counting."""
    import fasttext

    options = {"model": "skipgram", "dim": 100, "ws": 5, "neg": 5, "minCount": 5, "t": 1e-3, "minn": 0, "maxn": 0, "lr": 0.025}
    seconds, model = _timed(lambda: fasttext.train_unsupervised(corpus, epoch=epochs, thread=threads, verbose=0, **options))
    return {"seconds": seconds, "tokens": len(model.get_words())}


def evaluate(vectors: str, similarity: dict[str, str], analogy: str) -> Result:
    """Score vectors of any tool with the same code, ignoring case."""
    from lexloom import WordPolicy, evaluate_analogy, evaluate_similarity, load_vectors

    table, policy = load_vectors(vectors), WordPolicy(ignore_case=True)
    scores = {name: evaluate_similarity(table, file, policy=policy, resamples=0).spearman for name, file in similarity.items()}
    questions = evaluate_analogy(table, analogy, policy=policy).total
    return {"scores": {**scores, "Google analogies": questions.accuracy}, "covered": questions.covered, "tokens": len(table)}


def nearest(vectors: str, word: str, k: int) -> Result:
    """Return the nearest neighbours of a word."""
    from lexloom import load_vectors, neighbors

    return {"words": [neighbor.token for neighbor in neighbors(load_vectors(vectors), word, k)]}


# ---- classifiers ---------------------------------------------------------------------------------------------------------------------


def fasttext_classifier(corpus: str, out: str, dim: int, ngrams: int, threads: int, seed: int = 0, test: str | None = None) -> Result:
    """Train fastText's classifier, save it, and test it; the speed is the one that fastText prints, of the training alone."""
    import fasttext

    options = {"dim": dim, "wordNgrams": ngrams, "bucket": 2_000_000, "epoch": 5, "lr": 0.5, "thread": threads, "seed": seed}
    with tempfile.TemporaryFile() as log:
        stderr = os.dup(2)
        os.dup2(log.fileno(), 2)
        try:
            model = fasttext.train_supervised(input=corpus, verbose=2, **options)
        finally:
            os.dup2(stderr, 2)
        log.seek(0)
        speeds = re.findall(rb"words/sec/thread:\s+(\d+)", log.read())
    model.save_model(out)
    accuracy = None if test is None else model.test(test)[1]
    return {"words_per_second": int(speeds[-1]) * threads, "accuracy": accuracy}


def fasttext_predict(model: str, text: str) -> Result:
    """Load a fastText classifier, and label the lines of a file."""
    import fasttext

    lines = Path(text).read_text(encoding="utf-8").splitlines()
    labels, _ = fasttext.load_model(model).predict(lines)
    return {"lines": len(labels)}


# ---- queries and loading -------------------------------------------------------------------------------------------------------------


def write_tables(text: str, binary: str, size: int, dim: int) -> Result:
    """Write random vectors in word2vec's text and binary formats."""
    import numpy as np

    matrix = np.random.default_rng(1).standard_normal((size, dim), np.float32)
    with Path(text).open("w") as words, Path(binary).open("wb") as rows:
        words.write(f"{size} {dim}\n")
        rows.write(f"{size} {dim}\n".encode())
        for number, row in enumerate(matrix):
            words.write(f"word{number} {' '.join(map(str, row.tolist()))}\n")
            rows.write(f"word{number} ".encode() + row.tobytes() + b"\n")
    return {}


def gensim_load(path: str, binary: bool) -> Result:
    """Time loading a file with gensim."""
    from gensim.models import KeyedVectors

    seconds, table = _timed(lambda: KeyedVectors.load_word2vec_format(path, binary=binary))
    return {"seconds": seconds, "tokens": len(table)}


def lexloom_load(path: str) -> Result:
    """Time loading a file with lexloom."""
    from lexloom import load_vectors

    seconds, table = _timed(lambda: load_vectors(path))
    return {"seconds": seconds, "tokens": len(table)}


def gensim_queries(path: str, queries: int, singles: int) -> Result:
    """Time calls of `most_similar`, one query each."""
    from gensim.models import KeyedVectors

    table = KeyedVectors.load_word2vec_format(path, binary=True)
    step = len(table) // queries
    table.most_similar("word1")  # computes the norms
    seconds, answers = _timed(lambda: [table.most_similar(f"word{step * n}", topn=10) for n in range(queries)])
    one = sorted(_timed(partial(table.most_similar, f"word{step * n + 1}", topn=10))[0] for n in range(singles))
    return {"seconds": seconds, "single": one[singles // 2], "first": [[word for word, _ in answer] for answer in answers[:20]]}


def lexloom_queries(path: str, queries: int, singles: int) -> Result:
    """Time a batch of queries, and single queries."""
    from lexloom import load_vectors, neighbors
    from lexloom.vectors.search import neighbors_batch

    table = load_vectors(path)
    step = len(table) // queries
    neighbors(table, "word1")  # computes the norms
    seconds, answers = _timed(lambda: neighbors_batch(table, [f"word{step * n}" for n in range(queries)], 10))
    one = sorted(_timed(partial(neighbors, table, f"word{step * n + 1}", 10))[0] for n in range(singles))
    return {"seconds": seconds, "single": one[singles // 2], "first": [[found[0] for found in answer] for answer in answers[:20]]}


# ---- language models -----------------------------------------------------------------------------------------------------------------


def bare_train(text: str, loop: dict[str, Any], threads: int, valid: str | None = None) -> Result:
    """Train the model of a `Loop` in the bare PyTorch loop."""
    from benchmarks.bare import train
    from benchmarks.loop import Loop

    return train(text, Loop(**loop), threads, valid)


def train_in_turns(text: str, loop: dict[str, Any], threads: int) -> Result:
    """Train the model of a `Loop` with lexloom, and after each epoch train one in the bare PyTorch loop.

    The speed of a machine varies more from run to run than the two differ; taking turns gives both the same conditions.
    """
    from benchmarks.bare import Training
    from benchmarks.loop import Loop
    from lexloom import (
        EmbeddingConfig,
        LanguageModelConfig,
        LanguageModelOptions,
        LanguageTokenizerConfig,
        RecurrentConfig,
        TrainingConfig,
        WindowConfig,
        train_language_model,
    )
    from lexloom.training.reporter import Reporter

    shared = Loop(**loop)
    bare, ours, theirs = Training(text, shared), [], []

    def epoch(record: dict[str, Any]) -> None:
        ours.append(record["tokens_per_second"])
        tokens, seconds, _loss = bare.epoch()
        theirs.append(tokens / seconds)

    options = LanguageModelOptions(
        model=LanguageModelConfig(level=shared.level),
        embedding=EmbeddingConfig(embedding=shared.embedding),
        recurrent=RecurrentConfig(cell=shared.cell, hidden_size=shared.hidden_size, num_layers=shared.num_layers),
        windows=WindowConfig(shared.batch_size, shared.bptt, shared.windows, shared.random_offset),
        training=TrainingConfig(
            epochs=shared.epochs,
            optimizer="sgd",
            learning_rate=shared.learning_rate,
            clip=shared.clip,
            seed=shared.seed,
            threads=threads,
            accelerator="cpu",
        ),
        tokenizer=LanguageTokenizerConfig("whitespace" if shared.level == "word" else "characters"),
    )
    model = train_language_model(text, options, valid="none", reporter=Reporter(epoch=epoch))
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if parameters != bare.parameters():
        raise RuntimeError(f"not the same model: {parameters} and {bare.parameters()} parameters")
    return {"ours": ours[1:], "theirs": theirs[1:]}  # the first epoch is a warm-up


def generate(model: str, prompt: str, length: int, temperature: float) -> Result:
    """Continue a prompt on one core; the time includes reading the prompt, but not loading the model."""
    if hasattr(os, "sched_setaffinity"):  # before NumPy counts the cores
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    from lexloom import SamplingConfig, load_model, write_text_from
    from lexloom.training.processor import processor

    with processor(1):
        network = load_model(model, "language-model")
        "".join(write_text_from(network, prompt, length=10))  # allocates
        sampling = SamplingConfig(temperature=temperature)
        seconds, text = _timed(lambda: "".join(write_text_from(network, prompt, sampling, length=length)))
    return {"seconds": seconds, "characters": len(text), "text": prompt + text[:200]}


JOBS: dict[str, Callable[..., Result]] = {
    name: job for name, job in list(vars().items()) if isinstance(job, FunctionType) and not name.startswith("_")
}

if __name__ == "__main__":
    print(json.dumps(JOBS[sys.argv[1]](**json.loads(sys.argv[2]))))
