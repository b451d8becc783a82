"""Samples of what a language model writes, while it learns."""

from lightning.pytorch import Callback, LightningModule, Trainer

from lexloom.decoding.sampling_config import SamplingConfig
from lexloom.models.language_model import LanguageModel
from lexloom.models.writing import write_text_from
from lexloom.training.optim import averaged
from lexloom.training.reporter import Reporter

_LENGTH = {"character": 200, "subword": 60, "word": 40}


class Sampler(Callback):
    """After every so many epochs, continues a prompt."""

    def __init__(self, model: LanguageModel, prompt: str, every: int, reporter: Reporter) -> None:
        """Begin.

        Args:
            model: the one that is trained.
            prompt: what to go on from.
            every: epochs between samples.
            reporter: told the text.
        """
        self._model, self._prompt, self._every, self._reporter = model, prompt, every, reporter

    def on_train_epoch_end(self, trainer: Trainer, pl_module: LightningModule) -> None:
        """Sample, where it is time to."""
        epoch = trainer.current_epoch + 1
        if epoch % self._every or not trainer.is_global_zero:
            return
        length = _LENGTH[self._model.config.model.level]
        with averaged(trainer.optimizers[0]):
            parts = write_text_from(self._model, self._prompt, SamplingConfig(temperature=0.8), length=length, unknown="replace")
            text = self._prompt + "".join(parts)
        self._model.train()
        self._reporter.sample(epoch, text)
