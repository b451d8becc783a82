"""Tiny models are quickest on one thread, and other tests may run beside these."""

from collections.abc import Iterator

import pytest
import torch
from tests.cli.conftest import run

__all__ = ["one_thread", "run"]


@pytest.fixture(scope="session", autouse=True)
def one_thread() -> Iterator[None]:
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(before)
