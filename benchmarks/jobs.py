"""The jobs that run in a process of their own: `python -m benchmarks.jobs NAME JSON`. Each returns what goes out as JSON.

A job imports only what it measures, so that neither side pays for the other.
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
    """Train with gensim from text to a saved word2vec file; `seconds` is its `train` alone, without counting words."""
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
    """Train with fastText without subwords; `seconds` holds reading and counting too."""
    import fasttext

    options = {"model": "skipgram", "dim": 100, "ws": 5, "neg": 5, "minCount": 5, "t": 1e-3, "minn": 0, "maxn": 0, "lr": 0.025}
    seconds, model = _timed(lambda: fasttext.train_unsupervised(corpus, epoch=epochs, thread=threads, verbose=0, **options))
    return {"seconds": seconds, "tokens": len(model.get_words())}


def torch_train(corpus: str, threads: int, batches: int) -> Result:
    """Train a plain PyTorch loop in the manner of the d2l book: pairs of one reach in batches of 512, dense Adam."""
    import numpy as np
    import torch
    from torch.nn.functional import logsigmoid

    torch.set_num_threads(threads)
    rows: dict[str, int] = {}
    ids = np.array([rows.setdefault(word, len(rows)) for word in Path(corpus).read_text(encoding="utf-8").split()])
    size, window, batch = len(rows), 5, 512
    random = np.random.default_rng(1)
    noise = np.bincount(ids).astype(float) ** 0.75
    inputs, outputs = torch.nn.Embedding(size, 100), torch.nn.Embedding(size, 100)
    optimizer = torch.optim.Adam([*inputs.parameters(), *outputs.parameters()])
    draws = random.choice(size, (batches, batch, 5), p=noise / noise.sum())
    signs = torch.tensor([1.0, *[-1.0] * 5])

    def step(number: int) -> None:
        positions = random.integers(window, len(ids) - window, batch)
        reach = random.integers(1, window + 1, batch) * random.choice([-1, 1], batch)
        targets = np.concatenate([ids[positions + reach][:, None], draws[number]], axis=1)
        scores = torch.einsum("be,bke->bk", inputs(torch.from_numpy(ids[positions])), outputs(torch.from_numpy(targets)))
        optimizer.zero_grad()
        (-logsigmoid(scores * signs).mean()).backward()
        optimizer.step()

    step(0)  # allocates
    started = time.perf_counter()
    for number in range(batches):
        step(number)
    seconds = time.perf_counter() - started
    return {"raw_words": batches * batch / (window + 1), "seconds": seconds}  # a centre has about window + 1 pairs


def evaluate(vectors: str, similarity: dict[str, str], analogy: str) -> Result:
    """Score vectors of either tool with the same code, everything folded to lower case."""
    from lexloom.vectors.evaluate import evaluate_analogy, evaluate_similarity
    from lexloom.vectors.formats import load_vectors

    table = load_vectors(vectors)
    scores = {name: evaluate_similarity(table, file, ignore_case=True, resamples=1).spearman for name, file in similarity.items()}
    questions = evaluate_analogy(table, analogy, ignore_case=True).total
    return {"scores": {**scores, "Google analogies": questions.accuracy}, "covered": questions.covered, "tokens": len(table)}


def nearest(vectors: str, word: str, k: int) -> Result:
    """Name the words closest to a word."""
    from lexloom.vectors.formats import load_vectors
    from lexloom.vectors.search import neighbors

    return {"words": [neighbor.token for neighbor in neighbors(load_vectors(vectors), word, k)]}


# ---- classifiers ---------------------------------------------------------------------------------------------------------------------


def fasttext_classifier(corpus: str, out: str, dim: int, ngrams: int, threads: int, seed: int = 0, test: str | None = None) -> Result:
    """Train fastText's classifier, save it, and test it; the speed is its own figure, of training alone."""
    import fasttext

    options = {"dim": dim, "wordNgrams": ngrams, "bucket": 2_000_000, "epoch": 5, "lr": 0.5, "thread": threads, "seed": seed}
    with tempfile.TemporaryFile() as told:
        screen = os.dup(2)
        os.dup2(told.fileno(), 2)
        try:
            model = fasttext.train_supervised(input=corpus, verbose=2, **options)
        finally:
            os.dup2(screen, 2)
        told.seek(0)
        speeds = re.findall(rb"words/sec/thread:\s+(\d+)", told.read())
    model.save_model(out)
    accuracy = None if test is None else model.test(test)[1]
    return {"words_per_second": int(speeds[-1]) * threads, "accuracy": accuracy}


def fasttext_predict(model: str, text: str) -> Result:
    """Load a classifier of fastText and let it label the lines of a file."""
    import fasttext

    lines = Path(text).read_text(encoding="utf-8").splitlines()
    labels, _ = fasttext.load_model(model).predict(lines)
    return {"lines": len(labels)}


# ---- queries and loading -------------------------------------------------------------------------------------------------------------


def write_tables(text: str, binary: str, size: int, dim: int) -> Result:
    """Write a table of random vectors as word2vec text and binary."""
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
    """Time gensim's reading of a file."""
    from gensim.models import KeyedVectors

    seconds, table = _timed(lambda: KeyedVectors.load_word2vec_format(path, binary=binary))
    return {"seconds": seconds, "tokens": len(table)}


