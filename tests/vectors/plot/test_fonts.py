from pathlib import Path

import matplotlib

from lexloom.vectors.plot.fonts import DEFAULT_FONT, choose_fonts, cover, printable

FONTS = Path(matplotlib.get_data_path()) / "fonts" / "ttf"
DEJAVU, ROMAN, STIX = (str(FONTS / name) for name in ("DejaVuSans.ttf", "cmr10.ttf", "STIXGeneral.ttf"))


def test_the_first_font_suffices_for_latin_text():
    assert cover(set("word"), {"first": DEJAVU, "second": STIX}) == (["first"], set())


def test_a_font_is_added_only_where_it_has_a_missing_character():
    fonts = {"roman": ROMAN, "broken": __file__, "same": ROMAN, "dejavu": DEJAVU, "stix": STIX}
    assert cover(set("aжλ"), fonts) == (["roman", "dejavu"], set())


def test_characters_without_a_font_are_left_over():
    assert cover({"a", "\U000f0000"}, {"first": DEJAVU, "second": STIX}) == (["first"], {"\U000f0000"})


def test_the_default_comes_first_on_every_machine():
    families, missing = choose_fonts(["word", "слово"])
    assert families == [DEFAULT_FONT]
    assert not missing


def test_labels_are_printable_and_short():
    assert printable(["a\nb", "\udcff", "x" * 30, "语言"], longest=5) == ["a\ufffdb", "\ufffd", "xxxx\u2026", "语言"]
