"""Options of a training of vectors, given by name."""

import dataclasses
from typing import Any

from lexloom.vectors.config import VectorConfig, VectorTrainingConfig

LEARNT = {field.name for field in dataclasses.fields(VectorConfig)}


def options(**given: Any) -> tuple[VectorConfig, VectorTrainingConfig]:
    """Both dataclasses, in the order in which a training takes them; each gets the options that it has."""
    learnt = {name: value for name, value in given.items() if name in LEARNT}
    return VectorConfig(**learnt), VectorTrainingConfig(**{name: value for name, value in given.items() if name not in LEARNT})
