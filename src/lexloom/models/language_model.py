"""The recurrent language model (Mikolov et al. 2010; Zaremba et al. 2014; Merity et al. 2018): embedding, recurrent layers, softmax."""

import dataclasses
from typing import Any, ClassVar, Self, cast

import torch
from torch import Tensor

from lexloom.decoding.step import Step, StepFunction
from lexloom.models.base import Model, Outcome, State
from lexloom.models.language_model_config import LanguageModelConfig, LanguageModelOptions
from lexloom.nn.dropout import LockedDropout
from lexloom.nn.embedding import Embedding, OneHot, make_embedding
from lexloom.nn.embedding_config import saved_embedding
from lexloom.nn.ids import check_on_device, refuse_unknown_ids
from lexloom.nn.pretrained import Coverage
from lexloom.nn.recurrent import Recurrent
from lexloom.nn.recurrent_config import RecurrentConfig
from lexloom.nn.softmax import AdaptiveSoftmax, FullSoftmax
from lexloom.text.tokenizers import TextTokenizer
from lexloom.text.vocabulary import Vocabulary


class LanguageModel(Model):
    """Predicts the next token of a stream.

    Attributes:
        config: the options, with every default that depends on others filled in.
        embedding: ids (B, T) to (B, T, E).
        recurrent: (B, T, E) to (B, T, D).
        output: the softmax.
        coverage: what the pre-trained vectors knew of the vocabulary; None without.
    """

    kind: ClassVar[str] = "language-model"

    def __init__(
        self, options: LanguageModelOptions, vocabulary: Vocabulary, tokenizer: TextTokenizer, *, generator: torch.Generator | None = None
    ) -> None:
        """Make an untrained model.

        Args:
            options: its shape.
            vocabulary: V tokens with the roles unk and eos.
            tokenizer: how text is split.
            generator: where the embedding's random numbers come from; all others come from torch's own state.
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
            self.output = FullSoftmax(hidden, size, self.embedding_matrix if config.softmax == "tied" else None, config.num_sampled)
        embedding = dataclasses.replace(options.embedding, embedding_dim=self.embedding.embedding_dim)
        self.config = dataclasses.replace(options, embedding=embedding, recurrent=recurrent)

    def embedding_matrix(self) -> Tensor:
        """Give the embedding's rows (V, E), with their gradient; one-hot input has none."""
        return cast(Embedding, self.embedding).matrix

    def hidden(self, inputs: Tensor, state: State | None = None) -> tuple[Tensor, State]:
        """Run the recurrent layers.

        Args:
            inputs: int64 (B, T).
            state: what they carry on; zeros unless given.

        Returns:
            The last layer's outputs (B, T, D), and the state after them.
        """
        out, state = self.recurrent(self.input_dropout(self.embedding(inputs)), state)
        return out, state

    def measure(self, batch: Any, state: State | None = None) -> Outcome:
        """Score the next tokens of a window.

        Args:
            batch: `inputs` and `targets`, int64 (B, T); `fresh`, whether the state begins anew; `scored`, how many targets count.
            state: from the window before.

        Returns:
            The objective: the mean negative log-likelihood in nats, with the penalties. The sum `loss`: the same without them.
        """
        out, after = self.hidden(batch.inputs, None if batch.fresh else state)
        dropped = self.output_dropout(out)
        total = self.output.loss(dropped.flatten(0, 1), batch.targets.flatten())
        objective = total / max(1, batch.scored)
        config = self.config.model
        if config.activation_penalty:
            objective = objective + config.activation_penalty * dropped.float().square().mean()
        if config.temporal_penalty and out.shape[1] > 1:
            objective = objective + config.temporal_penalty * (out[:, 1:] - out[:, :-1]).float().square().mean()
        return Outcome(objective, {"loss": (total.detach(), batch.scored)}, tuple(tensor.detach() for tensor in after))

    @torch.no_grad()
    def stepper(self) -> StepFunction:
        """Give what takes one token a row and says how likely each is to come next; for a model in evaluation mode.

        To be called without gradients. Change no weights while it is in use: it holds some as they are now.
        """
        size = len(self.vocabulary)
        rows = None
        if size <= self.recurrent.config.hidden_size:  # few enough for all of them to be got ready
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
        """Give the state before any token, zeros."""
        return self.recurrent.initial_state(rows)

    def start_epoch(self, number: int) -> None:
        """Let frozen embedding rows go where their time has come."""
        self.embedding.start_epoch(number)

    def options(self) -> dict[str, Any]:
        """Give the configuration in JSON values."""
        return dataclasses.asdict(self.config)

    @classmethod
    def build(cls, options: dict[str, Any], vocabulary: Vocabulary, tokenizer: TextTokenizer) -> Self:
        """Make an untrained network for saved weights, from which the embedding has its vectors, and whose rows are short enough."""
        model = dict(options["model"])
        model["cutoffs"] = None if model["cutoffs"] is None else tuple(model["cutoffs"])
        embedding = saved_embedding(options["embedding"])
        parts = LanguageModelConfig(**model), embedding, RecurrentConfig(**options["recurrent"])
        return cls(LanguageModelOptions(*parts), vocabulary, tokenizer)

    def weights(self) -> dict[str, Tensor]:
        """Give the tensors that predict: frozen embedding rows in their places, and all as short as a lookup would make them."""
        return self.embedding.settled(self.state_dict(), "embedding.")


def _cutoffs(size: int) -> tuple[int, ...]:
    """A fifth and three fifths of V; on the Penn Treebank 2,000 and 6,000 of 10,000."""
    return tuple(cut for cut in sorted({size // 5, 3 * size // 5}) if 0 < cut < size)
