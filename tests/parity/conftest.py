"""Comparisons with other tools, which are only in the bench extra: without a tool its file is left out, and the end of the run says so."""

from importlib.util import find_spec

import pytest

PEERS = {"test_gensim.py": "gensim", "test_model2vec.py": "model2vec"}
MISSING = {file: peer for file, peer in PEERS.items() if find_spec(peer) is None}

collect_ignore = list(MISSING)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    # the summary, because -q shows no header
    for file, peer in MISSING.items():
        terminalreporter.write_line(f"tests/parity/{file} left out: {peer} is not installed (it comes with the bench extra)")
