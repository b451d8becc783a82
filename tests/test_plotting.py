from pathlib import Path
from types import SimpleNamespace

import matplotlib
import pytest
from matplotlib import font_manager

from lexloom.plotting import drawable, printable

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"


@pytest.fixture
def fonts(monkeypatch):
    """Let this machine have certain fonts, from family to file."""

    def install(**files):
        found = [SimpleNamespace(name=family, style="normal", fname=str(file)) for family, file in files.items()]
        monkeypatch.setattr(font_manager.fontManager, "ttflist", found)

    return install


def test_matplotlibs_own_font_is_enough_for_latin_greek_and_cyrillic():
    assert drawable(["word", "слово", "λέξη"]) == (["word", "слово", "λέξη"], ["DejaVu Sans"], set())


def test_a_font_is_added_only_for_a_missing_character(fonts):
    fonts(Roman=FONTS / "cmr10.ttf", Broken=__file__, Same=FONTS / "cmr10.ttf", Serif=FONTS / "DejaVuSerif.ttf")
    _, families, missing = drawable(["aжλ"])
    assert (families, missing) == (["Roman", "Serif"], set())


def test_a_font_with_many_scripts_comes_before_the_others(fonts):
    file = FONTS / "DejaVuSerif.ttf"
    fonts(Aardvark=file, **{"Noto Sans": file, "DejaVu Sans": FONTS / "cmr10.ttf", "Noto Color Emoji": file})
    assert drawable(["aж"])[1] == ["DejaVu Sans", "Noto Sans"]


def test_a_character_that_no_font_has_becomes_a_square(fonts):
    fonts(**{"DejaVu Sans": FONTS / "DejaVuSans.ttf"})
    assert drawable(["a\U000f0000", "b"]) == (["a\u25a1", "b"], ["DejaVu Sans"], {"\U000f0000"})


def test_labels_are_printable_and_short():
    assert printable(["a\nb", "\udcff", "x" * 30, "语言"], 5) == ["a\ufffdb", "\ufffd", "xxxx\u2026", "语言"]
