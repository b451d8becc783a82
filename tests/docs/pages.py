"""The code blocks of a Markdown page."""

import re
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).parent.parent.parent
PAGES = ["README.md", "CONTRIBUTING.md", *sorted(f"docs/{path.name}" for path in (ROOT / "docs").glob("*.md"))]
_FENCE = re.compile(r"^```([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Code(NamedTuple):
    """A block in a language that is run: `sh` or `python`."""

    where: str
    language: str
    text: str
    runs: bool


def read(page: str) -> str:
    return (ROOT / page).read_text(encoding="utf-8")


def code_blocks(page: str) -> list[Code]:
    text = read(page)
    blocks = []
    for found in _FENCE.finditer(text):
        language, _, rest = found[1].strip().partition(" ")
        line = text.count("\n", 0, found.start()) + 1
        if language in ("sh", "python"):
            blocks.append(Code(f"{page}:{line}", language, found[2], runs=rest != "no-run"))
        assert rest in ("", "no-run"), f"{page}:{line}: a fence says {rest!r}; only no-run means something"
    return blocks
