"""The embedding layer: from ids to rows, random or pre-trained, frozen or trained, or to one-hot vectors."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from lexloom.errors import ConfigError
from lexloom.nn.dropout import EmbeddingDropout
from lexloom.nn.embedding_config import EmbeddingConfig, check_rows
from lexloom.nn.ids import check_on_device, check_word_dropout, drop_words, padding_row, refuse_unknown_ids
from lexloom.text.vocabulary import Vocabulary
from lexloom.vectors.matching import Coverage, load_matching

__all__ = ["Embedding", "EmbeddingConfig", "OneHot", "initial_rows", "make_embedding"]


def make_embedding(
    config: EmbeddingConfig, vocabulary: Vocabulary, *, embedding_dim: int, padding_idx: int | None = None, generator: torch.Generator
) -> tuple["Embedding | OneHot", Coverage | None]:
    """Make the layer that a configuration describes.

    Args:
        config: the options.
        vocabulary: V tokens.
        embedding_dim: the length of a row if neither the configuration nor vectors determine it.
        padding_idx: the id of padding, whose row stays zero.
        generator: the source of random rows, on the CPU.

    Returns:
        The layer, and the coverage of the vocabulary if there are vectors.

    Raises:
        ConfigError: embedding_dim is not that of the vectors or of one-hot input.
        InputError, FormatError: the vectors cannot be read.
    """
    size, unk_id = len(vocabulary), vocabulary.unk_id
    if config.embedding == "one-hot":
        if config.embedding_dim not in (None, size):
            raise ConfigError(
                f"embedding_dim is {config.embedding_dim}, but one-hot input is as long as the vocabulary, {size}; leave it out"
            )
        return OneHot(size, padding_idx=padding_idx, unk_id=unk_id, word_dropout=config.word_dropout), None
    coverage, frozen = None, None
    if config.vectors is None:
        weight = initial_rows(config, size, config.embedding_dim or embedding_dim, generator)
    else:
        rows, has_vector, coverage = load_matching(
            config.vectors, vocabulary, missing=config.missing, normal=lambda shape: torch.empty(shape).normal_(generator=generator).numpy()
        )
        weight, known = torch.from_numpy(rows), torch.from_numpy(has_vector)
        if config.embedding_dim not in (None, weight.shape[1]):
            raise ConfigError(
                f"embedding_dim is {config.embedding_dim}, but the vectors in {config.vectors} have {weight.shape[1]} numbers per row; "
                "leave it out, or give other vectors"
            )
        deviation = float(weight[known].std(correction=0)) if bool(known.any()) else 0.0
        if config.chosen_vectors_std is not None and deviation:
            weight *= config.chosen_vectors_std / deviation
        frozen = known if config.freeze else None
    layer = Embedding(
        *weight.shape,
        padding_idx=padding_idx,
        max_norm=config.max_norm,
        norm_type=config.norm_type,
        scale_grad_by_freq=config.scale_grad_by_freq,
        sparse=config.sparse,
        weight=weight,
        frozen=frozen,
        unfreeze_epoch=config.unfreeze_epoch,
        unk_id=unk_id,
        word_dropout=config.word_dropout,
        embedding_dropout=config.embedding_dropout,
    )
    return layer, coverage


def initial_rows(config: EmbeddingConfig, num_embeddings: int, embedding_dim: int, generator: torch.Generator) -> Tensor:
    """Draw the initial rows (V, E) of a configuration without vectors."""
    rows = torch.empty(num_embeddings, embedding_dim, device=generator.device)
    scale = config.initialization_scale
    if config.initialization == "normal":
        return nn.init.normal_(rows, std=scale, generator=generator)
    if config.initialization == "uniform":
        return nn.init.uniform_(rows, -scale, scale, generator=generator)
    return nn.init.xavier_uniform_(rows, gain=scale, generator=generator)  # Glorot and Bengio 2010


class Embedding(nn.Module):
    """A matrix of V rows, looked up by id: everything that `torch.nn.Embedding` does, and rows that can be frozen.

    A frozen row is not in the parameter, so no optimizer can reach it, whatever its momentum or weight decay. `matrix` has all rows.

    Attributes:
        weight: the parameter (V, E); zero in the frozen rows.
        fixed: (F, E), the frozen rows; None if there are none.
        fixed_ids: int64 (F,), their ids.
        num_embeddings: V.
        embedding_dim: E.
        padding_idx: the id whose row is zero and stays so, from 0 to V - 1, or None.
    """

    fixed: Tensor | None
    fixed_ids: Tensor | None
    _place: Tensor | None  # int64 (V,): the place of an id in `fixed`, -1 if its row is trained

    def __init__(
        self,
        num_embeddings: int,
        embedding_dim: int,
        *,
        padding_idx: int | None = None,
        max_norm: float | None = EmbeddingConfig.max_norm,
        norm_type: float = EmbeddingConfig.norm_type,
        scale_grad_by_freq: bool = EmbeddingConfig.scale_grad_by_freq,
        sparse: bool = EmbeddingConfig.sparse,
        weight: Tensor | np.ndarray | None = None,
        frozen: Tensor | np.ndarray | bool | None = None,
        unfreeze_epoch: int | None = EmbeddingConfig.unfreeze_epoch,
        unk_id: int | None = None,
        word_dropout: float = EmbeddingConfig.word_dropout,
        embedding_dropout: float = EmbeddingConfig.embedding_dropout,
    ) -> None:
        """Make the layer.

        Args:
            num_embeddings: V.
            embedding_dim: E.
            padding_idx: its row is zero and never trained; from -V to V - 1.
            max_norm: see `EmbeddingConfig`. Frozen rows are rescaled once, here.
            norm_type: see there.
            scale_grad_by_freq: see there.
            sparse: see there.
            weight: initial rows (V, E), copied; standard normal by default.
            frozen: bool (V,), the rows to freeze, or True for all.
            unfreeze_epoch: see there.
            unk_id: the id that replaces dropped words.
            word_dropout: see there.
            embedding_dropout: see there; one mask per call (Merity et al. 2018).

        Raises:
            ConfigError: an option is out of range, has a wrong shape, or conflicts with another.
        """
        super().__init__()
        if num_embeddings < 1 or embedding_dim < 1:
            raise ConfigError(f"an embedding of {num_embeddings} rows of {embedding_dim} numbers: expected at least 1 of each")
        check_rows(max_norm, norm_type, scale_grad_by_freq, sparse, embedding_dropout)
        check_word_dropout(word_dropout, unk_id, num_embeddings)
        self.num_embeddings, self.embedding_dim = num_embeddings, embedding_dim
        self.padding_idx = padding_row(padding_idx, num_embeddings)
        self.max_norm, self.norm_type = max_norm, norm_type
        self.scale_grad_by_freq, self.sparse = scale_grad_by_freq, sparse
        self.unfreeze_epoch = unfreeze_epoch
        self.unk_id, self.word_dropout = unk_id, word_dropout
        self.dropout = EmbeddingDropout(embedding_dropout) if embedding_dropout else None
        rows = torch.randn(num_embeddings, embedding_dim) if weight is None else _copied(weight, (num_embeddings, embedding_dim))
        if self.padding_idx is not None:
            rows[self.padding_idx] = 0
        for name in ("fixed", "fixed_ids"):
            self.register_buffer(name, None)
        self.register_buffer("_place", None, persistent=False)
        ids = _frozen_ids(frozen, num_embeddings).to(rows.device)
        if len(ids):
            fixed = rows[ids]
            if max_norm is not None:
                torch.embedding_renorm_(fixed, torch.arange(len(ids), device=rows.device), max_norm, norm_type)
            rows[ids] = 0
            self._hold(ids, fixed)
        self.weight = nn.Parameter(rows)

    def forward(self, ids: Tensor) -> Tensor:
        """Look up rows.

        Args:
            ids: int64 (...).

        Returns:
            (..., E).

        Raises:
            InputError: an id is not below V.
        """
        if self.sparse and ids.ndim == 0:  # torch's own sparse gradient does not support it
            return self.forward(ids.unsqueeze(0))[0]
        if self.training and self.word_dropout:
            ids = drop_words(ids, self.word_dropout, self.unk_id, self.padding_idx)
        check_on_device(ids, self.num_embeddings)
        try:
            rows = nn.functional.embedding(
                ids, self.weight, self.padding_idx, self.max_norm, self.norm_type, self.scale_grad_by_freq, self.sparse
            )
        except IndexError:
            refuse_unknown_ids(ids, self.num_embeddings)
            raise
        if self.fixed is not None and self._place is not None:
            place = self._place[ids]
            held = nn.functional.embedding(place.clamp(min=0), self.fixed)  # five times as fast as self.fixed[...]
            rows = torch.where((place < 0).unsqueeze(-1), rows, held)
        return rows if self.dropout is None else self.dropout(rows, ids, self.num_embeddings)

    @property
    def matrix(self) -> Tensor:
        """All rows, (V, E), as a lookup without dropout would give them; gradients reach the trained ones.

        Raises:
            ConfigError: gradients are enabled, but those of the lookup are sparse and cannot be added to dense ones.
        """
        if self.sparse and torch.is_grad_enabled():
            raise ConfigError("sparse is set, but tied output weights have dense gradients; leave out sparse, or do not tie them")
        if self.fixed is not None and self.fixed_ids is not None:
            rows = self.weight.index_copy(0, self.fixed_ids, self.fixed)
        else:
            rows = self.weight
        if self.padding_idx is not None:
            rows = rows.index_fill(0, torch.tensor([self.padding_idx], device=rows.device), 0)
        return rows

    @property
    def frozen(self) -> Tensor:
        """Which rows are frozen, bool (V,)."""
        mask = torch.zeros(self.num_embeddings, dtype=torch.bool, device=self.weight.device)
        if self.fixed_ids is not None:
            mask[self.fixed_ids] = True
        return mask

    def unfreeze(self) -> None:
        """Train all rows from now on. The parameter stays the same object, so optimizers keep it."""
        if self.fixed is not None and self.fixed_ids is not None:
            with torch.no_grad():
                self.weight.index_copy_(0, self.fixed_ids, self.fixed)
        self._hold(None, None)

    def start_epoch(self, epoch: int) -> None:
        """Unfreeze the rows if it is time, at the beginning of an epoch, counted from 1."""
        if self.unfreeze_epoch is not None and epoch >= self.unfreeze_epoch:
            self.unfreeze()

    def settled(self, state: Mapping[str, Tensor], prefix: str = "") -> dict[str, Tensor]:
        """Put the frozen rows of a saved state into the weight, and rescale all rows to `max_norm` as a lookup would.

        Args:
            state: a `state_dict` of a module that contains this layer.
            prefix: the prefix of the layer's names in it.

        Returns:
            The same state without `fixed` and `fixed_ids`: that of a layer in which nothing is frozen.
        """
        settled: dict[str, Any] = dict(state)
        if self.max_norm is not None:
            weight = settled[prefix + "weight"].clone()
            ids = torch.arange(len(weight), device=weight.device)
            settled[prefix + "weight"] = torch.embedding_renorm_(weight, ids, self.max_norm, self.norm_type)
        fixed, ids = settled.pop(prefix + "fixed", None), settled.pop(prefix + "fixed_ids", None)
        if fixed is not None and ids is not None:
            settled[prefix + "weight"] = settled[prefix + "weight"].index_copy(0, ids, fixed)
        return settled

    def extra_repr(self) -> str:
        """Describe the layer in a printed model."""
        parts = [f"{self.num_embeddings}, {self.embedding_dim}"]
        for name in ("padding_idx", "max_norm", "norm_type", "scale_grad_by_freq", "sparse", "word_dropout"):
            value = getattr(self, name)
            if value != getattr(EmbeddingConfig, name, None):
                parts.append(f"{name}={value}")
        if self.fixed is not None:
            parts.append(f"frozen={len(self.fixed)}")
        return ", ".join(parts)

    def _hold(self, ids: Tensor | None, rows: Tensor | None) -> None:
        self.fixed_ids, self.fixed, self._place = ids, rows, None
        if ids is not None:
            self._place = torch.full((self.num_embeddings,), -1, dtype=torch.int64, device=ids.device)
            self._place[ids] = torch.arange(len(ids), device=ids.device)

    def _load_from_state_dict(self, state_dict: Mapping[str, Any], prefix: str, *args: Any) -> None:
        """Take the frozen rows from the state, which may be from before or after they were unfrozen."""
        if prefix + "weight" in state_dict:
            ids, rows = state_dict.get(prefix + "fixed_ids"), state_dict.get(prefix + "fixed")
            if ids is None or rows is None:
                self._hold(None, None)
            else:
                self._hold(ids.to(self.weight.device, copy=True), rows.to(self.weight, copy=True))
        super()._load_from_state_dict(state_dict, prefix, *args)


class OneHot(nn.Module):
    """Ids as one-hot vectors of V numbers, without parameters. Their type is the type that the module is cast to.

    Attributes:
        num_embeddings: V.
        embedding_dim: also V.
        padding_idx: the id whose vector is all 0, from 0 to V - 1, or None.
    """

    one: Tensor

    def __init__(
        self,
        num_embeddings: int,
        *,
        padding_idx: int | None = None,
        unk_id: int | None = None,
        word_dropout: float = EmbeddingConfig.word_dropout,
    ) -> None:
        super().__init__()
        if num_embeddings < 1:
            raise ConfigError(f"one-hot vectors of {num_embeddings} numbers: expected at least 1")
        check_word_dropout(word_dropout, unk_id, num_embeddings)
        self.num_embeddings = self.embedding_dim = num_embeddings
        self.padding_idx = padding_row(padding_idx, num_embeddings)
        self.unk_id, self.word_dropout = unk_id, word_dropout
        self.register_buffer("one", torch.ones(()), persistent=False)  # moved and cast with the module

    def forward(self, ids: Tensor) -> Tensor:
        """Return ids (...), int64, as one-hot vectors (..., V).

        Raises:
            InputError: an id is not below V.
        """
        if self.training and self.word_dropout:
            ids = drop_words(ids, self.word_dropout, self.unk_id, self.padding_idx)
        check_on_device(ids, self.num_embeddings)
        hot = torch.zeros((*ids.shape, self.num_embeddings), dtype=self.one.dtype, device=ids.device)
        try:
            hot.scatter_(-1, ids.unsqueeze(-1), 1)
        except (IndexError, RuntimeError):
            refuse_unknown_ids(ids, self.num_embeddings)
            raise
        if self.padding_idx is not None:
            hot[..., self.padding_idx] = 0
        return hot

    def start_epoch(self, epoch: int) -> None:
        """Do nothing at the beginning of an epoch: there are no rows to unfreeze."""

    def settled(self, state: Mapping[str, Tensor], prefix: str = "") -> dict[str, Tensor]:
        """Return a saved state as it is: nothing in it is frozen."""
        return dict(state)

    def extra_repr(self) -> str:
        """Describe the layer in a printed model."""
        return f"{self.num_embeddings}" + (f", word_dropout={self.word_dropout}" if self.word_dropout else "")


def _copied(weight: Tensor | np.ndarray, shape: tuple[int, int]) -> Tensor:
    """Copy given rows: a tensor keeps its type, an array gets torch's default type."""
    if tuple(weight.shape) != shape:
        raise ConfigError(f"weight has shape {tuple(weight.shape)}: expected {shape}, a row for each id")
    if isinstance(weight, np.ndarray):
        return torch.tensor(weight, dtype=torch.get_default_dtype())
    return weight.detach().clone() if weight.is_floating_point() else weight.to(torch.get_default_dtype())


def _frozen_ids(frozen: Tensor | np.ndarray | bool | None, size: int) -> Tensor:
    if frozen is None or isinstance(frozen, bool):
        return torch.arange(size if frozen else 0)
    mask = torch.as_tensor(frozen)
    if tuple(mask.shape) != (size,) or mask.dtype != torch.bool:
        raise ConfigError(f"frozen is {mask.dtype} {tuple(mask.shape)}: expected a bool for each of the {size} rows, or True for all")
    return mask.nonzero().flatten()