def lexloom_load(path: str) -> Result:
    """Time lexloom's reading of a file."""
    from lexloom.vectors.formats import load_vectors

    seconds, table = _timed(lambda: load_vectors(path))
    return {"seconds": seconds, "tokens": len(table)}


def gensim_queries(path: str, queries: int, singles: int) -> Result:
    """Time `most_similar` one by one."""
    from gensim.models import KeyedVectors

    table = KeyedVectors.load_word2vec_format(path, binary=True)
    step = len(table) // queries
    table.most_similar("word1")  # computes the norms
    seconds, answers = _timed(lambda: [table.most_similar(f"word{step * n}", topn=10) for n in range(queries)])
    one = sorted(_timed(partial(table.most_similar, f"word{step * n + 1}", topn=10))[0] for n in range(singles))
    return {"seconds": seconds, "single": one[singles // 2], "first": [[word for word, _ in answer] for answer in answers[:20]]}


def lexloom_queries(path: str, queries: int, singles: int) -> Result:
    """Time a batch of queries, and single ones."""
    from lexloom.vectors.formats import load_vectors
    from lexloom.vectors.search import neighbors, neighbors_batch

    table = load_vectors(path)
    step = len(table) // queries
    neighbors(table, "word1")  # computes the norms
    seconds, answers = _timed(lambda: neighbors_batch(table, [f"word{step * n}" for n in range(queries)], 10))
    one = sorted(_timed(partial(neighbors, table, f"word{step * n + 1}", 10))[0] for n in range(singles))
    return {"seconds": seconds, "single": one[singles // 2], "first": [[found[0] for found in answer] for answer in answers[:20]]}


# ---- language models -----------------------------------------------------------------------------------------------------------------


def bare_train(text: str, loop: dict[str, Any], threads: int, valid: str | None = None) -> Result:
    """Train the model that a `Loop` describes in a bare PyTorch loop."""
    from benchmarks.bare import train
    from benchmarks.loop import Loop

    return train(text, Loop(**loop), threads, valid)


def train_in_turns(text: str, loop: dict[str, Any], threads: int) -> Result:
    """Train the model that a `Loop` describes with lexloom, and after each of its epochs one in a bare PyTorch loop.

    Runs of their own differ by more than the two do: the clock of a machine wanders, and both have the same one here.
    """
    from benchmarks.bare import Training
    from benchmarks.loop import Loop
    from lexloom import train_language_model
    from lexloom.models.language_model_config import (
        EmbeddingConfig,
        LanguageModelConfig,
        LanguageModelOptions,
        LanguageTokenizerConfig,
        RecurrentConfig,
        WindowConfig,
    )
    from lexloom.training.config import TrainingConfig
    from lexloom.training.reporter import Reporter

    told = Loop(**loop)
    bare, ours, theirs = Training(text, told), [], []

    def epoch(record: dict[str, Any]) -> None:
        ours.append(record["tokens_per_second"])
        tokens, seconds, _loss = bare.epoch()
        theirs.append(tokens / seconds)

    model = train_language_model(
        text,
        LanguageModelOptions(
            LanguageModelConfig(level=told.level),
            EmbeddingConfig(embedding=told.embedding),
            RecurrentConfig(cell=told.cell, hidden_size=told.hidden_size, num_layers=told.num_layers),
        ),
        TrainingConfig(
            epochs=told.epochs,
            optimizer="sgd",
            learning_rate=told.learning_rate,
            clip=told.clip,
            seed=told.seed,
            threads=threads,
            accelerator="cpu",
        ),
        WindowConfig(batch_size=told.batch_size, bptt=told.bptt, windows=told.windows, random_offset=told.random_offset),
        tokenizer=LanguageTokenizerConfig("whitespace") if told.level == "word" else None,
        valid="none",
        reporter=Reporter(epoch=epoch),
    )
    parameters = sum(parameter.numel() for parameter in model.parameters())
    if parameters != bare.parameters():
        raise RuntimeError(f"not the same model: {parameters} and {bare.parameters()} parameters")
    return {"ours": ours[1:], "theirs": theirs[1:]}  # the first epochs warm up


def generate(model: str, prompt: str, length: int, temperature: float) -> Result:
    """Let a language model go on from a prompt, on one core; loading it is not counted, warming its state up is."""
    if hasattr(os, "sched_setaffinity"):  # before NumPy counts the cores
        os.sched_setaffinity(0, {max(os.sched_getaffinity(0))})
    from lexloom.decoding.sampling_config import SamplingConfig
    from lexloom.models.base import load_model
    from lexloom.models.language_model import LanguageModel
    from lexloom.models.writing import write_text_from
    from lexloom.training.processor import processor

    with processor(1):
        writer = load_model(Path(model), LanguageModel)
        "".join(write_text_from(writer, prompt, length=10))  # allocates
        sampling = SamplingConfig(temperature=temperature)
        seconds, text = _timed(lambda: "".join(write_text_from(writer, prompt, sampling, length=length)))
    return {"seconds": seconds, "characters": len(text), "text": prompt + text[:200]}


JOBS: dict[str, Callable[..., Result]] = {
    name: job for name, job in list(vars().items()) if isinstance(job, FunctionType) and not name.startswith("_")
}

if __name__ == "__main__":
    print(json.dumps(JOBS[sys.argv[1]](**json.loads(sys.argv[2]))))
