"""Write what TensorBoard's embedding projector reads: a folder of tensors.tsv, metadata.tsv and projector_config.pbtxt."""

from pathlib import Path

from lexloom.vectors.formats.text_writer import decimals
from lexloom.vectors.formats.writing import encode_tokens, open_target, row_blocks
from lexloom.vectors.table import Vectors

_CONFIG = """embeddings {
  tensor_name: "vectors"
  tensor_path: "tensors.tsv"
  metadata_path: "metadata.tsv"
}
"""


def write_projector(vectors: Vectors, folder: Path) -> None:
    """Write the three files into `folder`, which may exist.

    Raises:
        FormatError: a token contains a tab or a newline.
    """
    tokens = encode_tokens(vectors.tokens, b"\t\n\r", "projector")
    folder.mkdir(parents=True, exist_ok=True)
    with open_target(folder / "tensors.tsv") as stream:
        for _, rows in row_blocks(vectors.matrix):
            stream.writelines(line + b"\n" for line in decimals(rows, "\t"))
    with open_target(folder / "metadata.tsv") as stream:
        if vectors.counts.any():  # the projector wants a header exactly where there is more than one column
            stream.write(b"token\tcount\n")
            stream.writelines(b"%b\t%d\n" % pair for pair in zip(tokens, vectors.counts.tolist(), strict=True))
        else:
            stream.writelines(token + b"\n" for token in tokens)
    with open_target(folder / "projector_config.pbtxt") as stream:
        stream.write(_CONFIG.encode())
