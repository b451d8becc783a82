"""The slow way to split, which the fast ones are compared with."""

from tokenizers import Tokenizer

from lexloom.text.tokenizer_json import model_type


def split_tokens(tokenizer_json: str, text: str) -> list[str]:
    """Split one text exactly as a tokenizer.json says, word by word in the `tokenizers` library: slow, and the reference.

    A word-level model does not limit what comes out: unknown words are tokens too. A subword model gives its own tokens.
    """
    tokenizer = Tokenizer.from_str(tokenizer_json)
    if model_type(tokenizer_json) != "WordLevel":
        return list(tokenizer.encode(text, add_special_tokens=False).tokens)
    if tokenizer.normalizer is not None:
        text = tokenizer.normalizer.normalize_str(text)
    if tokenizer.pre_tokenizer is None:
        return [text] if text else []
    return [token for token, _ in tokenizer.pre_tokenizer.pre_tokenize_str(text)]
