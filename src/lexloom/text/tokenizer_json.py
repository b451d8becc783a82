"""The tokenizer.json of given rows: its token ids are the positions in a list of tokens."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

_NO_CHARACTER = "\U0010ffff"


def with_vocabulary(tokenizer: str | None, tokens: Sequence[str], unk_token: str | None) -> str:
    """Write a tokenizer.json whose ids are row numbers.

    A word-level model is replaced by one of the tokens. The ids of BPE, Unigram and WordPiece are changed if the tokens hold all of the
    model's; otherwise the tokens become a word-level model behind the same normalizer and pre-tokenizer. Added tokens that are not among
    the tokens are dropped, and with them what refers to them (the template of special tokens), truncation and padding.

    Args:
        tokenizer: the text of a tokenizer.json; None splits at whitespace and nothing else.
        tokens: V tokens, the row of each its position. One that is not valid Unicode holds its place without matching anything.
        unk_token: the token that stands for unknown ones, or None (the library then drops or refuses them).

    Returns:
        The text of a tokenizer.json.
    """
    content: dict[str, Any] = json.loads(tokenizer) if tokenizer else dict(_PLAIN)
    rows = {_matchable(token, row): row for row, token in reversed(list(enumerate(tokens)))}  # of duplicates the first wins
    if len(rows) < len(tokens):
        rows |= {_placeholder(row): row for row in set(range(len(tokens))) - set(rows.values())}
    rows = dict(sorted(rows.items(), key=lambda item: item[1]))
    content["model"] = _moved_model(content["model"], rows, unk_token) or _word_level(rows, unk_token)
    added = [token | {"id": rows[token["content"]]} for token in content.get("added_tokens") or [] if token["content"] in rows]
    content["added_tokens"] = sorted(added, key=lambda token: int(token["id"]))
    content.update(truncation=None, padding=None, post_processor=None)
    return json.dumps(content, ensure_ascii=False)


_PLAIN: Mapping[str, Any] = {
    "version": "1.0",
    "truncation": None,
    "padding": None,
    "added_tokens": [],
    "normalizer": None,
    "pre_tokenizer": {"type": "WhitespaceSplit"},
    "post_processor": None,
    "decoder": None,
    "model": {"type": "WordLevel", "vocab": {}, "unk_token": "<unk>"},
}


def _matchable(token: str, row: int) -> str:
    try:
        token.encode()
        return token
    except UnicodeEncodeError:
        return _placeholder(row)


def _placeholder(row: int) -> str:
    """A name for a row that no text can hold: noncharacters around a space."""
    return f"{_NO_CHARACTER} {row} {_NO_CHARACTER}"


def _word_level(rows: Mapping[str, int], unk_token: str | None) -> dict[str, Any]:
    return {"type": "WordLevel", "vocab": dict(rows), "unk_token": _NO_CHARACTER if unk_token is None else unk_token}


def _moved_model(model: Mapping[str, Any], rows: Mapping[str, int], unk_token: str | None) -> dict[str, Any] | None:
    """A subword model with other ids; None for other models, and if it has tokens that are not among the rows."""
    match model.get("type", "WordLevel"):
        case "BPE" | "WordPiece" if rows.keys() >= model["vocab"].keys():
            return {**model, "vocab": dict(rows)} | ({"unk_token": unk_token} if unk_token else {})
        case "Unigram" if rows.keys() >= {token for token, _ in model["vocab"]}:
            scores = dict(model["vocab"])
            least = min(scores.values(), default=0.0)
            unk_id = rows.get(unk_token) if unk_token else None
            return {**model, "vocab": [[token, scores.get(token, least)] for token in rows], "unk_id": unk_id}
    return None


def model_type(tokenizer_json: str) -> str:
    """Name the model in a tokenizer.json: WordLevel, BPE, Unigram or WordPiece."""
    return str(json.loads(tokenizer_json)["model"].get("type", "WordLevel"))
