"""What the training loop needs of a model: its parameters, and the loss of a batch. It knows no text."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, NamedTuple

from torch import Tensor, nn

from lexloom.nn.embedding import Embedding, OneHot

State = tuple[Tensor, ...]
"""What a recurrent model carries from batch to batch: tensors, row first."""


@dataclass(frozen=True)
class Outcome:
    """What a model measures on a batch.

    Attributes:
        loss: (), the sum to be minimised.
        count: number of items in the sum. The loop divides once, over all micro-batches and processes of an update.
        sums: for each metric its sum, (), detached, and the number of items in it; divided once, over all batches and processes. `loss` is
            taken from the loss above unless it is here.
        state: detached; passed on with the next batch. None where nothing is carried.
    """

    loss: Tensor
    count: int
    sums: Mapping[str, tuple[Tensor, int]] = field(default_factory=dict)
    state: State | None = None


class Player(NamedTuple):
    """Parameters that share an optimizer, and the method whose loss they lower.

    Attributes:
        parameters: trained together.
        measure: name of a method of the model with the signature of `Trainable.measure`.
    """

    parameters: list[nn.Parameter]
    measure: str = "measure"


class Trainable(nn.Module):
    """A network that `fit` can train.

    Attributes:
        unit: what a loss is counted in, in the plural: tokens, documents, examples.
    """

    unit: ClassVar[str] = "examples"

    def measure(self, batch: Any, state: State | None = None) -> Outcome:
        """Measure the loss and the metrics of a batch.

        Args:
            batch: what the batches yield.
            state: `Outcome.state` of the previous batch of the epoch; None for the first.
        """
        raise NotImplementedError

    def players(self) -> list[Player]:
        """List the groups of parameters with an optimizer each. One by default; a GAN has two, which take turns on each batch."""
        return [Player(list(self.parameters()))]

    def embeddings(self) -> dict[str, Embedding | OneHot]:
        """Find the embedding layers by name. They have their own learning rate and may be frozen for some epochs."""
        return {name: module for name, module in self.named_modules() if isinstance(module, Embedding | OneHot)}

    def start_epoch(self, number: int) -> None:
        """Prepare for an epoch, counted from 1: frozen embedding rows may begin to train."""
        for embedding in self.embeddings().values():
            embedding.start_epoch(number)

    def weights(self) -> dict[str, Tensor]:
        """Return the tensors of a network for prediction: the state dict with frozen embedding rows in their places."""
        state = dict(self.state_dict())
        for name, embedding in self.embeddings().items():
            state = embedding.settled(state, f"{name}.")
        return state

    def use(self, weights: Mapping[str, Tensor] | None = None) -> None:
        """Load weights that `weights()` returned, or keep the current ones, and prepare for prediction: no row is frozen any more."""
        self.load_state_dict(self.weights() if weights is None else weights)
        self.eval()
