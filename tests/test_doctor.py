"""`diffusion-lab doctor`, `--version` and completion say what is there, what is missing, and what to do about it."""

import io
import shutil
import subprocess
import sys
from importlib import metadata

import pytest

from experiments import cli, doctor
from experiments.evidence.data import find

COMMANDS = ("bench", "compare", "doctor", "escape", "evidence", "sweep", "teach", "verify")
SCRIPT = """source {script}
COMP_WORDS=({words}); COMP_CWORD={place}; COMP_LINE='{words}'; COMP_POINT=${{#COMP_LINE}}
$(complete -p diffusion-lab | sed 's/.*-F \\([^ ]*\\) .*/\\1/') diffusion-lab; echo "${{COMPREPLY[@]}}"
"""
PLAIN = """
import sys
from importlib.machinery import PathFinder
absent = "torch", "pytorch_optimizer", "sklearn", "dask", "distributed", "zarr", "marimo", "uvicorn", "benchmarks"
finders = sys.meta_path[:]
class Plain:
    find_distributions = staticmethod(PathFinder.find_distributions)
    def find_spec(self, name, path=None, target=None):
        specs = (finder.find_spec(name, path, target) for finder in finders if name.split(".")[0] not in absent)
        return next(filter(None, specs), None)
sys.meta_path[:] = [Plain()]
import experiments.referee.verify
from experiments import cli, comparison
for line in ("sweep x.toml", "escape", "evidence", "teach", "bench"):
    try:
        cli.app(line, exit_on_error=False, print_error=False)
    except ValueError as error:
        print(f"{line}: {error}")
"""


def run(*arguments):
    return cli.app(arguments, exit_on_error=False, print_error=False, result_action="return_value")


def distribution(folder, name, *lines):
    """The metadata of a package, as if it were installed in a folder."""
    there = folder / f"{name.replace('-', '_')}-9.0.dist-info"
    there.mkdir()
    text = "\n".join(["Metadata-Version: 2.4", f"Name: {name}", "Version: 9.0", *lines])
    (there / "METADATA").write_text(f"{text}\n")


@pytest.fixture
def lacking(tmp_path, monkeypatch):
    """An installation with a core package that is too old, and an extra of which a part's own extra is missing."""
    distribution(
        tmp_path,
        "diffusion-lab",
        "Requires-Dist: numpy>=2.0",
        "Requires-Dist: too-old>=10",
        'Requires-Dist: elsewhere; sys_platform == "nowhere"',
        'Requires-Dist: with-part[part]>=8; extra == "rare"',
        "Provides-Extra: rare",
    )
    distribution(tmp_path, "too-old")
    distribution(tmp_path, "with-part", 'Requires-Dist: not-here; extra == "part"', "Provides-Extra: part")
    monkeypatch.syspath_prepend(tmp_path)


def test_what_works_is_told_with_status_0_and_torch_is_not_imported(capsys):
    before = "torch" in sys.modules
    assert run("doctor") == 0
    assert ("torch" in sys.modules) == before
    out = capsys.readouterr().out
    assert out.endswith("All that the core needs works.\n")
    assert f"numpy {metadata.version('numpy')}" in out
    assert f"torch {metadata.version('torch')}" in out


def test_a_core_package_too_old_is_broken_with_status_1_and_the_command_that_mends_it(lacking, capsys):
    assert run("doctor") == 1
    out = capsys.readouterr().out
    assert "BROKEN  core        not as needed: too-old 9.0 (>=10)" in out
    assert "-> pip install 'too-old>=10'" in out
    assert out.endswith("Broken: core\n")


def test_an_extra_that_lacks_a_part_s_part_is_absent_and_no_fault(lacking):
    answer = doctor.answers()["[rare]"]
    assert answer == doctor.Answer("absent", "without not-here (any version)", "pip install 'diffusion-lab[rare]'")


def test_the_version_is_the_first_line_and_those_of_packages_follow(lacking, capsys):
    run("--version")
    first, platform, core, extras = capsys.readouterr().out.splitlines()
    assert first == "9.0"
    assert platform.startswith(f"Python {sys.version_info.major}.{sys.version_info.minor}.")
    assert core == f"numpy {metadata.version('numpy')}, too-old 9.0 (>=10)"
    assert extras == "with-part 9.0"


def test_sources_that_are_not_installed_are_told_apart(monkeypatch):
    monkeypatch.setattr(doctor, "OURS", "no-such-package")
    assert doctor.core().remedy == "pip install . in the project's folder"
    assert doctor.versions().startswith("not installed\n")


def test_a_check_that_fails_is_broken_and_the_others_go_on(monkeypatch):
    monkeypatch.setattr(doctor, "CORE", ("no_such_module",))
    answers = doctor.answers()
    assert answers["core"] == doctor.Answer("BROKEN", "ModuleNotFoundError: No module named 'no_such_module'")
    assert answers["threads"].state == "ok"


