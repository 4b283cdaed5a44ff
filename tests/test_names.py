"""Names that the README and the documentation use are there once the package is imported, and cost nothing before."""

import importlib
import json
import re
import subprocess
import sys
from functools import reduce
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")), *sorted((ROOT / "docs" / "gallery").glob("*.py"))]


def in_a_process_of_its_own(code):
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return json.loads(done.stdout)


def used():
    """Dotted names in code, in running text and in blocks; those of files, and of the inner workings, are left out."""
    found = set()
    for page in PAGES:
        text = page.read_text()
        code = re.findall(r"```.*?```|`[^`\n]+`", text, flags=re.S) if page.suffix == ".md" else [text]
        for piece in code:
            found |= set(re.findall(r"(?<![\w./])((?:diffusion|theory)(?:\.[A-Za-z]\w*)+)", piece))
    return {name for name in found if "kernels" not in name and not name.endswith((".md", ".py"))}


def test_every_name_that_the_documentation_uses_is_there_after_importing_its_package():
    pytest.importorskip("torch")
    names = used()
    assert {"diffusion.fokker_planck", "diffusion.optimizers", "diffusion.plot.msd", "theory.discrete_msd"} <= names
    code = f"""
import json, diffusion, theory
missing = []
for name in {sorted(names)!r}:
    found = globals()[name.split(".")[0]]
    for part in name.split(".")[1:]:
        found = getattr(found, part, None)
    if found is None:
        missing.append(name)
found = diffusion.optimizers.Adai.__name__, diffusion.fokker_planck.mean_first_passage_time.__name__
print(json.dumps([missing, *found]))
"""
    assert in_a_process_of_its_own(code) == [[], "Adai", "mean_first_passage_time"]


def test_lazy_names_are_listed_and_importing_the_package_loads_none_of_them():
    pytest.importorskip("torch")
    code = """
import json, sys, diffusion
lazy = {"torch", "matplotlib", "xarray", "numba", "scipy.sparse"}
print(json.dumps([dir(diffusion), sorted(lazy & set(sys.modules))]))
"""
    listed, loaded = in_a_process_of_its_own(code)
    assert {"fokker_planck", "optimizers", "plot", "simulate_torch", "exit_times", "SGD"} <= set(listed)
    assert loaded == []


def test_without_torch_its_names_say_which_extra_they_need():
    code = """
import inspect, json, sys
sys.modules["torch"] = None  # what importing it then does is what it does where it is not installed
import diffusion
from diffusion import *
said = []
for name in ("optimizers", "simulate_torch", "exit_times_torch", "TorchLandscape"):
    try:
        getattr(diffusion, name)
    except ImportError as error:
        said.append(str(error))
print(json.dumps([said, [name for name, _ in inspect.getmembers(diffusion)]]))
"""
    said, members = in_a_process_of_its_own(code)
    assert said[0] == "diffusion.optimizers needs torch: pip install '.[torch]' in the project's folder"
    assert len(said) == 4
    assert {"fokker_planck", "plot"} <= set(members)
    assert not {"optimizers", "simulate_torch"} & set(members)


def test_other_names_are_refused_as_python_does():
    for package in ("diffusion", "theory"):
        module = importlib.import_module(package)
        with pytest.raises(AttributeError, match=f"module '{package}' has no attribute 'simulator'"):
            reduce(getattr, ["simulator"], module)
