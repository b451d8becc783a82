"""The corpus that every machine already has: the docstrings of the installed Python packages.

Files are parsed with `ast` and never imported. Every paragraph of prose becomes a document; what was found is kept compressed in the
user's cache folder, with the package that each paragraph comes from, and gathered again when a package was added, removed or changed.
"""

import ast
import gc
import hashlib
import json
import os
import sys
import sysconfig
import time
import warnings
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from multiprocessing import get_context
from pathlib import Path

from lexloom.demo.prose import paragraphs
from lexloom.errors import FormatError, InputError
from lexloom.files import COMPRESSIONS, read_json, write_atomically, write_json

Progress = Callable[[int, int], None]
"""Called with the number of files read so far and the number of all files."""

_RULES = 3  # increase it when prose.py or the choice of files changes, so that older caches are replaced
_SKIPPED_FOLDERS = {"site-packages", "dist-packages", "__pycache__", "test", "tests", "lib2to3"}
_TEXT, _PACKAGES, _FACTS = "docstrings.txt.zst", "packages.txt.zst", "harvest.json"
_CHUNK = 32  # files handed to a worker at a time
_SCOPES = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)


@dataclass(frozen=True)
class Harvest:
    """The harvested text and its location.

    Attributes:
        path: a zstd-compressed text file in UTF-8, one paragraph per line.
        packages: another, with the package of each of these paragraphs; a line is empty if the paragraph is in several packages or none.
        documents: the number of paragraphs.
        words: the number of words, split at spaces.
        files: the number of Python files that were read.
        unreadable: the number of files among them that could not be read or parsed.
        seconds: the time that reading and cleaning took when it was made.
        cached: whether it was made by an earlier call.
    """

    path: Path
    packages: Path
    documents: int
    words: int
    files: int
    unreadable: int
    seconds: float
    cached: bool


def harvest_docstrings(roots: list[Path] | None = None, *, cache: Path | None = None, progress: Progress | None = None) -> Harvest:
    """Gather the docstrings of all Python files in some folders, or find them in the cache.

    Args:
        roots: the folders; by default the standard library and every site-packages folder in use.
        cache: the folder to keep the text in; by default one in the user's cache folder.
        progress: called as files are read; not called if the cache is used.

    Returns:
        The location of the text and its size.

    Raises:
        InputError: these files have no prose, or the cache folder cannot be written.
    """
    roots = package_roots() if roots is None else roots
    folder = (cache_folder() if cache is None else cache) / f"docstrings-{_digest([str(root) for root in roots])[:12]}"
    files = python_files(roots)
    key = _digest([f"{_RULES}", *(f"{path}\t{size}" for path, size in files)])
    if cached := _find(folder, key):
        return cached
    started = time.perf_counter()
    documents, unreadable = _gather(files, roots, progress)
    if not documents:
        where = ", ".join(map(str, roots)) or "no folder"
        raise InputError(f"{where}: no docstrings in {len(files)} Python files; name a text of your own with --corpus FILE")
    found = Harvest(
        path=folder / _TEXT,
        packages=folder / _PACKAGES,
        documents=len(documents),
        words=sum(document.count(" ") + 1 for document in documents),
        files=len(files),
        unreadable=unreadable,
        seconds=round(time.perf_counter() - started, 3),
        cached=False,
    )
    _keep(folder, key, found, documents)
    return found


def package_roots() -> list[Path]:
    """List the folders of the standard library and of the installed packages, in the order of `sys.path`."""
    standard = {Path(sysconfig.get_path(name)) for name in ("stdlib", "platstdlib")}
    roots = [Path(entry) for entry in sys.path if entry]
    kept = [root for root in roots if root.is_dir() and (root in standard or root.name in ("site-packages", "dist-packages"))]
    return list(dict.fromkeys(root.resolve() for root in kept))


def python_files(roots: list[Path]) -> list[tuple[Path, int]]:
    """List the Python files in some folders with their sizes in bytes, sorted within a folder, without tests and caches."""
    return [found for root in roots for found in sorted(_walk(str(root)))]


def _walk(folder: str) -> Iterator[tuple[Path, int]]:
    try:
        entries = list(os.scandir(folder))
    except OSError:  # no permission to list the folder
        return
    for entry in entries:
        if entry.is_dir(follow_symlinks=False):
            if entry.name not in _SKIPPED_FOLDERS:
                yield from _walk(entry.path)
        elif entry.name.endswith(".py") and entry.is_file():
            yield Path(entry.path), entry.stat().st_size


def package_of(file: Path, roots: list[Path]) -> str:
    """Return the package or module that a file belongs to: the first part of its path below its innermost root.

    It is empty if it is not a name that can be imported.
    """
    root = max((root for root in roots if file.is_relative_to(root)), key=lambda root: len(root.parts))
    name = file.relative_to(root).parts[0].removesuffix(".py")
    return name if name.isidentifier() else ""


