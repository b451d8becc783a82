"""Judge vectors: similarity files, analogy files, and several vector sets side by side on what all of them cover."""

from lexloom.vectors.evaluate.analogy import AnalogyResult, SectionResult, evaluate_analogy
from lexloom.vectors.evaluate.compare import Comparison, compare
from lexloom.vectors.evaluate.similarity import SimilarityResult, evaluate_similarity

__all__ = ["AnalogyResult", "Comparison", "SectionResult", "SimilarityResult", "compare", "evaluate_analogy", "evaluate_similarity"]
