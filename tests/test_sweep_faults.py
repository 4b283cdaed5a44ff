"""Faults that a sweep survives: whatever is killed, full or damaged, the store ends byte for byte as if undisturbed.

Every process that a test kills it has started itself, on loopback.
"""

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import types
from multiprocessing.spawn import get_preparation_data

import psutil
import pytest
import sweeps

from experiments.sweep import Sweep, report, run
from experiments.sweep.cluster import JOIN, without_script

long = pytest.mark.long


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory):
    """A description, and the store of a run in this process."""
    folder = tmp_path_factory.mktemp("undisturbed")
    path = sweeps.description(folder / "a.toml", replicas=800, block=50, points=3, low=1.6)
    run(Sweep.from_toml(path), folder / "a.zarr", workers=0)
    return path, sweeps.contents(folder / "a.zarr")


@pytest.fixture
def drivers():
    """Starts drivers and other processes; those that still run at the end are killed."""
    started = []

    def start(*arguments, **more):
        started.append(sweeps.start(*arguments, **more))
        return started[-1]

    start.started = started
    yield start
    for process in started:
        sweeps.end(process)


SCRIPT = """
from experiments.sweep import Sweep, cost, run
asked = Sweep.from_toml({toml!r})
if {trials}:
    cost.estimate_apart(asked)
print(run(asked, {store!r}, workers=1).computed, "tasks")
"""


@long
@pytest.mark.parametrize("trials", [False, True])
@pytest.mark.parametrize("source", ["file", "standard input"])
def test_a_script_without_a_main_guard(source, trials, tmp_path):
    """Its workers, and the trials, are processes that would run it again, or look for it in vain."""
    path, script = sweeps.description(tmp_path / "a.toml", points=1, low=4.0, replicas=50), tmp_path / "script.py"
    script.write_text(SCRIPT.format(toml=str(path), store=str(tmp_path / "a.zarr"), trials=trials))
    done = subprocess.run(
        [sys.executable, script if source == "file" else "-"],
        input=script.read_text(),
        cwd=tmp_path,
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(sweeps.ROOT)},
        timeout=120,
        check=False,
    )
    assert (done.returncode, done.stderr, done.stdout) == (0, "", "2 tasks\n")


OWN = """
from experiments.sweep import Sweep, run
def measure(dynamics):
    return {"x": dynamics.lr}
measure.variables = ("x",)
GUARDrun(Sweep.from_mapping({
    "landscape": {"name": "StyblinskiTang", "dimension": 1}, "noise": {"name": "HessianNoise", "batch_size": 1},
    "dynamics": {"name": "SGD"}, "measure": {"name": "own:measure"}, "axes": {"lr": [0.01, 0.02]},
}), "own.zarr", workers=1)
"""


@pytest.mark.parametrize("guard", ["", pytest.param("if __name__ == '__main__': ", marks=long)])
def test_a_script_that_is_imported_for_what_it_measures(guard, tmp_path):
    """Without a main guard the import would run the sweep again."""
    script = tmp_path / "own.py"
    script.write_text(OWN.replace("GUARD", guard))
    done = subprocess.run(
        [sys.executable, script],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=os.environ | {"PYTHONPATH": f"{sweeps.ROOT}:{tmp_path}"},
    )
    assert (done.returncode, (tmp_path / "own.zarr").exists()) == ((0, True) if guard else (1, False)), done.stderr
    last = done.stderr.splitlines()[-1:]
    assert guard or ("own runs a sweep when it is imported" in last[0] and "put the run under if __name__" in last[0])


def test_processes_are_not_told_where_the_script_is(monkeypatch):
    """Neither by its name nor by its file, as multiprocessing prepares them; the script keeps what it defines."""
    before = types.ModuleType("__main__")
    before.__file__ = "/a/script.py"
    monkeypatch.setitem(sys.modules, "__main__", before)
    with without_script():
        told = get_preparation_data("a worker")
        assert vars(sys.modules["__main__"]).items() >= {"__name__": "__main__"}.items()
    assert not {"init_main_from_name", "init_main_from_path"} & told.keys()
    assert {"init_main_from_name", "init_main_from_path"} & get_preparation_data("a worker").keys()
    assert sys.modules["__main__"] is before


