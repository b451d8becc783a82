"""What may have become of a model folder: the file, the damage, and what the complaint says."""

import json
from pathlib import Path


def change_byte(path):
    data = bytearray(path.read_bytes())
    data[-5] ^= 1
    path.write_bytes(bytes(data))


def replace(path, old, new):
    assert old in path.read_text()
    path.write_text(path.read_text().replace(old, new))


def edit(path, **changes):
    path.write_text(json.dumps(json.loads(path.read_text()) | changes))


def recount(path):
    content = json.loads(path.read_text())
    content["counts"][0] += 1
    path.write_text(json.dumps(content))


def widen(path):
    content = json.loads(path.read_text())
    content["options"]["recurrent"]["hidden_size"] += 1
    path.write_text(json.dumps(content))


def cut(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


DAMAGES = {
    "weights cut short": ("model.safetensors", cut, "model.safetensors: not a whole safetensors file"),
    "a byte of the weights": ("model.safetensors", change_byte, "model.safetensors: damaged or changed"),
    "no weights": ("model.safetensors", Path.unlink, "model.safetensors: missing"),
    "no vocabulary": ("vocabulary.json", Path.unlink, "vocabulary.json: missing"),
    "another vocabulary": ("vocabulary.json", recount, "vocabulary.json: damaged or changed"),
    "no tokenizer": ("tokenizer.json", Path.unlink, "tokenizer.json"),
    "a tokenizer that is none": ("tokenizer.json", lambda path: path.write_text("{}"), "tokenizer.json: damaged or changed"),
    "no lexloom.json": ("lexloom.json", Path.unlink, "holds an unfinished run"),
    "no JSON": ("lexloom.json", cut, "lexloom.json: not valid JSON"),
    "a list": ("lexloom.json", lambda path: path.write_text("[]"), "its format is None"),
    "no options": ("lexloom.json", lambda path: edit(path, options={}), "damaged or incomplete"),
    "no checksums": ("lexloom.json", lambda path: edit(path, checksums={}), "the header says of vocabulary and tokenizer is damaged"),
    "an option that is none": (
        "lexloom.json",
        lambda path: replace(path, '"cell": "lstm"', '"cell": "foo"'),
        "damaged or incomplete: cell",
    ),
    "another shape": ("lexloom.json", widen, "damaged or incomplete"),
    "another kind": ("lexloom.json", lambda path: edit(path, kind="translator"), "holds a translator, expected a "),
    "another version": ("lexloom.json", lambda path: edit(path, format_version=99), "model format version 99, this lexloom reads 2"),
}
