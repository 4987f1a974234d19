"""The shape of the house: imports run one way, and what must start fast does not import JAX."""

import ast
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
HOUSE = ROOT / "landscape"

# a room may import itself, and these; of two names that fit, the longer one counts
MAY_IMPORT = {
    "core": set(),
    "search": {"core"},
    "measures": {"core"},
    "symmetry": {"core"},
    "methods": {"core", "search"},
    "networks": {"core"},
    "data": set(),
    "tasks": {"core", "data", "networks"},
    "modules": {"core", "tasks.classification"},
    "config": {
        "core.alignment", "core.settings", "core.state", "data", "measures.base",
        "measures.registry", "methods.base", "methods.registry", "tasks.registry",
    },
    "config.examples": {"Outputs", "Task", "energy_task"},  # a user's files: the public names
    "store": {
        "config.validation", "config.yaml_source", "core.alignment", "core.large", "core.state",
        "core.status",
    },
    "analysis": {"store.records"},
    "live": {"analysis", "config.validation", "store"},
    "cluster": {
        "config.cluster_section", "config.sections", "config.validation", "core.cores",
        "core.gpus", "core.shares", "core.versions", "data", "store.files",
    },
    "stages": {
        "core", "search", "measures", "methods", "symmetry", "tasks", "data", "config", "store",
        "analysis", "cluster",
    },
    "api": {
        "core", "search", "measures", "methods", "symmetry", "analysis", "report.figures",
        "store.files",
    },
    "report.data": {"analysis", "config.sections", "core.alignment", "core.profile", "store"},
    "report.figures": {"analysis", "core.profile", "report.data", "store"},
    "report.theory": {"analysis", "report.data", "report.figures", "store"},
    "report.page": {
        "analysis", "core.versions", "report.data", "report.figures", "report.theory", "store",
    },
}  # fmt: skip

# within a room, what each file may import of it; what is not named imports nothing of it
WITHIN = {
    "core": {
        "devices": {"compiled", "cores", "large", "trees"},
        "distances": {"landscape", "task", "trees"},
        "task": {"state", "trees"},
        "landscape": {"parts", "state", "task", "trees"},
        "parts": {"devices", "jaxprs", "task", "trees"},
        "registry": {"trust"},
        "trees": {"large"},
        "paths": {"large", "trees"},
        "permute": {"trees"},
        "principal": {"large", "trees"},
        "rounding": {"landscape", "trees"},
        "segments": {"large", "rounding", "settings", "trees"},
        "statistics": {"state", "trees"},
        "grid": {"segments"},
        "adaptive": {"grid", "segments"},
        "margins": {"adaptive", "segments"},
        "certificate": {
            "adaptive", "devices", "grid", "landscape", "margins", "paths", "rounding", "segments",
            "settings", "trees",
        },
    },
    "symmetry": {
        "step": {"axes"},
        "moving": {"axes", "step"},
        "products": {"axes", "step"},
        "rules": {"axes", "moving", "products", "step"},
        "derive": {"axes", "products", "rules", "spec", "step"},
        "prove": {"spec"},
        "match": {"spec"},
        "operations": {"interpret"},
        "scales": {"operations", "prove", "spec"},
        "straight_through": {"match", "spec"},
        "interpret": set(),
        "activations": {"derive", "interpret", "spec"},
        "repair": {"derive", "interpret"},
        "align": {
            "activations", "derive", "match", "prove", "scales", "spec", "straight_through",
        },
    },
    "store": {
        "files": {"records", "temporary", "tensors"},
        "layout": {"records"},
        "journal": {"files", "records", "temporary"},
        "tables": {"files", "records"},
        "comparisons": {"files", "records", "run"},
        "sweeps": {"files", "records"},
        "alignments": {"files", "layout", "records"},
        "models": {"files", "journal", "layout", "records"},
        "paths": {"files", "layout", "records"},
        "planes": {"files", "layout", "records"},
        "status": {"files", "layout", "records", "temporary"},
        "connections": {"files", "journal", "layout", "records", "tables"},
        "measures": {"connections", "files", "records", "status", "tables"},
        "run": {"alignments", "files", "measures", "models", "paths", "planes", "temporary"},
        "listing": {"files", "records", "run", "sweeps"},
    },
    "live": {"scalars": {"following"}, "log": {"following", "scalars"}},
    "cluster": {
        "desk": {"errand"},
        "pool": {"errand"},
        "clusters": {"pool"},
    },
    "config": {
        "begin": {"validation"},
        "connect_section": {"naming", "sections", "validation"},
        "load": {
            "connect_section", "endpoint_files", "naming", "sections", "task_section",
            "train_section", "validation", "yaml_source",
        },
        "naming": {"sections"},
        "optax_section": {"validation"},
        "schema": {"load", "sections", "validation"},
        "sections": {"cluster_section", "optax_section", "train_section", "validation"},
        "task_section": {"validation"},
        "train_section": {"endpoint_files", "optax_section", "validation"},
        "yaml_source": {"validation"},
    },
    "stages": {
        "build": {"inputs", "optimizer"},
        "align": {"alignments", "build", "context"},
        "alignments": {"build"},
        "check": {
            "build", "endpoints", "footprint", "given", "initial", "inputs", "met", "optimizer",
            "plane",
        },
        "footprint": {"build", "context", "initial"},
        "classify_models": {"build", "context"},
        "compare": {"build", "connect"},
        "connect": {
            "build", "context", "levels", "pair_tasks", "rows", "start_path", "state", "tree",
        },
        "context": {"alignments", "build", "rows"},
        "endpoints": {"build", "formats", "state"},
        "final_states": {"build"},
        "given": {"endpoints", "met", "state"},
        "measure": {"build", "checkpoints", "context", "shared", "snapshots", "state"},
        "levels": {"build", "context", "pairs"},
        "pairs": {"build", "checkpoints", "context", "met"},
        "pair_tasks": {"build", "checkpoints", "context", "levels", "rows", "shared"},
        "plane": {"build", "checkpoints", "state"},
        "snapshots": {"build", "context"},
        "start_path": {"build"},
        "state": {"build"},
        "symmetries": {"build"},
        "sweep": {"build", "classify_models", "connect", "final_states", "measure", "train"},
        "twins": {"build", "initial", "met"},
        "descents": {"build", "checkpoints", "initial", "met", "optimizer", "twins"},
        "train_tasks": {"build", "descents", "shared"},
        "train": {
            "build", "descents", "endpoints", "given", "initial", "inputs", "met", "train_tasks",
            "twins",
        },
        "trajectory": {"build", "initial", "plane"},
        "tree": {"build", "context", "snapshots"},
        "judged": {"alignments", "build"},
        "judging": {"build", "judged", "shared"},
        "verify": {"build", "judged", "judging", "tree"},
    },
}  # fmt: skip


