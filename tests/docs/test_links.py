"""What a page links to in the repository is there."""

import re

import pytest

from tests.docs.pages import PAGES, ROOT, read


@pytest.mark.parametrize("page", PAGES)
def test_linked_files_and_headings_exist(page):
    for target in re.findall(r"\]\(([^)\s]+)\)", read(page)):
        name, _, heading = target.partition("#")
        path = (ROOT / page).parent / name if name else ROOT / page
        assert path.exists(), target
        if heading:
            titles = [
                line.lstrip("# ").lower().replace(" ", "-") for line in path.read_text(encoding="utf-8").splitlines() if line[:1] == "#"
            ]
            assert heading in titles, target
