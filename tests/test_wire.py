"""The committed messages are what protos/ compile to, and nothing of them claims a name of ours."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parent.parent
WIRE = ROOT / "authz" / "wire"


def _contents(folder: Path) -> dict[str, str]:
    return {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("*.py*") if path.suffix in {".py", ".pyi"}}


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """The wire room as protos/ compile now."""
    pytest.importorskip("grpc_tools", reason="grpcio-tools is in the `lint` extra")
    folder = tmp_path_factory.mktemp("wire")
    subprocess.run(
        [sys.executable, ROOT / "scripts" / "generate_wire.py", "--output", folder], check=True, timeout=60
    )
    return _contents(folder)


def test_the_committed_wire_room_is_what_the_protos_compile_to(generated: dict[str, str]) -> None:
    assert _contents(WIRE) == generated, "run `make wire` and commit authz/wire"


def test_generated_code_imports_its_own_kind_from_the_wire_room_only(generated: dict[str, str]) -> None:
    lines = [line for text in generated.values() for line in text.splitlines() if line.startswith(("from authz", "import authz"))]
    assert lines
    assert all(line.startswith("from authz.wire.") for line in lines)


def test_every_service_is_in_the_pool_that_reflection_reads() -> None:
    from google.protobuf import descriptor_pool

    import authz.wire.authz.admin.v1.user_service_pb2  # noqa: F401 - importing it fills the pool

    service = descriptor_pool.Default().FindServiceByName("authz.admin.v1.UserService")
    assert "CreateUser" in service.methods_by_name
