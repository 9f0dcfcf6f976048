"""Runs `authz` in this process against a service of another one, as people and scripts do."""

import json

from click.testing import CliRunner

from authz.cli.client import Client
from authz.cli.credentials import Credential
from authz.cli.main import cli
from authz.identity.credential import Secret
from tests.servers.authz_server import ROOT_CREDENTIAL
from tests.servers.ports import LOOPBACK
from tests.servers.processes import PATIENCE

READ = json.dumps({
    "Version": "2012-10-17",
    "Statement": [
        {"Sid": "Read", "Effect": "Allow", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::photos/*"}
    ],
})  # fmt: skip
CAT = "arn:aws:s3:::photos/cat.jpg"


class Run:
    """Runs `authz` against the service, as root or with a credential of one's own.

    What a command changed is in force when it returns.
    """

    def __init__(self, server, folder):
        self.server = server
        self.folder = folder

    def __call__(self, *arguments, credential=ROOT_CREDENTIAL, stdin=None):
        environment = {
            "AUTHZ_ADDRESS": f"{LOOPBACK}:{self.server.grpc_port}",
            "AUTHZ_HTTP_ADDRESS": f"{LOOPBACK}:{self.server.http_port}",
            "AUTHZ_ACCESS_KEY": credential[0],
            "AUTHZ_SECRET_KEY": credential[1],
            "AUTHZ_SESSION_TOKEN": credential[2] if len(credential) > 2 else "",
            "COLUMNS": "200",
        }
        result = CliRunner().invoke(
            cli, ["--timeout", str(PATIENCE), *arguments], prog_name="authz", env=environment, input=stdin
        )  # fmt: skip
        self.server.settle()
        return result

    def json(self, *arguments, **options):
        result = self(*arguments, "--json", **options)
        assert result.exit_code == 0, result.output
        return json.loads(result.stdout)

    @staticmethod
    def json_of(result):
        return json.loads(result.stdout)

    def ok(self, *arguments, **options):
        result = self(*arguments, **options)
        assert result.exit_code == 0, result.output
        return result.stdout

    def file(self, name, text):
        path = self.folder / name
        path.write_text(text)
        return str(path)

    def client(self, credential=ROOT_CREDENTIAL, clock=None):
        address = f"{LOOPBACK}:{self.server.grpc_port}"
        signer = Credential(credential[0], Secret(credential[1]))
        return Client(address, signer, region="us-east-1", timeout=PATIENCE, clock=clock)
