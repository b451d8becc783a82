"""Question the vectors: neighbours, similarity, analogies, the odd one out; exact, in blocks, one policy for unknown words."""

from lexloom.vectors.search.queries import Neighbor, analogy, nearest, neighbors, neighbors_batch, odd_one_out, similarity
from lexloom.vectors.search.spelling import UnknownPolicy

__all__ = ["Neighbor", "UnknownPolicy", "analogy", "nearest", "neighbors", "neighbors_batch", "odd_one_out", "similarity"]
