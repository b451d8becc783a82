import ast
import sys
import sysconfig
from pathlib import Path

import pytest
from backports import zstd

from lexloom.demo import harvest as module
from lexloom.demo.harvest import cache_folder, harvest_docstrings, package_of, package_roots, python_files, read_file
from lexloom.errors import InputError


def write(root: Path, files: dict[str, str | bytes]) -> Path:
    for name, content in files.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def docstring(text: str) -> str:
    return f'"""{text}"""\n'


def lines_of(path: Path) -> list[str]:
    return zstd.decompress(path.read_bytes()).decode().splitlines()


@pytest.fixture
def packages(tmp_path):
    return write(
        tmp_path / "packages",
        {
            "b.py": docstring("The second file is here."),
            "a/__init__.py": docstring("The first file is here.") + "def f():\n    '''Return the mean of it.'''\n",
            "a/again.py": docstring("The first file is here."),
            "a/tests/test_a.py": docstring("No test is wanted here."),
            "a/plain.py": "x = 'no docstring in this file'\n",
            "notes.txt": docstring("Not a Python file at all."),
        },
    )


def gather(root, cache, **options):
    return harvest_docstrings([root], cache=cache, **options)


def test_every_paragraph_comes_once(packages, tmp_path):
    found = gather(packages, tmp_path / "cache")
    assert sorted(lines_of(found.path)) == ["Return the mean of it.", "The first file is here.", "The second file is here."]
    assert (found.documents, found.words, found.files, found.unreadable, found.cached) == (3, 15, 4, 0, False)


def test_every_paragraph_has_its_package_and_none_where_several_have_it(packages, tmp_path):
    write(packages, {"c.py": docstring("The second file is here."), "c/d/e.py": docstring("A file deeper down.")})
    write(packages, {"not-a-name/f.py": docstring("Nobody can import this.")})
    found = gather(packages, tmp_path / "cache")
    assert dict(zip(lines_of(found.path), lines_of(found.packages), strict=True)) == {
        "The first file is here.": "a",
        "Return the mean of it.": "a",
        "The second file is here.": "",
        "A file deeper down.": "c",
        "Nobody can import this.": "",
    }


def test_a_package_is_what_comes_first_below_the_nearest_root():
    roots = [Path("/lib"), Path("/lib/site-packages")]
    files = ["/lib/ast.py", "/lib/email/mime/text.py", "/lib/site-packages/numpy/linalg/__init__.py"]
    assert [package_of(Path(file), roots) for file in files] == ["ast", "email", "numpy"]


def test_the_order_is_the_same_whatever_the_files_are_called(tmp_path):
    texts = [f"The paragraph is number {n}." for n in range(50)]
    first = write(tmp_path / "first", {f"{n:02}.py": docstring(text) for n, text in enumerate(texts)})
    second = write(tmp_path / "second", {f"{99 - n}.py": docstring(text) for n, text in enumerate(texts)})
    orders = [lines_of(gather(root, tmp_path / "cache").path) for root in (first, second)]
    assert orders[0] == orders[1] != texts
    assert sorted(orders[0]) == sorted(texts)


def test_the_cache_serves_until_a_file_changes(packages, tmp_path):
    first = gather(packages, tmp_path / "cache")
    again = gather(packages, tmp_path / "cache", progress=lambda *_: pytest.fail("read again"))
    assert again.cached
    assert (again.path, again.packages, again.documents, again.words) == (first.path, first.packages, first.documents, first.words)
    write(packages, {"c.py": docstring("A third file is here.")})
    changed = gather(packages, tmp_path / "cache")
    assert not changed.cached
    assert "A third file is here." in lines_of(changed.path)
    assert len(list((tmp_path / "cache").iterdir())) == 1


@pytest.mark.parametrize("damage", [b"", b"[]", b'{"key": 1}', b"\xff{"])
def test_a_damaged_cache_is_made_anew(packages, tmp_path, damage):
    first = gather(packages, tmp_path / "cache")
    (first.path.parent / "harvest.json").write_bytes(damage)
    assert not gather(packages, tmp_path / "cache").cached
    assert gather(packages, tmp_path / "cache").cached


