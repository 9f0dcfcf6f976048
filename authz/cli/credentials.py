"""What the command line signs with: a long-lived credential, or a session's with its token.

A credential file is the JSON that the service writes for root (`accessKey`, `secretKey`); with `sessionToken`
it is a session's.

Not here: which one a run takes (`session.py`), and signing (`client.py`).
"""

import json
from pathlib import Path
from typing import NamedTuple

from authz.cli.errors import CliError, ExitCode
from authz.identity.credential import Secret


class Credential(NamedTuple):
    """An access key id, its secret, and a session's token, `None` for what is no session's."""

    access_key_id: str
    secret: Secret
    session_token: Secret | None = None


def read_credential(path: Path) -> Credential:
    """Read a credential file."""
    hint = "set AUTHZ_ACCESS_KEY and AUTHZ_SECRET_KEY, or name a file with --credentials"
    try:
        document = json.loads(path.read_bytes())
        token = document.get("sessionToken")
        return Credential(
            str(document["accessKey"]),
            Secret(str(document["secretKey"])),
            Secret(str(token)) if token else None,
        )
    except OSError as error:
        problem = f"no credential: {path} cannot be read ({error.strerror})"
        raise CliError(problem, exit_code=ExitCode.DENIED, hint=hint) from None
    except (ValueError, KeyError, TypeError, AttributeError):
        problem = f"{path} is no credential file: JSON with accessKey and secretKey"
        raise CliError(problem, exit_code=ExitCode.USAGE, hint=hint) from None
