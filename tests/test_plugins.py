"""Packages of others add claims, landscapes and optimizers by entry points: the page's own, as if it were installed."""

import re
import sys
import tomllib

import pytest
import readme

from experiments.referee import registry
from experiments.referee.routes import Routes
from experiments.sweep import Sweep, naming, provenance

PAGE = (readme.ROOT / "docs" / "plugins.md").read_text(encoding="utf-8")
FILES = {
    re.match(r"# (\S+)", text)[1]: text for text in re.findall(r"```(?:toml|python)\n(.*?)```", PAGE, flags=re.DOTALL)
}
PROJECT = tomllib.loads(FILES["pyproject.toml"])["project"]


@pytest.fixture
def install(tmp_path, monkeypatch):
    """Puts the metadata of a package on the path, with these entry points, and the page's module."""

    def installed(name, groups):
        folder = tmp_path / f"{name.replace('-', '_')}-1.dist-info"
        folder.mkdir()
        (folder / "METADATA").write_text(f"Metadata-Version: 2.4\nName: {name}\nVersion: 1\n")
        lines = [
            f"[{group}]\n" + "".join(f"{key} = {value}\n" for key, value in named.items())
            for group, named in groups.items()
        ]
        (folder / "entry_points.txt").write_text("\n".join(lines))

    (tmp_path / "tilted_wells.py").write_text(FILES["tilted_wells.py"])
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.delitem(sys.modules, "tilted_wells", raising=False)
    monkeypatch.setattr(naming, "SOURCES", {})
    naming.resolved.cache_clear()
    yield installed
    naming.resolved.cache_clear()


def test_the_page_s_package_adds_a_claim_a_landscape_and_an_optimizer(install):
    install(PROJECT["name"], PROJECT["entry-points"])
    (claim,) = registry.select(["tilted"])
    verdict = [finding.holds for finding in claim.findings(list(claim.evidence(Routes(1, 1))))]
    assert verdict == [True, False]  # at the low temperature, at the high one
    tables = tomllib.loads(FILES["tilted.toml"])
    well, rule = (naming.build(section, tables[section]) for section in ("landscape", "dynamics"))
    assert well.saddle == -0.1
    assert rule.parameters == (0.02,)


def test_a_sweep_of_a_package_s_objects_remembers_their_sources_and_takes_their_parameters(install):
    install(PROJECT["name"], PROJECT["entry-points"])
    tables = tomllib.loads(FILES["tilted.toml"]) | {"axes": {"tilt": [0.0, 0.1]}}
    sweep = Sweep.from_mapping(tables | {"measure": {"name": "exact_rate", "boundary": "saddle"}})
    assert set(provenance.own_sources(sweep)) == {"TiltedWell", "RootRule"}
    with pytest.raises(ValueError, match=r"parameter of landscape = 'tilte' .*tilt"):
        Sweep.from_mapping(tables | {"landscape": {"name": "TiltedWell", "tilte": 0.1}})


@pytest.mark.parametrize(
    ("entries", "message"),
    [
        ({"SGD": "mine:SGD"}, "'SGD' in diffusion_lab.optimizers is both diffusion:SGD and mine:SGD"),
        ({"RootRule": "mine:rule"}, "'RootRule' in diffusion_lab.optimizers is both "),
    ],
)
def test_a_name_that_is_taken_is_refused_with_both_places(install, entries, message):
    install(PROJECT["name"], PROJECT["entry-points"])
    install("mine", {naming.GROUPS["dynamics"]: entries})
    with pytest.raises(ValueError, match=message):
        naming.build("dynamics", {"name": "RootRule"})


def test_an_entry_that_is_no_landscape_is_refused(install):
    install("mine", {naming.GROUPS["landscape"]: {"Mine": "tilted_wells:rule", "Nothing": "tilted_wells:nothing"}})
    with pytest.raises(ValueError, match=r"landscape.name = 'Mine' is no Landscape: name one"):
        naming.build("landscape", {"name": "Mine"})
    with pytest.raises(ValueError, match=r"landscape.name = 'tilted_wells:nothing' cannot be imported"):
        naming.build("landscape", {"name": "Nothing"})
    with pytest.raises(ValueError, match=r"landscape.name = 'Nowhere' .*StyblinskiTang.*Mine"):
        naming.build("landscape", {"name": "Nowhere"})
