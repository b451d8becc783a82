"""Pictures of words: rows projected to two dimensions, drawn as PNG or as an interactive HTML page."""

from lexloom.vectors.plot.picture import PlotReport, plot_vectors
from lexloom.vectors.plot.project import ProjectionMethod, project

__all__ = ["PlotReport", "ProjectionMethod", "plot_vectors", "project"]
