"""`lexloom info PATH`: what a file or folder is."""

from pathlib import Path
from typing import Any

from lexloom.cli.model import Json, show_score


def info(path: str, /, *, json: Json = False) -> None:
    """Check a file or folder, and say what it is: vectors in any format, a model, an encoded corpus or an unfinished run.

    Args:
        path: A file, a folder or the URL of vectors.
        json: Print one JSON value.
    """
    show_score(describe(path), json=json)


def describe(path: str) -> dict[str, Any]:
    """Describe what is at a path, in JSON values, after checking all of it. `kind` comes first, options and checksums come last.

    Raises:
        InputError: there is nothing at the path.
        FormatError: it is damaged, or in no format that lexloom reads.
    """
    from lexloom.artefact import RESULT, RUN, STORE_HEADER

    folder = Path(path)
    if (folder / STORE_HEADER).exists():
        found = _describe_store(folder)
    elif (folder / RESULT).exists() and not _holds_vectors(folder / RESULT):
        found = _describe_model(folder)
    elif (folder / RUN).exists() and not (folder / RESULT).exists():
        found = _describe_run(folder)
    else:
        from lexloom.vectors.formats import describe_vectors

        found = {"kind": "vectors", **describe_vectors(path)}
    last = ("options", "checksums", "metadata")
    return {name: value for name, value in found.items() if name not in last} | {name: found[name] for name in last if name in found}


def _holds_vectors(result: Path) -> bool:
    from lexloom.files import read_json

    content = read_json(result)
    return isinstance(content, dict) and content.get("format") == "lexloom vectors"


def _describe_store(folder: Path) -> dict[str, Any]:
    from lexloom.text.store import TokenStore

    store = TokenStore.open(folder)
    return {"kind": "encoded corpus", "vocabulary": len(store.vocabulary), **store.header}


def _describe_model(folder: Path) -> dict[str, Any]:
    from lexloom.model_folder import describe_model
    from lexloom.models.loading import load_model

    model = load_model(folder)
    head = describe_model(folder)
    return {"kind": head["kind"], "vocabulary": len(model.vocabulary), **head}


def _describe_run(folder: Path) -> dict[str, Any]:
    from lexloom.run_folder import LOG, describe_run

    run = describe_run(folder)
    options = {part: values for part, values in run.items() if isinstance(values, dict) and part not in ("run", "encoded")}
    log, saved = folder / LOG, any(folder.glob("checkpoint.*"))
    return {
        "kind": "unfinished run",
        "result": run.get("run", {}),
        "epochs_done": log.read_text(encoding="utf-8").count("\n") if log.exists() else 0,
        "resume": "from the checkpoint, by the same command with --resume" if saved else "there is no checkpoint: --resume starts over",
        "options": options,
        "checksums": run.get("encoded") or {},
    }
