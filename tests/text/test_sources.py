import bz2
import gzip
import io
import lzma
import os
import zipfile

import fsspec
import pytest
from backports import zstd

from lexloom import files
from lexloom.artefact import write_header
from lexloom.errors import InputError
from lexloom.files import open_raw
from lexloom.text.corpus import open_corpus
from lexloom.text.sources import expand, record_format
from lexloom.text.store import build_store
from lexloom.text.vocabulary import VocabularyConfig

COMPRESSORS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstd.compress}


@pytest.mark.parametrize("kind", COMPRESSORS)
@pytest.mark.parametrize("name", ["right", "text.txt"])
def test_compression_is_known_by_its_bytes(read_bytes, kind, name):
    assert read_bytes(COMPRESSORS[kind](b"one\ntwo\n"), f"{name}.{kind}" if name == "right" else name) == ["one", "two"]


@pytest.mark.parametrize("kind", ["gz", "bz2", "xz", "zst"])
def test_compressed_data_cut_short_is_an_error(read_bytes, kind):
    with pytest.raises(InputError, match=f"{kind} data is damaged"):
        read_bytes(COMPRESSORS[kind](os.urandom(100_000))[:-50_000])


@pytest.fixture
def archive(tmp_path):
    path = tmp_path / "many.zip"
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as file:
        file.writestr("folder/b.txt", "one\ntwo")
        file.mkdir("empty")
        file.writestr("a.txt", "three\n")
        file.writestr("__MACOSX/._a.txt", "rubbish")
        file.writestr("c.csv", "text,n\nfour,1\n")
    return path


def test_all_files_of_a_zip_are_read_in_order(archive, read):
    with pytest.raises(InputError, match=r"c\.csv: holds records.*--text-field \(fields: text, n\)"):
        read(open_corpus(archive))
    path = archive.with_name("two.zip")
    with zipfile.ZipFile(path, "w") as file:
        file.writestr("b", "one\ntwo")
        file.writestr("a", b"bad \xff\n")
    corpus = open_corpus(path)
    assert read(corpus) == ["one", "two", "bad \ufffd"]
    assert corpus.report.first_broken == f"{path}:a:1"


def test_a_record_file_in_a_zip_is_known_by_its_own_name(tmp_path, read):
    with zipfile.ZipFile(tmp_path / "data.zip", "w") as file:
        file.writestr("table.tsv", "n\ttext\n1\tone two\n")
    assert read(open_corpus(tmp_path / "data.zip", field="text")) == ["one two"]


def test_a_damaged_zip_is_an_error(read_bytes, archive):
    with pytest.raises(InputError, match="zip data is damaged"):
        read_bytes(archive.read_bytes()[:-60], "cut.zip")


def test_an_empty_zip_is_an_error(tmp_path, read):
    with zipfile.ZipFile(tmp_path / "x.zip", "w") as file:
        file.mkdir("nothing")
    with pytest.raises(InputError, match="holds no files"):
        read(open_corpus(tmp_path / "x.zip"))


@pytest.fixture
def tree(tmp_path):
    for name in ("b/2.txt", "b/10.txt", "a.txt", ".hidden", ".git/config", "c.log"):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.write_text(name)
    return tmp_path


def test_a_folder_is_read_through_sorted_without_hidden_files(tree):
    assert expand(tree).names == [str(tree / name) for name in ("a.txt", "b/10.txt", "b/2.txt", "c.log")]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [("*.txt", ["a.txt"]), ("**/*.txt", ["a.txt", "b/10.txt", "b/2.txt"]), ("b*", ["b/10.txt", "b/2.txt"]), ("?.log", ["c.log"])],
)
def test_globs_are_expanded(tree, pattern, names):
    assert expand([str(tree / pattern)]).names == [str(tree / name) for name in names]


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path):
    (tmp_path / "a[1].txt").write_text("x")
    assert expand(tmp_path / "a[1].txt").names == [str(tmp_path / "a[1].txt")]


@pytest.mark.parametrize(("source", "message"), [("*.none", "no file matches"), ("empty", "holds no files")])
def test_nothing_found_is_an_error(tmp_path, source, message):
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match=message):
        expand(str(tmp_path / source))


def test_no_source_is_an_error():
    with pytest.raises(InputError, match="no input"):
        expand([])


def test_a_missing_file_is_an_error(tmp_path, read):
    with pytest.raises(InputError, match="no such file"):
        read(open_corpus(tmp_path / "missing.txt"))


def test_urls_are_opened_and_their_globs_expanded(read):
    files = fsspec.filesystem("memory")
    for number in (2, 1):
        files.pipe(f"/corpus/{number}.txt", f"text {number}\n".encode())
    assert read(open_corpus("memory://corpus/1.txt")) == ["text 1"]
    assert read(open_corpus("memory://corpus/*.txt")) == ["text 1", "text 2"]
    assert open_corpus("memory://corpus/1.txt").fingerprint() is not None


def test_the_fingerprint_depends_on_the_bytes_and_not_on_names_or_times(tmp_path):
    def fingerprint(*contents, field=None, folder="a"):
        paths = [tmp_path / folder / f"{number}" for number in range(len(contents))]
        (tmp_path / folder).mkdir(exist_ok=True)
        for path, content in zip(paths, contents, strict=True):
            path.write_text(content)
            os.utime(path, (0, len(folder)))
        return open_corpus(paths, field=field).fingerprint()

    reference = fingerprint("one\n", "two\n")
    assert fingerprint("one\n", "two\n", folder="bcd") == reference
    others = [
        fingerprint("one\ntwo\n"),
        fingerprint("two\n", "one\n"),
        fingerprint("one\n", "two\n", field="text"),
        fingerprint("one", "\ntwo\n"),
    ]
    assert len({reference, *others}) == 5


