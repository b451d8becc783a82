"""Imports run one way, and importing the package costs nothing."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent / "src" / "lexloom"
ORDER = (
    ("version", "errors"),
    ("options", "plotting"),
    ("compiled",),
    ("files", "tensors"),
    ("artefact",),
    ("run_folder",),
    ("text",),
    ("model_folder", "vectors"),
    ("nn",),
    ("decoding",),
    ("training",),
    ("models",),
    ("report",),
    ("estimators", "export"),
    ("demo",),
    ("cli",),
    ("__main__",),
)
LAYERS = {part: number for number, parts in enumerate(ORDER) for part in parts}
HEAVY = ("numba", "polars", "matplotlib", "scipy", "tokenizers", "sklearn", "plotly", "torch", "lightning")
MODULES = sorted(path.relative_to(ROOT) for path in ROOT.rglob("*.py"))


def part_of(module: Path) -> str:
    return module.parts[0].removesuffix(".py")


def imported(module: Path) -> set[str]:
    """Every module that a file imports, wherever in it the import stands."""
    names: set[str] = set()
    for node in ast.walk(ast.parse((ROOT / module).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names.update(alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: a relative import"
            names.add(node.module or "")
    return names


@pytest.mark.parametrize("module", [module for module in MODULES if module != Path("__init__.py")], ids=str)
def test_imports_run_one_way(module):
    here = LAYERS[part_of(module)]
    parts = {name.split(".")[1] for name in imported(module) if name.startswith("lexloom.")}
    assert [part for part in parts if LAYERS[part] > here] == []


def test_no_file_imports_itself_through_others():
    """By the imports at the head of each file, which run when it is loaded."""
    names = {".".join(("lexloom", *module.with_suffix("").parts)).removesuffix(".__init__"): module for module in MODULES}
    edges = {}
    for name, module in names.items():
        heads = [node for node in ast.parse((ROOT / module).read_text(encoding="utf-8")).body if isinstance(node, ast.ImportFrom)]
        modules = {node.module for node in heads} | {f"{node.module}.{alias.name}" for node in heads for alias in node.names}
        edges[name] = {module for module in modules if module in names and names[module].name != "__init__.py"}
    done: set[str] = set()
    while ready := [name for name, targets in edges.items() if name not in done and targets <= done]:
        done.update(ready)
    assert set(edges) - done == set()


@pytest.mark.parametrize("module", [module for module in MODULES if part_of(module) in ("text", "vectors")], ids=str)
def test_text_and_vectors_never_import_torch(module):
    assert not {name.split(".")[0] for name in imported(module)} & {"torch", "lightning"}


@pytest.mark.parametrize(
    "code",
    [
        "import lexloom",
        "import lexloom.cli\ntry:\n    lexloom.cli.main(['--help'])\nexcept SystemExit:\n    pass",
    ],
    ids=["import", "help"],
)
def test_nothing_heavy_is_loaded_before_it_is_needed(code):
    show = f"import sys\nprint([name for name in {HEAVY} if name in sys.modules], file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", f"{code}\n{show}"], capture_output=True, text=True, check=True)
    assert done.stderr == "[]\n"


def test_all_public_names_are_there():
    import lexloom

    assert [name for name in lexloom.__all__ if not hasattr(lexloom, name)] == []
    assert set(lexloom.__all__) <= set(dir(lexloom))