def under_way(process, store, tasks=3):
    """Wait until so many tasks are done."""
    assert sweeps.wait_for(lambda: sweeps.tasks_done(store) >= tasks, process=process), process.communicate()


def workers(driver):
    """Worker processes of a driver."""
    return [
        child
        for child in psutil.Process(driver.pid).children(recursive=True)
        if "spawn_main" in " ".join(child.cmdline())
    ]


@pytest.mark.long
def test_a_worker_is_killed(undisturbed, drivers, tmp_path):
    """In mid-task; two workers, and still the bits of one."""
    path, wanted = undisturbed
    driver = drivers(path, "--out", tmp_path / "a.zarr", "--workers", 2)
    under_way(driver, tmp_path / "a.zarr")
    workers(driver)[0].kill()
    sweeps.finish(driver)
    assert sweeps.contents(tmp_path / "a.zarr") == wanted


def test_a_driver_is_killed(undisturbed, drivers, tmp_path):
    """Its workers end with it; resumed, here without workers, only what was in flight is computed again."""
    path, wanted = undisturbed
    store = tmp_path / "a.zarr"
    driver = drivers(path, "--out", store, "--workers", 1)
    under_way(driver, store, 10)
    children = workers(driver)
    driver.kill()
    driver.communicate()
    assert psutil.wait_procs(children, timeout=20)[1] == []
    complete = sum((store / "complete" / "c" / str(k) / route).exists() for k in range(3) for route in "01")
    exact_done = sum((store / "done" / "c" / str(k) / "1" / "0").exists() for k in range(3))
    blocks_done = sweeps.tasks_done(store) - exact_done
    left = (
        3 * 16 - blocks_done + 6 - complete
    )  # blocks, and of each point its summary, which an exact rate has in its one task
    assert left > 10
    assert run(Sweep.from_toml(path), store, workers=0, resume=True).computed == left
    assert sweeps.contents(store) == wanted


@pytest.mark.long
def test_a_second_driver_is_refused_and_nothing_listens_beyond_loopback(undisturbed, drivers, tmp_path):
    path, wanted = undisturbed
    store = tmp_path / "a.zarr"
    driver = drivers(path, "--out", store)
    under_way(driver, store)
    listening = [
        connection.laddr.ip
        for process in (psutil.Process(driver.pid), *workers(driver))
        for connection in process.net_connections("inet")
        if connection.status == psutil.CONN_LISTEN
    ]
    assert set(listening) == {"127.0.0.1"}
    driver.send_signal(signal.SIGSTOP)  # for as long as another takes to start
    assert "is in use by process" in sweeps.complete(path, "--out", store, "--resume", status=2)
    assert f"driver: process {driver.pid} on" in report.status(store)[0]
    driver.send_signal(signal.SIGCONT)
    sweeps.finish(driver)
    assert sweeps.contents(store) == wanted


@long
def test_a_driver_is_killed_ten_times_over_one_sweep(undisturbed, drivers, tmp_path):
    path, wanted = undisturbed
    store, rng, unfinished = tmp_path / "a.zarr", random.Random(1), 0
    for _ in range(10):
        driver = drivers(path, "--out", store, *(["--resume"] if store.exists() else []))
        target = sweeps.tasks_done(store) + rng.randint(0, 5)
        sweeps.wait_for(lambda target=target: sweeps.tasks_done(store) >= target, process=driver)
        time.sleep(0.3 * rng.random())
        driver.kill()
        driver.communicate()
        unfinished += sweeps.tasks_done(store) < 51
    assert unfinished >= 5
    sweeps.complete(path, "--out", store, "--resume")
    assert sweeps.contents(store) == wanted


