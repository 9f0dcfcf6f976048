"""The committed messages are what protos/ compile to, and nothing of them claims a name of ours."""

import re
import subprocess
import sys
from pathlib import Path

import pytest
from google.protobuf import descriptor_pool

from authz.wire.authz.admin.v1 import user_service_pb2

ROOT = Path(__file__).resolve().parent.parent
WIRE = ROOT / "authz" / "wire"


def _contents(folder: Path) -> dict[str, str]:
    files = [path for path in folder.rglob("*") if path.suffix in {".py", ".pyi"}]
    return {str(path.relative_to(folder)): path.read_text() for path in files}


def _generate(*arguments: str | Path) -> None:
    script = ROOT / "scripts" / "generate_wire.py"
    subprocess.run([sys.executable, script, *arguments], check=True, timeout=120)


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The wire room as protos/ compile now."""
    folder = tmp_path_factory.mktemp("wire")
    _generate("--output", folder)
    return _contents(folder)


def test_the_committed_wire_room_is_what_the_protos_compile_to(generated: dict[str, str]) -> None:
    assert _contents(WIRE) == generated, "run `make wire` and commit authz/wire"


def test_generated_code_imports_its_own_kind_from_the_wire_room_only(
    generated: dict[str, str],
) -> None:
    text = "\n".join(generated.values())
    imports = re.findall(r"^(?:from|import) (authz\S*)", text, re.MULTILINE)
    assert imports
    assert all(module.startswith("authz.wire.") for module in imports)


def test_every_service_is_in_the_pool_that_reflection_reads() -> None:
    assert user_service_pb2.DESCRIPTOR.services_by_name
    service = descriptor_pool.Default().FindServiceByName("authz.admin.v1.UserService")
    assert "CreateUser" in service.methods_by_name


def test_the_protos_pass_lint_and_are_formatted() -> None:
    _generate("--check")
    buf = Path(sys.executable).parent / "buf"
    command = [buf, "format", ROOT / "protos", "--diff", "--exit-code"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
