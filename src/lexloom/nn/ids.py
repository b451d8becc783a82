"""Checks of the ids that a layer gets, and word dropout."""

import torch
from torch import Tensor

from lexloom.errors import ConfigError, InputError
from lexloom.options import check_share


def drop_words(ids: Tensor, share: float, unk_id: int | None, padding_idx: int | None) -> Tensor:
    """Replace a random share of the ids, int64 (...), by `unk_id`, never padding (word dropout: Iyyer et al. 2015, Bowman et al. 2016)."""
    if unk_id is None:
        return ids
    dropped = torch.rand(ids.shape, device=ids.device) < share
    if padding_idx is not None:
        dropped &= ids != padding_idx
    return ids.masked_fill(dropped, unk_id)


def refuse_unknown_ids(ids: Tensor, size: int) -> None:
    """Check that all ids are from 0 to V - 1.

    Raises:
        InputError: one is not.
    """
    if ids.numel():
        for number in ids.aminmax():
            if not 0 <= int(number) < size:
                raise InputError(
                    f"id {int(number)} is out of range: the vocabulary has {size} tokens, ids 0 to {size - 1}; "
                    "encode the text with the vocabulary of this model"
                )


def check_on_device(ids: Tensor, size: int) -> None:
    """Check ids on an accelerator, where an invalid id would end the process later and elsewhere. On a CPU the lookup itself refuses it.

    Raises:
        InputError: an id is outside 0 to V - 1.
    """
    if not (ids.is_cpu or ids.is_meta or torch.compiler.is_compiling()):
        refuse_unknown_ids(ids, size)


def check_word_dropout(word_dropout: float, unk_id: int | None, size: int) -> None:
    """Check the options of word dropout.

    Raises:
        ConfigError: the share is out of range, or there is no id below V as the replacement.
    """
    check_share("word_dropout", word_dropout)
    if word_dropout and unk_id is None:
        raise ConfigError(f"word_dropout is {word_dropout}, but there is no token to replace words by; give unk_id")
    if unk_id is not None and not 0 <= unk_id < size:
        raise ConfigError(f"unk_id is {unk_id}: expected an id from 0 to {size - 1}")


def padding_row(padding_idx: int | None, size: int) -> int | None:
    """Return a padding id as a number from 0 to V - 1; as in torch, a negative one counts from the end.

    Raises:
        ConfigError: it is not from -V to V - 1.
    """
    if padding_idx is None:
        return None
    if not -size <= padding_idx < size:
        raise ConfigError(f"padding_idx is {padding_idx}: expected an id from 0 to {size - 1}, or from {-size} to -1, counted from the end")
    return padding_idx % size