@long
def test_ctrl_c(undisturbed, drivers, tmp_path):
    """As a terminal sends it, to the driver and its workers."""
    path, wanted = undisturbed
    store = tmp_path / "a.zarr"
    driver = drivers(path, "--out", store)
    under_way(driver, store)
    os.killpg(driver.pid, signal.SIGINT)
    text = sweeps.finish(driver, 130, timeout=30)
    assert text.strip().endswith("--resume goes on")
    assert "Traceback" not in text
    sweeps.complete(path, "--out", store, "--resume")
    assert sweeps.contents(store) == wanted


@long
@pytest.mark.skipif(os.geteuid() != 0, reason="only root mounts a small disk")
def test_a_full_disk(undisturbed, tmp_path):
    path, wanted = undisturbed
    disk = tmp_path / "disk"
    disk.mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=500k", "tmpfs", disk], check=True)
    try:
        text = sweeps.complete(path, "--out", disk / "a.zarr", status=1)
        assert "the store could not be written" in text
        assert "No space left on device" in text
        assert "Traceback" not in text
        assert sweeps.tasks_done(disk / "a.zarr") > 3
        subprocess.run(["mount", "-o", "remount,size=50m", disk], check=True)
        sweeps.complete(path, "--out", disk / "a.zarr", "--resume")
        assert sweeps.contents(disk / "a.zarr") == wanted
    finally:
        subprocess.run(["umount", disk], check=True)


@long
def test_chunks_are_truncated_and_lost(undisturbed, tmp_path):
    path, wanted = undisturbed
    store = tmp_path / "a.zarr"
    sweeps.complete(path, "--out", store)
    chunk = store / "exit_iteration" / "c" / "0" / "0" / "2"
    chunk.write_bytes(chunk.read_bytes()[:50])
    (store / "rate" / "c" / "1" / "0").unlink()
    assert "2 tasks had lost data and were computed again" in sweeps.complete(path, "--out", store, "--resume")
    assert sweeps.contents(store) == wanted


@long
def test_a_task_that_kills_its_workers_fails_alone(drivers, tmp_path):
    """As the system kills one that takes all memory."""
    path = sweeps.description(tmp_path / "a.toml")
    text = path.read_text().split("[measure]")[0]
    path.write_text(text + '[measure]\nname = "own_measure:deadly"\n[axes]\nfactor = [1.0, 2.0, 3.0]\n')
    text = sweeps.complete(path, "--out", tmp_path / "a.zarr", "--yes", status=1)
    assert "a trial ended its process" in text
    assert "failed: factor = 2: its worker died 4 times: out of memory, or killed" in text
    assert "2 of 3 points" in text
    found = report.results(tmp_path / "a.zarr")
    assert found["value"].values[[0, 2]].tolist() == [1.0, 3.0]


