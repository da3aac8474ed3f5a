import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import psutil
import pytest

from ingest.settings import SettingError, read_settings
from ingest.start import StartError, check_exposure, check_port, claim_data_folder
from tests.appliance import free_port, wait_for

PROGRAM = textwrap.dedent(
    """
    import sys
    from ingest.supervisor import Part, Supervisor
    parts = [Part(str(n), [sys.executable, "-c", code]) for n, code in enumerate(sys.argv[1:])]
    sys.exit(Supervisor(parts, lambda: print("ready", flush=True)).run())
    """
)
SLEEP = "import time; time.sleep(600)"


def supervise(*codes: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", PROGRAM, *codes], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def running_children(supervisor: subprocess.Popen[str], number: int) -> list[psutil.Process]:
    process = psutil.Process(supervisor.pid)
    return wait_for(lambda: (found := process.children()) and len(found) == number and found, what=f"{number} children")


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_stops_every_part(number: int) -> None:
    supervisor = supervise(SLEEP, SLEEP)
    assert supervisor.stdout is not None and supervisor.stdout.readline() == "ready\n"
    children = running_children(supervisor, 2)
    supervisor.send_signal(number)
    assert supervisor.wait(30) == 0
    assert not any(child.is_running() for child in children)


def test_a_crashed_part_starts_again() -> None:
    supervisor = supervise(SLEEP, SLEEP)
    first, second = running_children(supervisor, 2)
    first.kill()
    wait_for(lambda: not first.is_running())
    assert second in running_children(supervisor, 2)
    supervisor.terminate()
    assert supervisor.wait(30) == 0


def test_no_part_outlives_a_killed_supervisor() -> None:
    supervisor = supervise(SLEEP, SLEEP)
    children = running_children(supervisor, 2)
    supervisor.kill()
    supervisor.wait()
    wait_for(lambda: not any(child.is_running() for child in children), what="the orphans to end")


def test_a_hopeless_part_ends_all() -> None:
    supervisor = supervise(SLEEP, "import sys; sys.exit(2)")
    assert supervisor.wait(30) == 2


def test_a_data_folder_has_one_holder(tmp_path: Path) -> None:
    code = (
        "import sys, pathlib; from ingest.start import claim_data_folder as c\nwith c(pathlib.Path(sys.argv[1])): pass"
    )
    with claim_data_folder(tmp_path / "data"):
        second = subprocess.run([sys.executable, "-c", code, str(tmp_path / "data")], capture_output=True, text=True)
        assert f"in use by another county brain (process {os.getpid()})" in second.stderr
    with claim_data_folder(tmp_path / "data"):
        pass


def test_a_folder_that_cannot_be_made_is_named(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with (
        pytest.raises(StartError, match=r"DATA_DIR .*file/data cannot be written"),
        claim_data_folder(tmp_path / "file" / "data"),
    ):
        pass


def test_a_port_in_use_is_named() -> None:
    import socket

    with socket.create_server(("127.0.0.1", 0)) as taken, pytest.raises(StartError, match="WEB_PORT"):
        check_port("WEB_PORT", "127.0.0.1", taken.getsockname()[1])
    check_port("WEB_PORT", "127.0.0.1", free_port())


@pytest.mark.parametrize(
    ("name", "value"),
    [("WEB_PORT", "eighty"), ("WEB_PORT", "70000"), ("UI_LANG", "fr"), ("AUTH", "off"), ("PARTITIONS", "0")],
)
def test_a_bad_setting_is_named(name: str, value: str) -> None:
    with pytest.raises(SettingError, match=name):
        read_settings({name: value})


def test_settings_reach_a_part_through_its_environment(tmp_path: Path) -> None:
    settings = read_settings({"DATA_DIR": str(tmp_path), "WEB_PORT": "9000", "PARTITIONS": "8", "UI_LANG": "en"})
    assert read_settings(settings.as_environ()) == settings


@pytest.mark.parametrize("environ", [{"AUTH": "demo", "WEB_HOST": "0.0.0.0"}, {"AUTH": "demo", "WEB_HOST": "::"}])
def test_pages_without_log_in_stay_on_this_machine(environ: dict[str, str]) -> None:
    check_exposure(read_settings({}))
    with pytest.raises(StartError, match="log-in"):
        check_exposure(read_settings(environ))
