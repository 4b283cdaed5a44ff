"""What the project says of itself outside the code agrees: its version, its Pythons, its extras."""

import re
import tomllib

import yaml
from readme import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def read(name):
    """A YAML file of the project."""
    return yaml.safe_load((ROOT / name).read_text(encoding="utf-8"))


def test_the_version_is_that_of_the_citation_and_of_the_last_release_in_the_changelog():
    releases = re.findall(r"^## \[(\d.*?)\]", (ROOT / "CHANGELOG.md").read_text(encoding="utf-8"), flags=re.MULTILINE)
    assert [PROJECT["version"], str(read("CITATION.cff")["version"])] == [releases[0]] * 2


def test_the_pythons_that_are_promised_are_those_that_are_tried():
    named = [line.rpartition(" :: ")[2] for line in PROJECT["classifiers"] if re.search(r":: 3\.\d+$", line)]
    jobs = read(".github/workflows/ci.yml")["jobs"]
    assert jobs["linux"]["strategy"]["matrix"]["python"] == named
    assert PROJECT["requires-python"] == f">={named[0]}"


def test_the_extras_that_pip_is_asked_for_exist():
    """Of one that does not exist pip warns only, and what it was for is missing later."""
    lists = re.findall(r"\.\[([a-z,]+)\]", (ROOT / ".github/workflows/ci.yml").read_text(encoding="utf-8"))
    lists += re.findall(r"EXTRAS := ([a-z,]+)", (ROOT / "Makefile").read_text(encoding="utf-8"))
    (there,) = read(".readthedocs.yaml")["python"]["install"]
    assert {*",".join(lists).split(","), *there["extra_requirements"]} <= set(PROJECT["optional-dependencies"])
