"""Questions to the vectors: neighbours, similarity, analogies, the odd one out; exact, with one policy for unknown words and case."""

from lexloom.vectors.search.queries import Neighbor, analogy, nearest, neighbors, neighbors_batch, odd_one_out, similarity
from lexloom.vectors.search.words import WordPolicy

__all__ = ["Neighbor", "WordPolicy", "analogy", "nearest", "neighbors", "neighbors_batch", "odd_one_out", "similarity"]
