"""What `import lexloom` offers, with and without torch."""

import subprocess
import sys

import pytest

WITHOUT_TORCH = """
from importlib.machinery import PathFinder

find = PathFinder.find_spec
PathFinder.find_spec = lambda name, *rest: None if name.partition(".")[0] in ("torch", "lightning") else find(name, *rest)
"""


def run(code: str) -> str:
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return done.stdout.strip()


def test_everything_but_models_can_be_imported_without_torch():
    code = "from lexloom import *\nprint('train_vectors' in dir(), 'TrainingConfig' in dir(), 'train_language_model' in dir())"
    assert run(WITHOUT_TORCH + code) == "True True False"


@pytest.mark.parametrize("name", ["LanguageModel", "train_language_model", "Embedding"])
def test_a_name_that_needs_torch_says_how_to_get_it(name):
    code = f"import lexloom\ntry:\n    lexloom.{name}\nexcept ModuleNotFoundError as error:\n    print(error.name, error)"
    told = run(WITHOUT_TORCH + code)
    assert told.startswith("torch ")
    assert f"lexloom.{name}" in told
    assert "pip install 'lexloom[models]'" in told


def test_options_of_models_need_no_torch():
    names = "EmbeddingConfig, LanguageModelOptions, RecurrentConfig, SamplingConfig, TrainingConfig, WindowConfig"
    code = f"import sys\nfrom lexloom import {names}\nprint(len([make() for make in ({names})]), 'torch' in sys.modules)"
    assert run(code) == "6 False"


def test_an_unknown_name_is_an_attribute_error():
    import lexloom

    with pytest.raises(AttributeError, match="no attribute 'train_everything'"):
        _ = lexloom.train_everything
