"""`lexloom demo`: the tour."""


def demo(*, corpus: str | None = None, out: str = "demo-output") -> None:
    """Train word vectors on the docstrings of the installed Python packages, and question and draw them.

    Args:
        corpus: A text of your own instead: a file, glob, folder or URL.
        out: The folder for the vectors and the picture; what an earlier demo left there is replaced.
    """
    from lexloom.demo.tour import run_tour

    run_tour(corpus, out)
