"""Extract the prose of a docstring, without doctests, code, tables, mark-up and parameter headers."""

import re
from collections.abc import Iterator

_MIN_WORDS = 3  # shorter paragraphs are dropped
_MAX_SIGNS = 0.2  # the largest share of characters other than letters and spaces; above it a paragraph is code, a table or a formula

_DOCTEST = re.compile(r"\s*(>>>|\.\.\. |In \[\d+\]:)")
_RULE = re.compile(r"\s*[^\w\s]{2,}[^\w]*$")  # -----, =====, +---+---+ and the like
_DIRECTIVE = re.compile(r"\s*\.\. +([\w:-]+)::")
_PROSE_DIRECTIVES = {"note", "warning", "tip", "hint", "important", "seealso", "deprecated", "versionadded", "versionchanged"}
_NUMPY_FIELD = re.compile(r"\s*[\w*`][\w*`, .]* : ")  # axis : int, optional
_SPHINX_FIELD = re.compile(r"\s*:(\w+)\b[^:\n]*:\s*")  # :param axis: the axis
_GOOGLE_FIELD = re.compile(r"\s*[*`]*\w+[`]*(?: ?\([^()]*\))?: (?=[A-Z])")  # axis (int): The axis
_LIST_ITEM = re.compile(r"\s*(?:[-*+•]|\d+[.)]|\(?[a-z]\))\s+")

_MATH = re.compile(r":math:`[^`]*`|\$[^$]*\$")
_URL = re.compile(r"<?\b\w+://\S+")
_CITATION = re.compile(r"\[\w+\]_|\[\d+\]")
_ROLE = re.compile(r":[\w:+-]+:(?=`)")
_CALL = re.compile(r"\([^()\s]*\)(?=\W|$)")  # the (x,y) of f(x,y)
_SIGN = re.compile(r"[^\w ]|[\d_]")
_WORD = re.compile(r"(?:^| )[^\W\d_]")
_EMPHASIS = re.compile(r"[`*|<>~\\]+")


def paragraphs(docstring: str) -> Iterator[str]:
    """Yield the paragraphs of prose in a docstring, each on one line with single spaces.

    Args:
        docstring: as `ast.get_docstring` returns it, without indentation.
    """
    for block in _blocks(docstring.expandtabs().splitlines()):
        text = " ".join(_plain(" ".join(block)).split())
        if len(_WORD.findall(text)) >= _MIN_WORDS and len(_SIGN.findall(text)) <= _MAX_SIGNS * len(text):
            yield text


def _blocks(lines: list[str]) -> Iterator[list[str]]:
    """Group the lines of prose: a blank line, a list item, a heading or a parameter's header begins a new block."""
    block: list[str] = []
    for line in _prose_lines(lines):
        if not line or _LIST_ITEM.match(line) or _SPHINX_FIELD.match(line) or _GOOGLE_FIELD.match(line):
            yield block
            block = []
        if line := _without_marker(line):
            block.append(line)
    yield block


def _prose_lines(lines: list[str]) -> Iterator[str]:
    """Yield the lines that may be prose; each dropped part becomes one empty line."""
    hidden_indent = -1  # lines indented deeper than this belong to code that is left out
    fenced = in_doctest = False
    for number, line in enumerate(lines):
        following = lines[number + 1] if number + 1 < len(lines) else ""
        indent = len(line) - len(line.lstrip())
        if line.lstrip().startswith("```"):
            fenced = not fenced
            yield ""
        elif not line.strip():
            in_doctest = False
            yield ""
        elif fenced or in_doctest or (hidden_indent >= 0 and indent > hidden_indent):
            continue
        elif _DOCTEST.match(line):
            in_doctest = True
            yield ""
        elif directive := _DIRECTIVE.match(line):
            hidden_indent = -1 if directive[1] in _PROSE_DIRECTIVES else indent
            yield ""
        elif _RULE.match(line) or _RULE.match(following) or _NUMPY_FIELD.match(line) or line.rstrip().endswith("|"):
            hidden_indent = -1
            yield ""
        else:
            hidden_indent = indent if line.rstrip().endswith("::") else -1
            yield line.rstrip()


def _without_marker(line: str) -> str:
    """Remove a list marker or a parameter's name from the beginning of a line; a line that only states a type becomes empty."""
    if field := _SPHINX_FIELD.match(line):
        return "" if field[1] in ("type", "rtype", "vartype") else line[field.end() :]
    for marker in (_GOOGLE_FIELD, _LIST_ITEM):
        if found := marker.match(line):
            return line[found.end() :]
    return line


def _plain(text: str) -> str:
    """Remove the mark-up and keep the words."""
    for pattern in (_MATH, _URL, _CITATION, _ROLE):
        text = pattern.sub(" ", text)
    return _EMPHASIS.sub(" ", _CALL.sub("", text))
