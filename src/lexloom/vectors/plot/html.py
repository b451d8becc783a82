"""Draw a scene as a single HTML page with plotly: zoom, hover for a word and its count, no network."""

import html
from pathlib import Path
from typing import Any

import numpy as np

from lexloom.errors import ConfigError
from lexloom.plotting import TEXT_COLOUR, printable
from lexloom.vectors.plot.scene import Scene, colours, fit, place_beside

_WIDTH, _HEIGHT, _MARGIN = 1100, 800, 50  # pixels for which labels are placed; the page itself fills the window
_FONT_SIZE, _LETTER, _WIDE_LETTER = 12, 6.8, 12.5  # pixels; the browser's letters are not known here


def draw_html(scene: Scene, out: Path) -> int:
    """Draw a scene into an HTML file that contains plotly's script.

    Returns:
        How many labels are shown beside their points; the others appear on hovering.

    Raises:
        ConfigError: plotly is not installed.
    """
    try:
        import plotly.graph_objects as go
    except ImportError:
        raise ConfigError("an .html picture needs plotly: pip install 'lexloom[plot]'") from None
    labels, radii = printable(scene.tokens, 24), 3 + 5 * scene.weights
    sizes = np.array([[_width(label), 1.3 * _FONT_SIZE] for label in labels])
    sides, _, _ = place_beside(fit(scene.points, _WIDTH, _HEIGHT, _MARGIN), radii, sizes, _WIDTH, _HEIGHT)
    shown = [_escape(label) if side else "" for label, side in zip(labels, sides, strict=True)]
    hover = [
        f"<b>{_escape(label)}</b>" + (f"<br>seen {count:,} times" if count else "")
        for label, count in zip(labels, scene.counts.tolist(), strict=True)
    ]
    paint = colours(scene)
    figure = go.Figure()
    for group in sorted(set(scene.groups.tolist())):
        chosen = np.flatnonzero(scene.groups == group).tolist()
        figure.add_trace(
            go.Scatter(
                x=scene.points[chosen, 0].tolist(),
                y=scene.points[chosen, 1].tolist(),
                mode="markers+text",
                name=_escape(scene.names[group]) if group >= 0 else "other",
                text=[shown[i] for i in chosen],
                textposition=[sides[i] or "middle right" for i in chosen],
                textfont={"size": _FONT_SIZE, "color": paint[chosen[0]] if scene.names else TEXT_COLOUR},
                hovertext=[hover[i] for i in chosen],
                hovertemplate="%{hovertext}<extra></extra>",
                marker={"size": [2 * float(radii[i]) for i in chosen], "color": paint[chosen[0]], "opacity": 0.85},
            )
        )
    _lay_out(figure, scene)
    page: str = figure.to_html(
        include_plotlyjs=True, full_html=True, div_id="lexloom", default_height="95vh", config={"displaylogo": False}
    )
    out.write_text(page, encoding="utf-8")
    return sum(bool(text) for text in shown)


def _lay_out(figure: Any, scene: Scene) -> None:
    bare = {"visible": False, "showgrid": False, "zeroline": False}
    figure.update_layout(
        title={"text": _escape(printable([scene.title], 100)[0]), "x": 0.5},
        template="plotly_white",
        showlegend=bool(scene.names),
        legend={"orientation": "h", "x": 0.5, "xanchor": "center", "y": 1.02, "yanchor": "bottom"},
        dragmode="pan",
        xaxis=bare,
        yaxis={**bare, "scaleanchor": "x"},
        margin={"l": 20, "r": 20, "t": 80 if scene.title or scene.names else 20, "b": 20},
    )


def _width(label: str) -> float:
    """Estimate a label's width in pixels; letters of CJK and similar scripts are as wide as they are high."""
    return sum(_WIDE_LETTER if ord(letter) >= 0x1100 else _LETTER for letter in label)


def _escape(text: str) -> str:
    """Escape what plotly would take for a tag; plotly does not know the entity of a quotation mark."""
    return html.escape(text, quote=False)