def imports_of(path: Path) -> set[str]:
    """The modules of the house that a file imports, without `landscape.`: core.trees, ..."""
    found = set()
    for node in ast.walk(ast.parse(path.read_text())):
        names = []
        if isinstance(node, ast.ImportFrom) and node.module:
            names = [f"{node.module}.{alias.name}" for alias in node.names]
        elif isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        assert not any(name.startswith("lscape_cli") for name in names), f"{path} imports the CLI"
        found |= {name for name in names if name.startswith("landscape.")}
    return {name.removeprefix("landscape.") for name in found}


def is_in(module: str, room: str) -> bool:
    return f"{module}.".startswith(f"{room}.")


def room_of(path: Path) -> str:
    module = ".".join(path.relative_to(HOUSE).with_suffix("").parts)
    return max((room for room in MAY_IMPORT if is_in(module, room)), key=len, default="")


def files_of(room: str) -> list[Path]:
    return [path for path in sorted(HOUSE.rglob("*.py")) if room_of(path) == room]


def test_every_file_has_its_room():
    outside = {str(path.relative_to(HOUSE)) for path in files_of("")}
    assert outside == {"__init__.py", "report/__init__.py"}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_imports_run_one_way(room):
    assert files_of(room)
    for path in files_of(room):
        for module in imports_of(path):
            assert any(is_in(module, other) for other in (room, *MAY_IMPORT[room])), (path, module)


@pytest.mark.parametrize("room", WITHIN)
def test_imports_within_a_room_run_one_way(room):
    for path in files_of(room):
        own = path.relative_to(HOUSE / room).with_suffix("").parts[0]
        for module in imports_of(path):
            if is_in(module, room) and module != room:
                other = module.split(".")[1]
                assert other in {own} | WITHIN[room].get(own, set()), (path, module)


@pytest.mark.parametrize("room", ["methods", "tasks"])
def test_methods_and_tasks_do_not_import_each_other(room):
    """But for what those of one kind have in common."""
    common = {"bands", "base", "classification", "curves", "registry", "__init__"}
    files = files_of(room)
    others = {path.stem for path in files} - common
    for path in files:
        if path.stem not in common:
            siblings = [module for module in imports_of(path) if is_in(module, room)]
            named = {part for module in siblings for part in module.split(".")}
            assert not (named & others) - {path.stem}, path


@pytest.mark.parametrize(
    "statement",
    [
        "import landscape.config.load",
        "import landscape.config.begin",
        "import landscape.config.schema",
        "import landscape.store.run",
        "import landscape.store.listing",
        "import landscape.core.status",
        "import landscape.report",
        "import landscape.live.log",
        "import lscape_cli.main",
        "import landscape.tasks",
        "import landscape.analysis.topology",
    ],
)
def test_starts_without_jax(statement):
    code = f"import sys; {statement}; sys.exit('jax' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT / "cli").returncode == 0


@pytest.mark.parametrize("late", ["scipy.optimize", "scipy.linalg", "sklearn", "matplotlib"])
def test_a_search_starts_without_what_few_runs_need(late):
    code = f"import sys, landscape.stages.sweep; sys.exit({late!r} in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], cwd=ROOT).returncode == 0


def test_no_parameter_of_a_stage_is_any():
    for path in files_of("stages"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.FunctionDef):
                given = node.args
                every = [*given.posonlyargs, *given.args, *given.kwonlyargs]
                every += [one for one in (given.vararg, given.kwarg) if one]
                loose = [a.arg for a in every if a.annotation and "Any" in ast.dump(a.annotation)]
                assert not loose, (path, node.name, loose)


def test_yaml_is_read_in_one_place():
    """By one schema of YAML: another would read 1e-3 as text, or `no` as false."""
    sources = [*HOUSE.rglob("*.py"), *(ROOT / "cli").rglob("*.py")]
    found = {
        str(path.relative_to(ROOT))
        for path in sources
        for node in ast.walk(ast.parse(path.read_text()))
        if (isinstance(node, ast.Import) and any(alias.name == "yaml" for alias in node.names))
        or (isinstance(node, ast.ImportFrom) and node.module == "yaml")
    }
    assert found == {"landscape/config/yaml_source.py"}
