"""What a training takes of the machine."""

import pytest
import torch

from lexloom.training.config import TrainingConfig
from lexloom.training.processor import precision_of


@pytest.mark.parametrize(
    ("accelerator", "accelerated", "bfloat16", "asked", "taken"),
    [
        ("cpu", False, True, "bf16-mixed", "bf16-mixed"),
        ("cpu", True, False, "bf16-mixed", "32"),
        ("cpu", True, False, "16-mixed", "32"),
        ("auto", False, False, "bf16-mixed", "32"),
        ("auto", True, False, "bf16-mixed", "bf16-mixed"),
        ("gpu", False, False, "16-mixed", "16-mixed"),
        ("cpu", False, True, "32", "32"),
    ],
)
def test_only_a_processor_without_bfloat16_takes_32_bits_instead(monkeypatch, accelerator, accelerated, bfloat16, asked, taken):
    monkeypatch.setattr("lexloom.training.processor.has_bfloat16", lambda: bfloat16)
    monkeypatch.setattr(torch.accelerator, "is_available", lambda: accelerated)
    assert precision_of(TrainingConfig(accelerator=accelerator, precision=asked)) == taken