def test_a_pipe_has_no_fingerprint(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    assert open_corpus(tmp_path / "pipe").fingerprint() is None


@pytest.mark.parametrize(
    ("name", "expected"), [("a.csv", "csv"), ("a.TSV.gz", "tsv"), ("x.tar.jsonl.zst", "jsonl"), ("a.csv.txt", None), ("csv", None)]
)
def test_records_are_known_by_their_suffix(name, expected):
    assert record_format(name) == expected


@pytest.mark.parametrize(("name", "format"), [("lexloom.json", "model"), ("store.json", "store"), ("run.json", "run")])
def test_a_folder_that_lexloom_wrote_is_no_text(tmp_path, read, name, format):
    (tmp_path / "text.txt").write_text("some text")
    (tmp_path / "out").mkdir()
    write_header(tmp_path / "out" / name, format, 1, {})
    corpus = open_corpus(tmp_path)
    assert read(corpus) == ["some text"]
    assert corpus.report.warnings() == [f"1 folder that lexloom wrote itself left out of the text; the first: {tmp_path / 'out'}"]
    with pytest.raises(InputError, match="a folder that lexloom wrote"):
        expand(str(tmp_path / "out"))


@pytest.mark.parametrize("name", ["run.json", "store.json", "lexloom.json"])
def test_a_file_of_another_program_with_the_name_of_a_header_is_read(tmp_path, name):
    (tmp_path / name).write_text('{"format": "mine"}')
    (tmp_path / "text.txt").write_text("some text")
    assert expand(str(tmp_path)).names == sorted([str(tmp_path / name), str(tmp_path / "text.txt")])


def test_an_empty_name_is_an_error():
    with pytest.raises(InputError, match="is empty"):
        expand("")


# ---- one reading ---------------------------------------------------------------------------------------------------------------------


class CountedFile:
    """An open file that counts the bytes that are read from it."""

    def __init__(self, file, counts):
        self._file, self._counts = file, counts

    def read(self, size=-1):
        data = self._file.read(size)
        self._counts["bytes"] += len(data)
        return data

    def close(self):
        self._file.close()


@pytest.fixture
def counts(monkeypatch):
    """How often sources are opened, and how many bytes are read from them."""
    found = {"opens": 0, "bytes": 0}

    def open_counted(source):
        found["opens"] += 1
        return CountedFile(open_raw(source), found)

    monkeypatch.setattr(files, "open_raw", open_counted)
    return found


def zipped(data):
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr("a", data)
        file.writestr("b", data)
    return buffer.getvalue()


@pytest.mark.parametrize("kind", ["plain", "csv", "zip", *COMPRESSORS])
@pytest.mark.parametrize("remote", [False, True], ids=["local", "remote"])
def test_a_store_opens_each_file_once_and_reads_each_byte_once(tmp_path, counts, kind, remote):
    text = b"text\n" + os.urandom(500_000).hex().encode() + b"\nthe end\n"
    data = {"plain": bytes, "csv": bytes, "zip": zipped, **COMPRESSORS}[kind](text)
    name = "text.csv" if kind == "csv" else "text"
    source = f"memory://once/{name}" if remote else tmp_path / name
    with fsspec.open(str(source), "wb") as file:
        file.write(data)
    corpus = open_corpus(source, field="text" if kind == "csv" else None)
    store = build_store(corpus, tmp_path / "store", vocabulary=VocabularyConfig(min_count=1))
    assert counts == {"opens": 1, "bytes": len(data)}
    again = open_corpus(source, field="text" if kind == "csv" else None)
    assert store.header["fingerprint"] == corpus.fingerprint() == again.fingerprint()


def test_bytes_after_compressed_data_are_in_the_fingerprint(tmp_path, read):
    (tmp_path / "a.bz2").write_bytes(bz2.compress(b"one\n"))
    (tmp_path / "b.bz2").write_bytes(bz2.compress(b"one\n") + b"rubbish")
    found = set()
    for name in ("a.bz2", "b.bz2"):
        corpus = open_corpus(tmp_path / name)
        assert read(corpus) == ["one"]
        assert corpus.fingerprint() == open_corpus(tmp_path / name).fingerprint()
        found.add(corpus.fingerprint())
    assert len(found) == 2


def test_a_file_that_grows_after_it_was_read_has_the_fingerprint_of_what_was_read(tmp_path, read):
    path = tmp_path / "text"
    path.write_text("one\n")
    before, corpus = open_corpus(path).fingerprint(), open_corpus(path)
    read(corpus)
    with path.open("a") as file:
        file.write("two\n")
    assert corpus.fingerprint() == before != open_corpus(path).fingerprint()


def test_a_reading_that_ends_early_leaves_no_fingerprint_of_a_part(tmp_path):
    path = tmp_path / "text"
    path.write_text("word\n" * 3_000_000)
    corpus = open_corpus(path)
    blocks = corpus.blocks()
    next(blocks)
    blocks.close()
    assert corpus.fingerprint() == open_corpus(path).fingerprint()
