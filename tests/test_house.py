"""Rules of the house that can be read off the sources: who imports whom, what stays private, and how files look."""

import ast
import os
import re
import subprocess
import sys
from functools import cache
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[1]
PACKAGES = ("theory", "diffusion", "experiments", "benchmarks")


def named(path):
    """The dotted name of a source file."""
    parts = path.relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


SOURCES = {named(path): path for package in PACKAGES for path in sorted((ROOT / package).rglob("*.py"))}
DOCUMENTED = {"os._exit"}  # a function for users, in spite of its name


@cache
def tree(name):
    """A module's syntax, comments left out."""
    return ast.parse(SOURCES[name].read_text(encoding="utf-8"))


def imports(name):
    """(line, module, what is imported of it or None, name here) of each import in a module, those in functions too."""
    package = name if SOURCES[name].name == "__init__.py" else name.rpartition(".")[0]
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield node.lineno, alias.name, None, alias.asname or alias.name
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: len(package.split(".")) - node.level + 1] if node.level else []
            source = ".".join([*above, *([node.module] if node.module else [])])
            for alias in node.names:
                yield node.lineno, source, alias.name, alias.asname or alias.name


@cache
def needs(name):
    """Modules of ours that a module imports; not the packages above them, whose own files it does not ask for."""
    found = set()
    for _, source, what, _ in imports(name):
        target = f"{source}.{what}" if f"{source}.{what}" in SOURCES else source
        if target in SOURCES:
            found.add(target)
    return frozenset(found)


def path_back(name):
    """The shortest way along imports from a module back to itself; nothing if there is none."""
    paths = [[name]]
    seen = set()
    for path in paths:
        for target in sorted(needs(path[-1])):
            if target == name:
                return [*path, name]
            if target not in seen:
                seen.add(target)
                paths.append([*path, target])
    return []


def foreign_private_names(name):
    """Uses of names with a leading underscore that another module of ours or of a library holds, as "line: name"."""
    modules, found = {}, []
    for line, source, what, here in imports(name):
        if what and is_private(what):
            found.append(f"{line}: from {source} import {what}")
        if what is None or f"{source}.{what}" in SOURCES:
            modules[here] = source
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Attribute) and is_private(node.attr) and ast.unparse(node.value) in modules:
            found += [f"{node.lineno}: {ast.unparse(node)}"] if ast.unparse(node) not in DOCUMENTED else []
    return found


def is_private(name):
    return name.startswith("_") and not name.endswith("__")


@pytest.mark.parametrize("name", SOURCES)
def test_imports_have_no_circle(name):
    assert path_back(name) == []


@pytest.mark.parametrize("name", SOURCES)
def test_no_other_module_s_private_name_is_used(name):
    assert foreign_private_names(name) == []


@pytest.mark.parametrize("folder", [*PACKAGES, "docs", "tests"])
def test_the_formatter_lays_out_every_line(folder):
    by_hand = re.compile("# fmt: (skip|off)")
    assert [path for path in (ROOT / folder).rglob("*.py") if by_hand.search(path.read_text(encoding="utf-8"))] == []


@pytest.mark.parametrize("name", SOURCES)
def test_no_backend_of_matplotlib_is_set(name):
    """Importing a module must not change how the importer's figures are shown."""
    calls = [ast.unparse(node.func) for node in ast.walk(tree(name)) if isinstance(node, ast.Call)]
    assert not {"mpl.use", "matplotlib.use", "plt.switch_backend"} & set(calls)


def test_import_leaves_the_backend_alone():
    code = "import matplotlib as mpl, experiments.drawing, experiments.sweep.figure, benchmarks.figure; "
    code += "print(mpl.get_backend(auto_select=False))"
    unset = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=unset)
    assert done.stdout.strip() == "None"


def test_commands_need_no_display():
    """Even where a user has chosen a backend with windows."""
    code = "import sys; sys.argv = ['x', '--version']\nfrom experiments.cli import main\ntry:\n main()\n"
    code += "except SystemExit:\n import matplotlib\n print(matplotlib.get_backend())"
    there = {name: value for name, value in os.environ.items() if name != "DISPLAY"} | {"MPLBACKEND": "TkAgg"}
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, env=there)
    assert done.stdout.splitlines()[-1].lower() == "agg"


def test_each_rule_is_seen_to_be_broken(tmp_path, monkeypatch):
    """The checks above find what they look for: a circle through a function, and private names by either way."""
    sources = {
        "experiments.one": "from experiments import two\nfrom experiments.two import _a\nprint(two._b, two.__doc__)",
        "experiments.two": "def later():\n    import experiments.one\n    return experiments.one._own",
    }
    for name, text in sources.items():
        path = tmp_path / f"{name}.py"
        path.write_text(text)
        monkeypatch.setitem(SOURCES, name, path)
    assert path_back("experiments.one") == ["experiments.one", "experiments.two", "experiments.one"]
    assert foreign_private_names("experiments.one") == ["2: from experiments.two import _a", "3: two._b"]
    assert foreign_private_names("experiments.two") == ["3: experiments.one._own"]
