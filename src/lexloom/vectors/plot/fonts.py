"""Choose the fonts that have the characters of some labels, among those that matplotlib finds on this machine."""

from collections.abc import Iterable, Mapping, Sequence

DEFAULT_FONT = "DejaVu Sans"  # comes with matplotlib
PLACEHOLDER = "\u25a1"  # a white square, for a character that no font has

# Families with many scripts, tried first; any other font after them.
# fmt: off
_PREFERRED = (
    "Noto Sans CJK", "Source Han Sans", "WenQuanYi", "PingFang", "Hiragino Sans", "Microsoft YaHei", "Yu Gothic", "Malgun Gothic",
    "Droid Sans Fallback", "IPAGothic", "SimHei", "Noto Sans", "Arial Unicode", "Unifont", "FreeSans",
)
# fmt: on
_MOST_FONTS = 300  # to open in search of a character; some machines have thousands


def choose_fonts(texts: Iterable[str]) -> tuple[list[str], set[str]]:
    """Choose font families for some texts.

    Returns:
        families, the default first, then as many as it takes; the characters that none of the fonts looked at has.
    """
    from matplotlib import font_manager

    files = {
        font.name: font.fname
        for font in font_manager.fontManager.ttflist
        if font.style == "normal" and "Emoji" not in font.name and "LastResort" not in font.name.replace(" ", "")
    }
    order = sorted(files.keys() - {DEFAULT_FONT}, key=_preference)[:_MOST_FONTS]
    return cover(set("".join(texts)), {name: files[name] for name in [DEFAULT_FONT, *order]})


def cover(characters: set[str], fonts: Mapping[str, str]) -> tuple[list[str], set[str]]:
    """Take the first font, then each that adds a character, until all are covered.

    Args:
        characters: single characters.
        fonts: from family to file, in the order to try.

    Returns:
        The families taken, and the characters left over.
    """
    from matplotlib.ft2font import FT2Font

    taken: list[str] = []
    for name, file in fonts.items():
        if taken and not characters:
            break
        try:
            has = FT2Font(file).get_charmap()
        except (OSError, RuntimeError):  # a font that FreeType cannot read helps nobody
            continue
        left = {character for character in characters if ord(character) not in has}
        if not taken or len(left) < len(characters):
            taken.append(name)
            characters = left
    return taken, characters


def printable(tokens: Sequence[str], longest: int = 24) -> list[str]:
    """Make labels of tokens: what cannot be printed becomes U+FFFD, and long ones are cut with an ellipsis."""
    labels = ["".join(character if character.isprintable() else "\ufffd" for character in token) for token in tokens]
    return [label if len(label) <= longest else label[: longest - 1] + "\u2026" for label in labels]


def _preference(name: str) -> tuple[int, str]:
    rank = next((rank for rank, preferred in enumerate(_PREFERRED) if name.startswith(preferred)), len(_PREFERRED))
    return rank, name