@pytest.fixture
def cluster(drivers, tmp_path):
    """A scheduler and two workers of one thread, started by hand as users do."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"tcp://127.0.0.1:{free.getsockname()[1]}"
    environment = os.environ | {"PYTHONPATH": f"{sweeps.ROOT}:{sweeps.ROOT / 'tests'}"}

    def run(*command):
        process = subprocess.Popen(
            [sys.executable, "-m", *command],
            env=environment,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            text=True,
            start_new_session=True,
            cwd=tmp_path,
        )
        drivers.started.append(process)
        return process

    def scheduler(*more):
        port = address.rsplit(":", 1)[1]
        return run("distributed.cli.dask_scheduler", "--host", "127.0.0.1", "--port", port, "--no-dashboard", *more)

    def worker(*more, at=address):
        return run(
            "distributed.cli.dask_worker",
            at,
            "--nworkers",
            "1",
            "--nthreads",
            "1",
            "--no-nanny",
            "--no-dashboard",
            *more,
        )

    return address, scheduler, worker


@long
def test_a_scheduler_started_separately_and_one_of_its_workers_killed(undisturbed, drivers, cluster, tmp_path):
    path, wanted = undisturbed
    address, scheduler, worker = cluster
    scheduler()
    first, _ = worker(), worker()
    driver = drivers(path, "--out", tmp_path / "a.zarr", "--scheduler", address)
    under_way(driver, tmp_path / "a.zarr")
    first.kill()
    sweeps.finish(driver)
    assert sweeps.contents(tmp_path / "a.zarr") == wanted


@long
def test_all_workers_leave_and_another_joins(undisturbed, drivers, cluster, tmp_path):
    """Others are waited for, and it is said that none is left."""
    path, wanted = undisturbed
    address, scheduler, worker = cluster
    scheduler()
    only = worker()
    driver = drivers(path, "--out", tmp_path / "a.zarr", "--scheduler", address)
    under_way(driver, tmp_path / "a.zarr")
    only.kill()
    time.sleep(2 * JOIN + 5)
    worker()
    assert f"no worker is left at {address}; start some" in sweeps.finish(driver)
    assert sweeps.contents(tmp_path / "a.zarr") == wanted


@long
def test_the_scheduler_is_restarted(undisturbed, drivers, cluster, tmp_path):
    path, wanted = undisturbed
    address, scheduler, worker = cluster
    before = scheduler()
    worker()
    driver = drivers(path, "--out", tmp_path / "a.zarr", "--scheduler", address)
    under_way(driver, tmp_path / "a.zarr")
    before.kill()
    text = sweeps.finish(driver, 1, timeout=120)
    assert "the connection to the scheduler was lost" in text
    assert "Traceback" not in text
    scheduler()
    worker()
    sweeps.complete(path, "--out", tmp_path / "a.zarr", "--scheduler", address, "--resume")
    assert sweeps.contents(tmp_path / "a.zarr") == wanted


@long
def test_a_scheduler_without_workers_or_none_at_all(undisturbed, cluster, tmp_path):
    path, _ = undisturbed
    address, scheduler, _ = cluster
    text = sweeps.complete(path, "--out", tmp_path / "a.zarr", "--scheduler", address, status=1)
    assert f"no scheduler answers at {address}" in text
    scheduler()
    assert "no worker has joined" in sweeps.complete(
        path, "--out", tmp_path / "a.zarr", "--scheduler", address, status=1
    )
    sweeps.complete(path, "--out", tmp_path / "a.zarr", "--resume")


@long
@pytest.mark.skipif(shutil.which("openssl") is None, reason="openssl makes the certificates")
def test_a_scheduler_over_tls(undisturbed, cluster, tmp_path):
    """Workers and driver show a certificate; a driver without one is turned away."""
    path, wanted = undisturbed
    address, scheduler, worker = cluster
    address = address.replace("tcp", "tls")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    request = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"]
    subprocess.run([*request, "-keyout", key, "-out", certificate], check=True, capture_output=True)
    files = [str(one) for one in ("--tls-ca-file", certificate, "--tls-cert", certificate, "--tls-key", key)]
    scheduler("--protocol", "tls", *files)
    worker(*files, at=address)
    sweeps.complete(path, "--out", tmp_path / "a.zarr", "--scheduler", address, *files)
    assert sweeps.contents(tmp_path / "a.zarr") == wanted
    assert "--tls-ca-file" in sweeps.complete(path, "--out", tmp_path / "b.zarr", "--scheduler", address, status=2)
    text = sweeps.complete(path, "--out", tmp_path / "b.zarr", "--scheduler", address, *files[:4], status=2)
    assert "tls_key is missing" in text


def test_an_address_that_is_none_is_refused(tmp_path):
    asked = Sweep.from_toml(sweeps.description(tmp_path / "a.toml"))
    with pytest.raises(ValueError, match="must be tcp://host:port or tls://host:port"):
        run(asked, tmp_path / "a.zarr", scheduler="localhost:8786")
    assert not (tmp_path / "a.zarr").exists()
    assert not (tmp_path / "a.zarr").exists()
