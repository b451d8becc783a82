import itertools

import pytest

from lexloom.text.corpus import open_corpus


def documents_of(corpus):
    """All documents of a corpus, pieces joined."""
    documents, open_pieces = [], []
    for block in corpus.blocks():
        for piece, end in zip(block.texts.to_list(), block.ends.tolist(), strict=True):
            open_pieces.append(piece)
            if end:
                documents.append("".join(open_pieces) if isinstance(piece, str) else list(itertools.chain(*open_pieces)))
                open_pieces = []
    assert not open_pieces
    return documents


@pytest.fixture(scope="session")
def read():
    return documents_of


@pytest.fixture
def read_bytes(tmp_path):
    """Write bytes to a file of some name and read its documents."""

    def read_bytes(data, name="text.txt", field=None):
        path = tmp_path / name
        path.write_bytes(data)
        return documents_of(open_corpus(path, field=field))

    return read_bytes
