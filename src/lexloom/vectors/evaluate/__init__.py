"""Evaluate vectors on similarity and analogy files, one set or several side by side on the items that all of them cover."""

from lexloom.vectors.evaluate.analogy import AnalogyResult, SectionResult, evaluate_analogy
from lexloom.vectors.evaluate.compare import Comparison, compare
from lexloom.vectors.evaluate.similarity import SimilarityResult, evaluate_similarity

__all__ = ["AnalogyResult", "Comparison", "SectionResult", "SimilarityResult", "compare", "evaluate_analogy", "evaluate_similarity"]
