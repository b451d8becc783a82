"""lexloom: from text to word vectors, language models and text classifiers.

Public names are imported when they are first used, so that importing the package costs nothing. `__init__.pyi` lists them, for type
checkers and for this file: `from HOME import NAME as NAME`, and `# torch` at the end of the line if the module needs torch.
"""

import importlib
import importlib.util
from pathlib import Path
from typing import Any

_IMPORTS = [line.split() for line in Path(__file__).with_suffix(".pyi").read_text().splitlines() if line.startswith("from ")]
_HOME_OF = {name: home for _, home, _, name, *_ in _IMPORTS}
_HAS_TORCH = importlib.util.find_spec("torch") is not None

# without torch, `from lexloom import *` must still work
__all__ = [words[3] for words in _IMPORTS if words[-1] != "torch" or _HAS_TORCH]


def __getattr__(name: str) -> Any:
    if name not in _HOME_OF:
        raise AttributeError(f"module 'lexloom' has no attribute {name!r}")
    try:
        value = getattr(importlib.import_module(_HOME_OF[name]), name)
    except ModuleNotFoundError as error:
        if error.name not in ("torch", "lightning"):
            raise
        message = f"{error.name} is not installed, and lexloom.{name} needs it; install it with: pip install 'lexloom[models]'"
        raise ModuleNotFoundError(message, name=error.name) from None
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
