"""What the pages tell the reader to type works, in the order of the page, in an empty folder."""

import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.docs.pages import PAGES, Code, code_blocks

_SECONDS = 300  # per block, on a machine with other work to do


def run_shell(block: Code) -> None:
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    command, environment = ["bash", "-euo", "pipefail", "-c", block.text], {**os.environ, "PATH": path}
    done = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=_SECONDS, check=False)
    assert done.returncode == 0, f"{block.where}:\n{done.stdout[-2000:]}\n{done.stderr[-2000:]}"


@pytest.mark.parametrize("page", PAGES)
def test_the_blocks_of_a_page_run_in_order(page, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    names: dict[str, Any] = {"__name__": "__main__"}
    for block in code_blocks(page):
        if not block.runs:
            continue
        if block.language == "python":
            exec(compile(block.text, block.where, "exec"), names)
        else:
            run_shell(block)
