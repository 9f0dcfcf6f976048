"""The demo tells its story to the end, and leaves nothing behind."""

import subprocess
import sys
import tempfile
from pathlib import Path

from tests.servers.authz_server import ROOT
from tests.servers.processes import bare_environment

LIMIT = 240.0
"""Seconds; it takes a few on an idle machine."""


def test_the_demo_goes_as_told_and_leaves_nothing_behind(tmp_path: Path) -> None:
    ran = subprocess.run(
        [sys.executable, ROOT / "scripts" / "demo.py"],
        env=bare_environment() | {"TMPDIR": str(tmp_path)},
        cwd=tmp_path,
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
    )
    assert ran.returncode == 0, ran.stdout + ran.stderr
    told = [
        "AccessDenied",
        "the change was written in",
        "the store has it: cat.jpg",
        'verdict="ALLOWED"',
        "everything is stopped and removed",
    ]
    assert [line for line in told if line not in ran.stdout] == []
    assert list(tmp_path.iterdir()) == []
    assert processes_that_mention(str(tmp_path)) == []
    assert tempfile.gettempdir() != str(tmp_path)


def processes_that_mention(text: str) -> list[str]:
    """Return the command lines of running processes that contain this text."""
    lines = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            lines.append(path.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
        except OSError:
            continue  # it ended meanwhile
    return [line for line in lines if text in line]
