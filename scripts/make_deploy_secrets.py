"""Make the secrets that `deploy/compose.yaml` reads: random, for this machine, never overwritten.

Compose mounts them as files; a container's user must be able to read them, so the files are readable and the
directory is not: on the host only their owner gets to them.
"""

import secrets
import string
from pathlib import Path

DIRECTORY = Path(__file__).parents[1] / "deploy" / "secrets"
ALPHABET = string.ascii_letters + string.digits


def main() -> None:
    """Write whatever is missing and say where it lies."""
    DIRECTORY.mkdir(mode=0o700, exist_ok=True)
    DIRECTORY.chmod(0o700)
    password = _random_text(ALPHABET, 32)
    key_id = "AKIA" + _random_text(string.ascii_uppercase + string.digits, 16)
    if _write("postgres-password", password):
        _write("database-url", f"postgresql://authz:{password}@postgres:5432/authz")
    if _write("root-access-key", key_id):
        _write("root-secret-key", _random_text(ALPHABET, 40))


def _random_text(alphabet: str, length: int) -> str:
    return "".join(secrets.choice(alphabet) for _ in range(length))


def _write(name: str, text: str) -> bool:
    """Write a secret unless it is there; tell whether it was written."""
    path = DIRECTORY / name
    try:
        with path.open("x", encoding="utf-8") as file:
            file.write(text)
    except FileExistsError:
        return False
    path.chmod(0o444)
    return True


if __name__ == "__main__":
    main()
