"""A disk that is full indeed: a file system of a few pages, which grows between two attempts."""

from __future__ import annotations

import shutil
import subprocess

import pytest

from tests.faults.processes import ENVIRONMENT, PATIENCE, START, lscape
from tests.faults.records import differences, leftovers
from tests.faults.stages import write_config
from tests.faults.test_signals import COMMANDS, RUN, folder_of, said_of

ROOMS = (4, 16, 40, 90)  # kB beyond what is there when a stage begins
FULL = "No space left on device"
SCRIPT = """
mount -t tmpfs -o size=64m tmpfs disk || exit 3
[ ! -d before ] || cp -r before disk/runs
used=$(du -sk disk | cut -f1)
for room in {rooms}; do
  mount -o remount,size=$((used + room))k disk
  {command} > $room.out 2> $room.err
  echo $? > $room.code
done
mount -o remount,size=64m disk
{command} > last.out 2> last.err
echo $? > last.code
cp -r disk/runs after
"""


def in_a_namespace(script: str, folder) -> subprocess.CompletedProcess[str]:
    """Mounts within are its own, and need no rights."""
    return subprocess.run(
        ["unshare", "--mount", "--map-root-user", "bash", "-c", script],
        cwd=folder, env=ENVIRONMENT, capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip


@pytest.fixture
def place(tmp_path):
    (tmp_path / "disk").mkdir()
    tried = shutil.which("unshare") and in_a_namespace("mount -t tmpfs tmpfs disk", tmp_path)
    if not tried or tried.returncode:
        pytest.skip("a file system of its own needs user namespaces, which this system lacks")
    write_config(tmp_path)
    return tmp_path


@pytest.mark.faults
@pytest.mark.parametrize("name", ["train", "connect", "compare", "measure", "report"])
def test_a_full_disk_is_said_and_what_is_missing_is_made_later(whole, place, name):
    _, stage, words = COMMANDS[name]
    let_alone = folder_of(whole, stage, f"{name}-on-a-large-disk")
    if stage is not None:
        shutil.copytree(let_alone / "runs", place / "before")
    assert lscape(let_alone, *said_of(words, let_alone)).code == 0
    program = " ".join([*START, "disk/runs", "-1", "0", "0", "changes"])
    arguments = [f"disk/{given}" if given == RUN else str(given) for given in words]
    where = " --runs-dir disk/runs" if name == "train" else ""
    command = f"{program} {' '.join(arguments)}{where}"
    done = in_a_namespace(SCRIPT.format(rooms=" ".join(map(str, ROOMS)), command=command), place)
    assert done.returncode == 0, done
    codes = {room: int((place / f"{room}.code").read_text()) for room in ROOMS}
    assert codes[4] == 1, (codes, (place / "4.err").read_text())
    for room, code in codes.items():
        said = (place / f"{room}.err").read_text()
        assert "Traceback" not in said, said
        assert code == 0 or (FULL in said and "disk/runs/" in said), (room, code, said)
    assert (place / "last.code").read_text() == "0\n", (place / "last.err").read_text()
    assert leftovers(place / "after") == []
    for run in (place / "after").glob("*/meta.json"):
        assert differences(run.parent, let_alone / "runs" / run.parent.name) == []
