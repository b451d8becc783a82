"""An HTML page that shows how much each word of a text contributed to a decision."""

import html
import os
from pathlib import Path

from lexloom.files import write_text
from lexloom.models.classifier.answers import Explanation

_FOR, _AGAINST = "46, 125, 50", "198, 40, 40"  # red, green, blue
_PAGE = """<!doctype html>
<html lang="en">
<meta charset="utf-8">
<title>{label}</title>
<style>
body {{ font: 18px/2 system-ui, sans-serif; max-width: 46em; margin: 3em auto; padding: 0 1em; color: #22303c; }}
span {{ padding: .15em .2em; border-radius: .25em; }}
p.key {{ font-size: 14px; color: #5f6b76; }}
</style>
<h1>{label}</h1>
<p class="key">probability {probability:.4f}; <span style="background: rgba({green}, .5)">speaks for it</span>
<span style="background: rgba({red}, .5)">speaks against it</span>; hover over a word to see how much it adds to the log-odds</p>
<p>{words}</p>
</html>
"""


def write_page(explanation: Explanation, out: str | os.PathLike[str]) -> None:
    """Write an explanation as a self-contained HTML page."""
    strongest = max(map(abs, explanation.scores), default=0.0) or 1.0
    words = []
    for token, score in zip(explanation.tokens, explanation.scores, strict=True):
        colour, strength = _FOR if score > 0 else _AGAINST, 0.8 * abs(score) / strongest
        words.append(f'<span style="background: rgba({colour}, {strength:.3f})" title="{score:+.4f}">{html.escape(token)}</span>')
    label = html.escape(explanation.label)
    page = _PAGE.format(label=label, probability=explanation.probability, green=_FOR, red=_AGAINST, words="\n".join(words))
    write_text(Path(out), page)