@pytest.mark.parametrize(
    ("features", "bits"), [("+avx,+avx2,+avx512f", 512), ("+avx2,-avx512f", 256), ("+neon", 128), ("+avx,-avx2", 128)]
)
def test_vectors_are_as_wide_as_the_processor_has_them(monkeypatch, features, bits):
    from numba.core.registry import cpu_target

    codegen = type("Codegen", (), {"magic_tuple": lambda self: ("triple", "some-cpu", features)})
    monkeypatch.setattr(type(cpu_target.target_context), "codegen", lambda self: codegen())
    assert doctor.processor().text == f"some-cpu, vectors of {bits} bits: {bits // 64} numbers in float64"


def test_the_folder_of_kernels_is_told_with_what_is_in_it(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    assert doctor.kernels().text.startswith("0 of at most 400 kept in ")
    folder = tmp_path / "diffusion-lab" / "kernels"
    folder.mkdir(parents=True)
    for name in ("a.nbc", "b.nbc", "b.nbc.part"):
        (folder / name).write_bytes(bytes(1_000_000))
    assert doctor.kernels() == doctor.Answer("ok", f"2 of at most 400 kept in {folder}, 2 MB, writable")


def test_a_folder_that_cannot_be_written_to_is_no_fault(tmp_path, monkeypatch):
    (tmp_path / "file").touch()
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "file"))
    assert (doctor.kernels().state, doctor.kernels().remedy) == ("absent", "XDG_CACHE_HOME=DIR names another folder")


@pytest.mark.parametrize(("encoding", "state"), [("ascii", "BROKEN"), ("latin-1", "BROKEN"), ("utf-8", "ok")])
def test_a_terminal_must_show_the_signs_of_verdicts(monkeypatch, encoding, state):
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(io.BytesIO(), encoding=encoding))
    assert doctor.terminal().state == state


def test_data_are_found_where_evidence_unpacks_them_and_not_downloaded(tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    package = find.Package("no-such-package", "usr/share/data", "The data were", "--data DIR")
    step = "apt-get update && apt-get install no-such-package, or give --data DIR"
    assert doctor.data(package) == doctor.Answer("absent", "The data were not found, for evidence", step)
    assert list(tmp_path.iterdir()) == []
    kept = find.cache() / package.name / package.inside
    kept.mkdir(parents=True)
    assert doctor.data(package) == doctor.Answer("ok", str(kept))


def test_no_remedy_is_wrapped(monkeypatch):
    monkeypatch.setenv("COLUMNS", "50")
    lines = doctor.told({"topic": doctor.Answer("absent", "word " * 30, "command " * 20)}).splitlines()
    (remedy,) = [line for line in lines if "->" in line]
    assert remedy.endswith("command " * 20)
    assert max(len(line) for line in lines if line != remedy) <= 50


@pytest.mark.skipif(shutil.which("bash") is None, reason="completes in bash")
@pytest.mark.parametrize(
    ("words", "expected"),
    [("diffusion-lab ''", COMMANDS), ("diffusion-lab verify --t", ("--threads", "--timings"))],
)
def test_the_tab_key_completes_commands_and_options(tmp_path, monkeypatch, words, expected):
    monkeypatch.setenv("HOME", str(tmp_path))
    script = tmp_path / "completion"
    run("--install-completion", "--shell", "bash", "--output", str(script))
    assert str(script) in (tmp_path / ".bashrc").read_text()
    asked = SCRIPT.format(script=script, words=words, place=len(words.split()) - 1)
    done = subprocess.run(["bash", "--norc", "-c", asked], capture_output=True, text=True, check=True)
    assert set(expected) == set(done.stdout.split())


@pytest.mark.parametrize("place", [["--output", "{}/file/script"], []])
def test_completion_that_cannot_be_written_says_where_and_what_helps(tmp_path, monkeypatch, place):
    (tmp_path / "file").touch()
    monkeypatch.setenv("HOME", str(tmp_path / "file"))
    with pytest.raises(
        ValueError, match=f"cannot be written to {tmp_path}/file.*: .*; --output FILE writes the script"
    ):
        run("--install-completion", "--shell", "bash", *(word.format(tmp_path) for word in place))


def test_a_plain_installation_verifies_and_compares_and_the_rest_names_what_it_needs():
    done = subprocess.run([sys.executable, "-c", PLAIN], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.splitlines()) == (0, [])
    assert done.stdout.splitlines() == [
        "sweep x.toml: dask is not installed: pip install 'diffusion-lab[sweep]'",
        "escape: zarr is not installed: pip install 'diffusion-lab[sweep]'",
        "evidence: torch is not installed: pip install 'diffusion-lab[evidence]'",
        "teach: teach needs marimo; install it with pip install 'diffusion-lab[teach]'",
        "bench: bench needs a clone of the project: make bench there (No module named 'benchmarks')",
    ]
