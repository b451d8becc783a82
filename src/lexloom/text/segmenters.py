"""Word segmenters for languages written without spaces, known by name: each an optional dependency."""

import warnings
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from importlib import metadata

from lexloom.errors import ConfigError


@dataclass(frozen=True)
class Segmenter:
    """A segmenter as it is recorded beside a tokenizer.json.

    Attributes:
        name: a key of `SEGMENTERS`, and the name of the package that does the work.
        version: the installed version; another may cut other words.
    """

    name: str
    version: str

    @classmethod
    def installed(cls, name: str) -> "Segmenter":
        """Look up the installed version.

        Raises:
            ConfigError: the package is not installed.
        """
        try:
            return cls(name, metadata.version(name))
        except metadata.PackageNotFoundError:
            raise ConfigError(f"tokenizer {name!r}: the package {name} is not installed; install it: pip install {name}") from None

    def load(self) -> Callable[[str], Iterable[str]]:
        """Import it.

        Returns:
            A function from a text to its words in order.

        Raises:
            ConfigError: it is not installed, or in another version.
        """
        here = Segmenter.installed(self.name)
        if here.version != self.version:
            raise ConfigError(
                f"the text was split by {self.name} {self.version}, installed is {here.version}; "
                f"install that version: pip install {self.name}=={self.version}"
            )
        return SEGMENTERS[self.name]()


def _load_jieba() -> Callable[[str], Iterable[str]]:
    import logging

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # its own syntax and packaging warnings, none of the user's concern
        import jieba
    jieba.setLogLevel(logging.WARNING)
    return lambda text: jieba.cut(text)


SEGMENTERS: dict[str, Callable[[], Callable[[str], Iterable[str]]]] = {
    "jieba": _load_jieba,
}
"""From name to a function that imports the segmenter; another one is a line here."""
