"""`lexloom demo`: the tour."""


def demo(*, corpus: str | None = None, out: str = "demo-output") -> None:
    """Train word vectors on the docstrings of the installed Python packages, question and draw them, and begin a language model with them;
    then train a classifier that says which package a sentence comes from.

    Args:
        corpus: A text of your own instead, without a classifier: a file, glob, folder or URL.
        out: The folder for the vectors, the picture, the models and the sentences; what an earlier demo left there is replaced.
    """
    from lexloom.demo.tour import run_tour

    run_tour(corpus, out)
