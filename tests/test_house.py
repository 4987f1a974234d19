"""The shape of the house: imports run one way, and what must start fast does not import JAX."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent

# a room may import itself, and these
MAY_IMPORT = {
    "trees": set(),
    "base": {"filters", "trees"},
    "cores": set(),
    "compute": {"cores", "trees"},
    "descend": {"base", "compute", "trees"},
    "paths": {"base", "compute", "trees"},
    "curves": {"base", "paths", "strings", "trees"},
    "driver": {"base", "paths", "trees"},
    "data": set(),
    "networks": {"compute", "settings"},
    "film": {"base", "paths", "principal", "profile", "trees"},
    "filters": {"trees"},
    "geometry": {"paths", "trees"},
    "curvature": {"hessian", "lanczos", "trees"},
    "hessian": {"base", "compute", "trees"},
    "lanczos": set(),
    "spectrum": {"hessian", "lanczos", "trees"},
    "outputs": {"base", "compute", "paths", "trees"},
    "shorten": {"base", "paths", "taut", "trees"},
    "taut": {"base", "compute", "trees"},
    "profile": set(),
    "strings": {"base", "descend", "paths", "trees"},
    "methods": {"base", "curves", "descend", "strings", "trees"},
    "tasks": {"base", "data", "networks", "settings", "trees"},
    "validation": set(),
    "source": {"validation"},
    "settings": set(),
    "claims": set(),
    "config": {"data", "settings", "source", "tasks", "validation"},
    "permute": {"trees"},
    "planes": {"principal", "trees"},
    "principal": {"trees"},
    "gauss_newton": set(),
    "polyak": {"trust"},
    "trust": set(),
    "files": {"records"},
    "records": set(),
    "runs": {"files", "records"},
    "neb": {"base", "compute", "trees"},
    "topology": set(),
    "walls": {"base", "trees"},
    "report": {"claims", "files", "profile", "records", "runs", "settings", "topology"},
    "stages": {
        "base", "compute", "config", "curvature", "curves", "data", "descend", "driver", "files",
        "film", "filters", "gauss_newton", "geometry", "hessian", "lanczos", "methods", "neb",
        "outputs", "paths", "permute", "planes", "polyak", "records", "runs", "settings", "shorten",
        "spectrum", "taut", "tasks", "topology", "trees", "trust", "walls",
    },
}  # fmt: skip


def imported_rooms(path: Path) -> set[str]:
    rooms = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [node.module]
            if node.module == "landscape":
                names = [f"landscape.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        rooms |= {name.split(".")[1] for name in names if name.startswith("landscape.")}
        assert not any(name.startswith("lscape_cli") for name in names), f"{path} imports the CLI"
    return rooms


def files_of(room: str) -> list[Path]:
    folder = ROOT / "landscape" / room
    return sorted(folder.glob("*.py")) if folder.is_dir() else [folder.with_suffix(".py")]


def test_every_room_has_its_rule():
    places = {path.stem for path in (ROOT / "landscape").iterdir() if path.stem[0] != "_"}
    assert places == set(MAY_IMPORT)


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_run_one_way(room):
    for path in files_of(room):
        assert imported_rooms(path) - {room} <= MAY_IMPORT[room], path


@pytest.mark.parametrize("room", ["methods", "tasks"])
def test_methods_and_tasks_do_not_import_each_other(room):
    """But for what tasks of one kind have in common."""
    others = {path.stem for path in files_of(room)} - {"__init__", "classification"}
    for path in files_of(room):
        if path.stem == "__init__":
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.ImportFrom) and (node.module or "").startswith("landscape."):
                assert node.module and node.module.split(".")[-1] not in others, path


@pytest.mark.parametrize(
    "statement",
    [
        "import landscape.config",
        "import landscape.runs",
        "import landscape.report",
        "import lscape_cli.main",
        "import landscape.tasks",
        "import landscape.topology",
    ],
)
def test_starts_without_jax(statement):
    code = f"import sys; {statement}; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT / "cli").returncode == 0


@pytest.mark.parametrize("late", ["scipy.optimize", "scipy.linalg", "sklearn", "matplotlib"])
def test_a_search_starts_without_what_few_runs_need(late):
    code = f"import sys, landscape.stages.whole; sys.exit({late!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0