def cache_folder() -> Path:
    """Return the cache folder: in XDG_CACHE_HOME if that is set, else in the platform's own place."""
    if chosen := os.environ.get("XDG_CACHE_HOME"):
        return Path(chosen) / "lexloom"
    if sys.platform == "win32":
        return Path(os.environ.get("LOCALAPPDATA", Path.home() / "AppData" / "Local")) / "lexloom" / "Cache"
    return Path.home() / ("Library/Caches" if sys.platform == "darwin" else ".cache") / "lexloom"


# ---- reading the files ---------------------------------------------------------------------------------------------------------------


def _gather(files: list[tuple[Path, int]], roots: list[Path], progress: Progress | None) -> tuple[dict[str, str], int]:
    """Read all files, in worker processes if there are many: each paragraph once, with its package, and the number of unreadable files."""
    documents: dict[str, str] = {}
    unreadable = 0
    paths = [path for path, _ in files]
    for done, (path, found) in enumerate(zip(paths, _read_all(paths), strict=True), start=1):
        if found is None:
            unreadable += 1
        else:
            package = package_of(path, roots)
            documents.update({paragraph: package if documents.get(paragraph, package) == package else "" for paragraph in found})
        if progress is not None and (done % _CHUNK == 0 or done == len(files)):
            progress(done, len(files))
    # Shuffled, always in the same way. In the order of the files a paragraph resembles those before it: a model with a high learning
    # rate then does well by remembering the latest ones, and its loss *rises* as the rate falls.
    order = sorted(documents, key=lambda document: hashlib.blake2b(document.encode("utf-8", "replace"), digest_size=8).digest())
    return {document: documents[document] for document in order}, unreadable


def _read_all(paths: list[Path]) -> Iterator[list[str] | None]:
    workers = min(os.cpu_count() or 1, 8, len(paths) // (4 * _CHUNK))
    if workers < 2:
        yield from map(read_file, paths)
        return
    # Spawned, not forked: there may be threads already (of the progress bar, of polars), and a forked process could hang.
    with ProcessPoolExecutor(workers, mp_context=get_context("spawn"), initializer=gc.disable) as pool:
        yield from pool.map(read_file, paths, chunksize=_CHUNK)


def read_file(path: Path) -> list[str] | None:
    """Read the paragraphs of prose in the docstrings of one Python file; None if it cannot be read or parsed."""
    try:
        source = path.read_bytes()
        if b'"""' not in source and b"'''" not in source:
            return []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of the parsed files, such as invalid escapes
            tree = ast.parse(source)
        return [paragraph for docstring in _docstrings(tree) for paragraph in paragraphs(docstring)]
    except (OSError, SyntaxError, ValueError, RecursionError, MemoryError):  # ValueError: null bytes; the last two: very deep nesting
        return None


def _docstrings(node: ast.AST) -> Iterator[str]:
    """Yield the docstrings of a module, and of the classes and functions in it, in their order; only statements are visited."""
    if isinstance(node, _SCOPES) and (docstring := ast.get_docstring(node)):
        yield docstring
    for block in ("body", "orelse", "handlers", "finalbody"):
        statements = getattr(node, block, None)
        if isinstance(statements, list):
            for statement in statements:
                if hasattr(statement, "body"):
                    yield from _docstrings(statement)


# ---- keeping -------------------------------------------------------------------------------------------------------------------------


def _digest(lines: list[str]) -> str:
    return hashlib.blake2b(json.dumps(lines).encode(), digest_size=16).hexdigest()


def _find(folder: Path, key: str) -> Harvest | None:
    """Find an earlier harvest of the same files; a damaged one is ignored."""
    try:
        facts = read_json(folder / _FACTS)
        if facts.pop("key") == key and (folder / _TEXT).is_file() and (folder / _PACKAGES).is_file():
            return Harvest(path=folder / _TEXT, packages=folder / _PACKAGES, cached=True, **facts)
    except (FormatError, KeyError, TypeError, AttributeError):
        pass
    return None


def _keep(folder: Path, key: str, found: Harvest, documents: dict[str, str]) -> None:
    facts = {name: value for name, value in asdict(found).items() if name not in ("path", "packages", "cached")}
    try:
        with write_atomically(folder) as temporary:
            temporary.mkdir()
            for name, lines in ((_TEXT, documents.keys()), (_PACKAGES, documents.values())):
                with (temporary / name).open("wb") as file, COMPRESSIONS["zst"].open(file, "wb") as stream:
                    for line in lines:
                        stream.write((line + "\n").encode("utf-8", "replace"))
            write_json(temporary / _FACTS, {"key": key, **facts})
    except OSError as error:
        raise InputError(f"{folder}: cannot write the docstrings: {error}; set XDG_CACHE_HOME to another folder") from error
