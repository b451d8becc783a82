"""What a language model writes: continuations of a prompt, and the tokens that are likely to come next."""

from collections.abc import Iterator
from typing import Literal, NamedTuple

import numpy as np
import torch
from torch import Tensor

from lexloom.decoding.sample import generate, most_likely
from lexloom.decoding.sampling_config import SamplingConfig
from lexloom.decoding.step import State
from lexloom.errors import ConfigError, InputError, UnknownWordError
from lexloom.models.language_model import LanguageModel
from lexloom.options import check_choice, check_whole
from lexloom.text.stream import Writer, encode_lines

Unknown = Literal["error", "replace"]


class NextToken(NamedTuple):
    """A token that may come next.

    Attributes:
        token: the token.
        probability: of it, after what came before.
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
    """Continue a prompt. `<unk>` is never written: the other tokens share its chance.

    Args:
        model: a trained model.
        prompt: warms the state up; may be empty.
        sampling: how tokens are chosen.
        length: how many tokens to add at most.
        stop: end once the continuation holds this text; a newline ends with the line.
        unknown: whether parts of the prompt that the model does not know are an error or are replaced by `<unk>`.

    Yields:
        The text that each token adds; the prompt itself is not given again.

    Raises:
        UnknownWordError: the prompt has such parts.
        InputError: the prompt is not text.
        ConfigError: `length` is below 0, `stop` is empty, or there is no such `unknown`.
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
    """List the most likely next tokens, the likeliest first.

    Args:
        model: a trained model.
        prompt: what comes before; may be empty.
        k: how many.
        unknown: as for `write_text_from`.

    Raises:
        UnknownWordError: the prompt has parts that the model does not know.
    """
    model.eval()
    first, state = _warm_up(model, encode_prompt(model, prompt, unknown))
    log_probs = model.stepper()(first, state).log_probs[0]
    return [NextToken(model.vocabulary.tokens[number], probability) for number, probability in most_likely(log_probs, k)]


def encode_prompt(model: LanguageModel, prompt: str, unknown: Unknown) -> np.ndarray:
    """Give the ids that come before the continuation, int64 (n,), n at least 1: an empty prompt is the beginning of a line.

    Words and subwords begin after an end of line too, since that is what they follow in a text; a character may be amid one.

    Raises:
        UnknownWordError: there are unknown parts, and `unknown` is `"error"`.
        InputError: the prompt is not text.
        ConfigError: there is no such `unknown`.
    """
    check_choice("unknown", unknown, Unknown)
    _require_text(prompt)
    vocabulary = model.vocabulary
    ids = encode_lines(prompt, model.tokenizer, vocabulary) if prompt else np.empty(0, np.uint32)
    if unknown == "error" and (ids == vocabulary.unk_id).any():
        place = int(np.flatnonzero(ids == vocabulary.unk_id)[0])
        raise UnknownWordError(
            f"the prompt holds {_unknown_part(model, prompt)!r} (token {place + 1}), which the model does not know; "
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
    """Read all but the last token; returns the last, int64 (1,), and the state before it."""
    tokens = torch.from_numpy(ids)[None].to(next(model.parameters()).device)
    state = model.initial_state(1)
    if tokens.shape[1] > 1:
        _, state = model.hidden(tokens[:, :-1], state)
    return tokens[:, -1], state
