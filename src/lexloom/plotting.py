"""What all pictures share: colours, and text that the fonts of this machine can draw."""

from collections.abc import Sequence

# Okabe and Ito's colours (2008), which colour-blind readers can tell apart, without the yellow that is lost on white, and two more.
PALETTE = ("#0072B2", "#D55E00", "#009E73", "#CC79A7", "#7A5195", "#8C564B", "#E69F00", "#56B4E9")
TEXT_COLOUR = "#22252B"

_DEFAULT_FONT = "DejaVu Sans"  # comes with matplotlib
_PLACEHOLDER = "\u25a1"  # a white square, for a character that no font has

# Families with many scripts, tried before any other font.
# fmt: off
_PREFERRED = (
    "Noto Sans CJK", "Source Han Sans", "WenQuanYi", "PingFang", "Hiragino Sans", "Microsoft YaHei", "Yu Gothic", "Malgun Gothic",
    "Droid Sans Fallback", "IPAGothic", "SimHei", "Noto Sans", "Arial Unicode", "Unifont", "FreeSans",
)
# fmt: on
_MOST_FONTS = 300  # fonts opened in search of a character; some machines have thousands


def printable(texts: Sequence[str], longest: int) -> list[str]:
    """Replace characters that cannot be printed by U+FFFD and cut texts to `longest` characters with an ellipsis."""
    labels = ["".join(character if character.isprintable() else "\ufffd" for character in text) for text in texts]
    return [label if len(label) <= longest else label[: longest - 1] + "\u2026" for label in labels]


def drawable(texts: Sequence[str]) -> tuple[list[str], list[str], set[str]]:
    """Choose font families that together have the characters of some texts.

    matplotlib falls back from one family to the next, but it has to be told which, and only warns of what none of them has.

    Returns:
        the texts, with a white square for each character that no font has; the families, matplotlib's own first; the characters that
        no font has.
    """
    from matplotlib import font_manager
    from matplotlib.ft2font import FT2Font

    files = {
        font.name: font.fname
        for font in font_manager.fontManager.ttflist
        if font.style == "normal" and "Emoji" not in font.name and "LastResort" not in font.name.replace(" ", "")
    }
    left = {ord(character) for character in "".join([*texts, _PLACEHOLDER])}
    families: list[str] = []
    for family in sorted(files, key=_preference)[:_MOST_FONTS]:
        try:
            found = left & FT2Font(files[family]).get_charmap().keys()
        except (OSError, RuntimeError):  # FreeType cannot read this font
            continue
        if found or not families:
            families.append(family)
            left -= found
        if not left:
            break
    return [text.translate(dict.fromkeys(left, _PLACEHOLDER)) for text in texts], families, {chr(code) for code in left}


def _preference(family: str) -> tuple[int, str]:
    order = (_DEFAULT_FONT, *_PREFERRED)
    return next((rank for rank, preferred in enumerate(order) if family.startswith(preferred)), len(order)), family
