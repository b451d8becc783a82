"""Text from a language model: continuations of a prompt, and the most probable next tokens."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lexloom.decoding.sample import generate, most_likely
from lexloom.decoding.sampling_config import SamplingConfig
from lexloom.decoding.step import State
from lexloom.decoding.writer import Writer
from lexloom.errors import ConfigError, InputError, UnknownWordError
from lexloom.models.language_model.network import LanguageModel
from lexloom.options import check_choice, check_whole
from lexloom.text.documents import encode_lines

Unknown = Literal["error", "replace"]


class NextToken(NamedTuple):
    """A token that may come next.

    Attributes:
        token: the token.
        probability: its probability, given the prompt.
    """

    token: str
    probability: float


def write_text_from(
    model: LanguageModel,
    prompt: str,
    sampling: SamplingConfig | None = None,
    *,
    length: int = 200,
    stop: str | None = None,
    unknown: Unknown = "error",
) -> Iterator[str]:
    """Continue a prompt. `<unk>` is never generated: its probability goes to the other tokens.

    Args:
        model: a trained model.
        prompt: the text to continue; may be empty.
        sampling: how tokens are drawn.
        length: generate at most this many tokens.
        stop: stop when the continuation contains this text.
        unknown: whether out-of-vocabulary parts of the prompt are an error, or are replaced by `<unk>`.

    Yields:
        The text that each token adds, without the prompt.

    Raises:
        UnknownWordError: the prompt has out-of-vocabulary parts, and `unknown` is `"error"`.
        InputError: the prompt is not text.
        ConfigError: `length` is below 0, `stop` is empty, or `unknown` is neither `"error"` nor `"replace"`.
    """
    check_whole("length", length, 0)
    if stop == "":
        raise ConfigError("stop is empty: give a text to stop at, or leave it out")
    model.eval()
    ids = encode_prompt(model, prompt, unknown)
    first, state = _warm_up(model, ids)
    vocabulary = model.vocabulary
    writer = Writer(model.tokenizer, vocabulary, characters=model.config.model.level == "character")
    if prompt:
        writer.write_all(vocabulary.decode(ids))
    tail, reach = "", 0 if stop is None else len(stop)
    drawn = generate(model.stepper(), first, state, sampling or SamplingConfig(), length=length, suppress=[vocabulary.unk_id])
    for token in drawn:
        text = writer.write(vocabulary.tokens[int(token)])
        yield text
        if stop is not None:
            tail = (tail + text)[-(reach + len(text)) :]
            if stop in tail:
                return
    yield writer.finish()


@torch.no_grad()
def next_tokens(model: LanguageModel, prompt: str, k: int = 10, *, unknown: Unknown = "error") -> list[NextToken]:
    """List the most probable next tokens, the most probable first.

    Args:
        model: a trained model.
        prompt: the text before them; may be empty.
        k: number of tokens.
        unknown: as for `write_text_from`.

    Raises:
        UnknownWordError, InputError: as for `write_text_from`.
        ConfigError: `k` is below 1.
    """
    model.eval()
    first, state = _warm_up(model, encode_prompt(model, prompt, unknown))
    log_probs = model.stepper()(first, state).log_probs[0]
    return [NextToken(model.vocabulary.tokens[number], probability) for number, probability in most_likely(log_probs, k)]


def encode_prompt(model: LanguageModel, prompt: str, unknown: Unknown) -> np.ndarray:
    """Encode a prompt, int64 (n,) with n of at least 1: an empty prompt is the beginning of a line.

    A prompt of words or subwords is taken for the beginning of a line too; a prompt of characters may begin within one.

    Raises:
        UnknownWordError, InputError, ConfigError: as for `write_text_from`.
    """
    check_choice("unknown", unknown, Unknown)
    _require_text(prompt)
    vocabulary = model.vocabulary
    ids = encode_lines(prompt, model.tokenizer, vocabulary) if prompt else np.empty(0, np.uint32)
    if unknown == "error" and (ids == vocabulary.unk_id).any():
        place = int(np.flatnonzero(ids == vocabulary.unk_id)[0])
        raise UnknownWordError(
            f"the prompt has {_unknown_part(model, prompt)!r} (token {place + 1}), which is out of vocabulary; "
            "give --unknown replace to read it as <unk>"
        )
    if not len(ids) or model.config.model.level != "character":
        ids = np.concatenate([[np.uint32(vocabulary.eos_id)], ids])
    return ids.astype(np.int64)


def _require_text(prompt: object) -> None:
    if not isinstance(prompt, str):
        raise InputError(f"the prompt is {type(prompt).__name__}, expected str")
    try:
        prompt.encode()
    except UnicodeEncodeError as error:
        raise InputError(f"the prompt is not valid UTF-8 from its character {error.start + 1} on; give it as UTF-8") from None


def _unknown_part(model: LanguageModel, prompt: str) -> str:
    import polars as pl

    if model.tokenizer.closed:
        return prompt
    tokens = model.tokenizer.split(pl.Series(prompt.split("\n"), dtype=pl.String)).explode().to_list()
    return next((token for token in tokens if token is not None and token not in model.vocabulary), prompt)


@torch.no_grad()
def _warm_up(model: LanguageModel, ids: np.ndarray) -> tuple[Tensor, State]:
    """Read all tokens but the last; returns the last one, int64 (1,), and the state before it."""
    tokens = torch.from_numpy(ids)[None].to(next(model.parameters()).device)
    state = model.initial_state(1)
    if tokens.shape[1] > 1:
        _, state = model.hidden(tokens[:, :-1], state)
    return tokens[:, -1], state
