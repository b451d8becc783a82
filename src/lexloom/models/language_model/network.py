"""The recurrent language model (Mikolov et al. 2010; Zaremba et al. 2014; Merity et al. 2018): embedding, recurrent layers, softmax."""

import dataclasses
from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor

from lexloom.decoding.step import Step, StepFunction
from lexloom.model_folder import Saved
from lexloom.models.language_model.options import LanguageModelOptions
from lexloom.nn.dropout import LockedDropout
from lexloom.nn.embedding import Embedding, OneHot, make_embedding
from lexloom.nn.ids import check_on_device, refuse_unknown_ids
from lexloom.nn.recurrent import Recurrent
from lexloom.nn.softmax import AdaptiveSoftmax, FullSoftmax
from lexloom.options import restore
from lexloom.text.tokenizers import TextTokenizer
from lexloom.text.vocabulary import Vocabulary
from lexloom.training.model import Model
from lexloom.training.trainable import Outcome, State
from lexloom.vectors.matching import Coverage


class LanguageModel(Model):
    """A recurrent network that predicts the next token of a stream.

    Attributes:
        config: the options, with the defaults that depend on others filled in.
        embedding: ids (B, T) to (B, T, E).
        recurrent: (B, T, E) to (B, T, D).
        output: the softmax.
        coverage: the share of the vocabulary that the pre-trained vectors cover; None without vectors.
    """

    kind: ClassVar[str] = "language-model"

    def __init__(
        self, options: LanguageModelOptions, vocabulary: Vocabulary, tokenizer: TextTokenizer, *, generator: torch.Generator | None = None
    ) -> None:
        """Make an untrained model.

        Args:
            options: all options.
            vocabulary: V tokens, special tokens unk and eos among them.
            tokenizer: how text is split.
            generator: initialises the embedding; other parameters come from torch's global generator.
        """
        super().__init__(vocabulary, tokenizer)
        config, recurrent = options.model, options.recurrent
        dim = options.embedding.embedding_dim or recurrent.hidden_size
        self.embedding: Embedding | OneHot
        self.coverage: Coverage | None
        generator = generator or torch.Generator().manual_seed(torch.initial_seed() % (1 << 62))
        self.embedding, self.coverage = make_embedding(options.embedding, vocabulary, embedding_dim=dim, generator=generator)
        if recurrent.layer_dropout is None:
            recurrent = dataclasses.replace(recurrent, layer_dropout=config.dropout)
        self.recurrent = Recurrent(self.embedding.embedding_dim, recurrent)
        self.input_dropout = LockedDropout(config.dropout if config.input_dropout is None else config.input_dropout)
        self.output_dropout = LockedDropout(config.dropout if config.output_dropout is None else config.output_dropout)
        size, hidden = len(vocabulary), self.recurrent.output_size
        self.output: FullSoftmax | AdaptiveSoftmax
        if config.softmax == "adaptive":
            self.output = AdaptiveSoftmax(hidden, size, config.cutoffs or _cutoffs(size), config.div_value)
        else:
            tied = (lambda: cast(Embedding, self.embedding).matrix) if config.softmax == "tied" else None
            self.output = FullSoftmax(hidden, size, tied, config.num_sampled)
        embedding = dataclasses.replace(options.embedding, embedding_dim=self.embedding.embedding_dim)
        self.config = dataclasses.replace(options, embedding=embedding, recurrent=recurrent)

    def hidden(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run the embedding and the recurrent layers.

        Args:
            inputs: int64 (B, T).
            state: after the previous window. Default: zeros.

        Returns:
            The outputs of the last layer (B, T, D), and the state after them.
        """
        out, state = self.recurrent(self.input_dropout(self.embedding(inputs)), state)
        return out, state

    def measure(self, batch: Any, state: State | None = None) -> Outcome:
        """Measure how well the next tokens of a window are predicted.

        Args:
            batch: `inputs` and `targets`, int64 (B, T); `fresh`, whether the state starts from zero; `scored`, the number of targets.
            state: after the previous window.

        Returns:
            The loss is the negative log-likelihood in nats plus the penalties; the metric `loss` is the likelihood term alone.
        """
        out, after = self.hidden(batch.inputs, None if batch.fresh else state)
        dropped = self.output_dropout(out)
        total = self.output.loss(dropped.flatten(0, 1), batch.targets.flatten())
        loss, config = total, self.config.model
        if config.activation_penalty:
            loss = loss + batch.scored * config.activation_penalty * dropped.float().square().mean()
        if config.temporal_penalty and out.shape[1] > 1:
            loss = loss + batch.scored * config.temporal_penalty * (out[:, 1:] - out[:, :-1]).float().square().mean()
        state = tuple(tensor.detach() for tensor in after)
        return Outcome(loss, batch.scored, {"loss": (total.detach(), batch.scored)}, state)

    @torch.no_grad()
    def stepper(self) -> StepFunction:
        """Return a function that reads one token per row and scores the next one.

        The model must be in evaluation mode, and the function must be called without gradients. It holds copies of some weights, so these
        must not change while it is in use.
        """
        size = len(self.vocabulary)
        rows = None
        if size <= self.recurrent.config.hidden_size:  # few enough to prepare the rows of all tokens
            rows = self.embedding(torch.arange(size, device=next(self.parameters()).device))
        take, score = self.recurrent.stepper(rows), self.output.scorer()

        def step(tokens: Tensor, state: State) -> Step:
            check_on_device(tokens, size)
            try:
                out, after = take(self.embedding(tokens) if rows is None else tokens, state)
            except IndexError:
                refuse_unknown_ids(tokens, size)
                raise
            return Step(score(out), after)

        return step

    def initial_state(self, rows: int) -> State:
        """Return the state before the first token: zeros."""
        return self.recurrent.initial_state(rows)

    @classmethod
    def build(cls, saved: Saved) -> Self:
        """Make the network of a model folder."""
        options = restore(LanguageModelOptions, saved.options)
        return cls(dataclasses.replace(options, embedding=options.embedding.settled()), saved.vocabulary, saved.tokenizer)


def _cutoffs(size: int) -> tuple[int, ...]:
    """Put the cutoffs at a fifth and three fifths of V, which are 2,000 and 6,000 of the 10,000 words of the Penn Treebank."""
    return tuple(cut for cut in sorted({size // 5, 3 * size // 5}) if 0 < cut < size)
