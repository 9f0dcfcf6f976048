"""What the acceptance tests work with: a running picture, and a user whose one policy they rewrite.

The way around authz (`backdoor`) serves to prepare what is in the store and to see what reached it.
"""

import functools
from dataclasses import dataclass
from typing import Any

import boto3
from botocore.config import Config
from botocore.exceptions import ClientError

from tests.servers.admin_client import Statement, document, statement
from tests.servers.authz_server import AuthzServer
from tests.servers.envoy import Envoy
from tests.servers.http_echo import HttpEcho
from tests.servers.moto_store import MotoStore

S3 = Any
Credential = tuple[str, str]

ONCE = Config(
    s3={"addressing_style": "path"},
    signature_version="s3v4",
    retries={"total_max_attempts": 1},
    connect_timeout=30,
    read_timeout=60,
    tcp_keepalive=False,
)


@dataclass(frozen=True)
class Stack:
    """authz, Envoy that asks it, the store behind it, and an HTTP service that tells what reached it."""

    authz: AuthzServer
    envoy: Envoy
    store: MotoStore
    orders: HttpEcho

    def s3(self, credential: Credential, **config: Any) -> S3:
        """Return a boto3 client that goes through Envoy and never tries twice."""
        return s3_client(self.envoy.url("s3"), credential, **config)

    @functools.cached_property
    def backdoor(self) -> S3:
        """A boto3 client that speaks to the store directly."""
        return s3_client(self.store.url, ("AKIABACKDOORBACKDOOR", "not-checked"))


_session = boto3.session.Session()


def s3_client(url: str, credential: Credential, **config: Any) -> S3:
    """Return a boto3 client for this address."""
    return _session.client(
        "s3",
        endpoint_url=url,
        aws_access_key_id=credential[0],
        aws_secret_access_key=credential[1],
        region_name="us-east-1",
        config=ONCE.merge(Config(**config)),
    )


@dataclass(frozen=True, slots=True)
class PolicyUser:
    """A user with one policy that tests rewrite."""

    name: str
    credential: Credential
    server: AuthzServer

    def may(self, *statements: Statement) -> None:
        """Replace what the user may do by these statements, and wait until it is enforced."""
        self.server.wait_for_revision(
            self.server.admin.replace_policy(self.name, document(*statements))
        )

    def may_nothing_but(self, *needs: tuple[str, str]) -> None:
        """Allow exactly these actions on these resources."""
        self.may(*(statement("Allow", action, resource) for action, resource in needs))

    def may_all_but(self, action: str, resource: str) -> None:
        """Allow everything with no exception but this action on this resource, without denying it."""
        self.may(
            {"Effect": "Allow", "NotAction": action, "Resource": "*"},
            {"Effect": "Allow", "Action": action, "NotResource": resource},
        )

    def may_all_and_is_denied(self, action: str, resource: str) -> None:
        """Allow everything, and deny this action on this resource."""
        self.may(statement("Allow", "*", "*"), statement("Deny", action, resource))


def make_user(server: AuthzServer, name: str) -> PolicyUser:
    """Create a user with an access key and a policy that allows nothing of use."""
    admin = server.admin
    admin.create_user(name)
    admin.create_policy(name, document(statement("Allow", "nothing:Nothing", "*")))
    server.wait_for_revision(admin.attach(name, name))
    return PolicyUser(name, admin.create_access_key(name), server)


def status_of_list(s3: S3, bucket: str) -> int:
    """List a bucket and return the HTTP status."""
    try:
        s3.list_objects_v2(Bucket=bucket)
    except ClientError as error:
        return int(error.response["ResponseMetadata"]["HTTPStatusCode"])
    return 200
