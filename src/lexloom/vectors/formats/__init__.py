"""Read and write vectors in the formats of other tools and in lexloom's own folder."""

from lexloom.vectors.formats.catalog import FORMATS
from lexloom.vectors.formats.folder import write_folder
from lexloom.vectors.formats.reading import describe_vectors, load_vectors
from lexloom.vectors.formats.saving import save_vectors

__all__ = ["FORMATS", "describe_vectors", "load_vectors", "save_vectors", "write_folder"]
