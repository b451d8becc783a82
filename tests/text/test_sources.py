import bz2
import gzip
import lzma
import os
import zipfile

import pytest
import zstandard

from lexloom.errors import InputError
from lexloom.text.readers import open_corpus
from lexloom.text.sources import expand, record_format

COMPRESSORS = {"gz": gzip.compress, "bz2": bz2.compress, "xz": lzma.compress, "zst": zstandard.ZstdCompressor().compress}


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
    assert expand(tree) == [str(tree / name) for name in ("a.txt", "b/10.txt", "b/2.txt", "c.log")]


@pytest.mark.parametrize(
    ("pattern", "names"),
    [("*.txt", ["a.txt"]), ("**/*.txt", ["a.txt", "b/10.txt", "b/2.txt"]), ("b*", ["b/10.txt", "b/2.txt"]), ("?.log", ["c.log"])],
)
def test_globs_are_expanded(tree, pattern, names):
    assert expand([str(tree / pattern)]) == [str(tree / name) for name in names]


def test_a_file_whose_name_looks_like_a_glob_is_that_file(tmp_path):
    (tmp_path / "a[1].txt").write_text("x")
    assert expand(tmp_path / "a[1].txt") == [str(tmp_path / "a[1].txt")]


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
    import fsspec

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


@pytest.mark.parametrize(("name", "content"), [("lexloom.json", "{}"), ("store.json", "{}"), ("run.json", '{"lexloom": "1.0"}')])
def test_a_folder_that_lexloom_wrote_is_no_text(tmp_path, name, content):
    (tmp_path / "text.txt").write_text("some text")
    (tmp_path / "out").mkdir()
    (tmp_path / "out" / name).write_text(content)
    assert expand(str(tmp_path)) == [str(tmp_path / "text.txt")]
    with pytest.raises(InputError, match="a folder that lexloom wrote"):
        expand(str(tmp_path / "out"))


def test_a_run_json_of_another_program_is_read(tmp_path):
    (tmp_path / "run.json").write_text("{}")
    assert expand(str(tmp_path)) == [str(tmp_path / "run.json")]


def test_an_empty_name_is_an_error():
    with pytest.raises(InputError, match="is empty"):
        expand("")