@pytest.mark.parametrize(
    "broken", [b'"""Never closed at all.', b'"""Null bytes\0 in here."""', b'"""Not UTF-8: \xff\xfe here."""', b'"""a""" + ' + b"(" * 9000]
)
def test_files_that_cannot_be_parsed_are_counted(packages, tmp_path, broken):
    write(packages, {"broken.py": broken})
    found = gather(packages, tmp_path / "cache")
    assert (found.unreadable, found.documents) == (1, 3)


def test_warnings_of_the_files_are_not_ours(tmp_path):
    path = write(tmp_path, {"a.py": '"""Invalid escapes \\d are fine."""\nx = "\\d"\nassert (x, "always true")\n'}) / "a.py"
    assert read_file(path) == ["Invalid escapes d are fine."]


def test_a_file_is_never_imported(tmp_path):
    path = write(tmp_path, {"a.py": docstring("Do not run this file.") + "raise SystemExit('it was run')\n"}) / "a.py"
    assert read_file(path) == ["Do not run this file."]


def test_the_same_docstrings_are_found_as_by_a_walk_over_every_node():
    path = Path(ast.__file__).with_name("argparse.py")
    nodes = (ast.Module, ast.ClassDef, ast.FunctionDef, ast.AsyncFunctionDef)
    tree = ast.parse(path.read_bytes())
    walked = {text for node in ast.walk(tree) if isinstance(node, nodes) and (text := ast.get_docstring(node))}
    assert set(module._docstrings(tree)) == walked


def test_docstrings_inside_other_statements_are_found(tmp_path):
    inner = "    def f():\n        '''Return the mean of it.'''\n"
    source = (
        f"if x:\n{inner}elif y:\n{inner}else:\n{inner}try:\n{inner}except E:\n{inner}finally:\n{inner}with a:\n{inner}while b:\n{inner}"
    )
    assert list(module._docstrings(ast.parse(source))) == ["Return the mean of it."] * 8


def test_workers_find_the_same_in_the_same_order(tmp_path, monkeypatch):
    root = write(tmp_path / "many", {f"{n:03}.py": docstring(f"The file is number {n}.") for n in range(300)})
    calls: list[tuple[int, int]] = []
    monkeypatch.setattr(module.os, "cpu_count", lambda: 1)
    alone = gather(root, tmp_path / "alone")
    monkeypatch.setattr(module.os, "cpu_count", lambda: 2)
    together = gather(root, tmp_path / "together", progress=lambda done, total: calls.append((done, total)))
    assert lines_of(alone.path) == lines_of(together.path)
    assert calls[-1] == (300, 300)
    assert calls == sorted(calls)


def test_no_prose_is_an_error(tmp_path):
    with pytest.raises(InputError, match=r"no docstrings in 1 Python files; name a text of your own"):
        gather(write(tmp_path / "a", {"a.py": "x = 1"}), tmp_path / "cache")


def test_a_cache_that_cannot_be_written_is_an_error(packages, tmp_path):
    (tmp_path / "file").write_text("in the way")
    with pytest.raises(InputError, match="XDG_CACHE_HOME"):
        gather(packages, tmp_path / "file")


def test_the_standard_library_is_a_root_and_nothing_below_counts_twice():
    roots = package_roots()
    assert Path(sysconfig.get_path("stdlib")).resolve() in roots
    assert Path.cwd() not in roots
    assert not any("site-packages" in str(path) for path, _ in python_files([Path(sysconfig.get_path("stdlib"))])[:2000])


@pytest.mark.parametrize(
    ("platform", "environment", "expected"),
    [
        ("linux", {"XDG_CACHE_HOME": "/x"}, "/x/lexloom"),
        ("linux", {"HOME": "/home/me"}, "/home/me/.cache/lexloom"),
        ("darwin", {"HOME": "/home/me"}, "/home/me/Library/Caches/lexloom"),
        ("win32", {"LOCALAPPDATA": "/local"}, "/local/lexloom/Cache"),
    ],
)
def test_the_cache_lies_where_the_platform_wants_it(monkeypatch, platform, environment, expected):
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys, "platform", platform)
    assert cache_folder() == Path(expected)
