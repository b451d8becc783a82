"""docs/formats.md names every format that can be written."""

import pytest

from lexloom.vectors.formats import FORMATS
from tests.docs.pages import read


@pytest.mark.parametrize("name", FORMATS)
def test_every_format_is_in_the_table(name):
    rows = [line for line in read("docs/formats.md").splitlines() if line.startswith("|") and f"`{name}`" in line]
    assert rows
    suffix = FORMATS[name].suffix
    assert not suffix or any(f"`{suffix}`" in row for row in rows)
