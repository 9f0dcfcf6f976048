"""Sessions on the word of identity providers, with real clients, real providers, Envoy and the store behind it.

boto3, aws and minio-py are used as they are. The providers are the npm package `oidc-provider`, OpenLDAP, a webhook
over HTTP and an authority of client certificates, whose clients come to a second replica that speaks TLS.
"""

import asyncio
import base64
import contextlib
import json
import subprocess
import urllib.parse
from collections.abc import Awaitable, Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import boto3
import botocore
import pytest
import urllib3
from botocore.config import Config
from minio import Minio
from minio.credentials import (
    CertificateIdentityProvider,
    ClientGrantsProvider,
    LdapIdentityProvider,
    WebIdentityProvider,
)

from authz.bootstrap.documents import check_trust_document
from authz.clock import SystemClock
from authz.control.attachments import Attachments
from authz.control.groups import Groups
from authz.control.policies import Policies
from authz.control.ports import Written
from authz.control.providers import ProviderChange, Providers
from authz.control.roles import Roles
from authz.control.users import Users
from authz.formats.iam_json import parse_policy
from authz.formats.provider_configs import check_config
from authz.identity.credential import Secret
from authz.identity.external import ProviderKind
from authz.identity.records import Provider, Status, TargetKind
from authz.store import local_files
from authz.store.sql.engine import Database, DatabaseOptions
from authz.store.sql.store import SqlStore
from bench.freshness import replicas
from bench.revocations import WAYS, Client, Revocations, revocations
from tests.acceptance.stack import ONCE, S3, s3_client
from tests.acceptance.test_sts import ACCOUNT, BIN, REGION, code, session_policy, what_it_may
from tests.servers.admin_client import document, statement
from tests.servers.authz_server import AuthzServer, start_authz
from tests.servers.client_certificates import LOOPBACK_NAMES, SERVER, Authority
from tests.servers.envoy import Envoy, start_envoy
from tests.servers.issuer import Issuer
from tests.servers.moto_store import MotoStore, start_moto_store
from tests.servers.oidc_provider import CLIENT_ID, RealProvider, start_oidc_provider
from tests.servers.postgres import PostgresServer
from tests.servers.processes import bare_environment, http_text, wait_for
from tests.servers.slapd import ADMIN, ADMIN_PASSWORD, SUFFIX, SlapdServer, running_slapd

DUMMY: Final = "arn:xxx:xxx:xxx:xxxx"
NOBODY: Final = "198.51.100.0/24"
PEOPLE: Final = f"ou=people,{SUFFIX}"
PASSWORD: Final = "correct horse&battery=staple/%"
WRONG: Final = "wr0ng horse&battery"
DENIED: Final = ("AccessDenied", 403)
BOX: Final = "box"
Work = Callable[[SqlStore, Any], Awaitable[Written[Any]]]


@dataclass(frozen=True)
class Site:
    """Everything that runs; `authz` is behind Envoy, `tls` another replica of it with TLS."""

    authz: AuthzServer
    tls: AuthzServer
    envoy: Envoy
    store: MotoStore
    oidc: RealProvider
    slapd: SlapdServer
    hook: Issuer
    folder: Path

    @property
    def url(self) -> str:
        """Where clients go for sessions and for objects."""
        return self.envoy.url("s3")

    def change(self, *works: Work) -> None:
        """Do what an administrator does to the database, and wait until it is enforced behind Envoy."""
        url = f"sqlite:///{self.folder / 'data' / 'authz.db'}"
        ring = local_files.key_ring(self.folder / "data" / "master-keys.json")

        async def run() -> int:
            async with Database.open(url, DatabaseOptions()) as database:
                store = SqlStore(database)
                return [(await work(store, ring)).revision for work in works][-1]

        self.authz.wait_for_revision(asyncio.run(run()), 30)

    def s3(self, answer: Mapping[str, Any]) -> S3:
        """Return a boto3 client with what an answer of STS has, which goes through Envoy."""
        made = answer["Credentials"]
        credential = (made["AccessKeyId"], made["SecretAccessKey"])
        return boto3.client(
            "s3",
            endpoint_url=self.url,
            region_name=REGION,
            aws_access_key_id=credential[0],
            aws_secret_access_key=credential[1],
            aws_session_token=made["SessionToken"],
            config=ONCE,
        )

    def minio(self, provider: Any) -> Minio:
        """Return minio-py with a provider of credentials, which goes through Envoy."""
        return Minio(
            endpoint=self.url.removeprefix("http://"),
            secure=False,
            region=REGION,
            credentials=provider,
        )


def provide(name: str, kind: ProviderKind, config: Mapping[str, Any], secret: str = "") -> Work:
    async def work(store: SqlStore, ring: Any) -> Written[Any]:
        given = Secret(secret) if secret else None
        providers = Providers(store, SystemClock(), ring, check_config)
        return await providers.create(name, kind, json.dumps(config), secret=given)

    return work


def update(name: str, **changes: Any) -> Work:
    async def work(store: SqlStore, ring: Any) -> Written[Provider]:
        providers = Providers(store, SystemClock(), ring, check_config)
        return await providers.update(name, ProviderChange(**changes))

    return work


def give(policy: str, kind: TargetKind, target: str) -> Work:
    async def work(store: SqlStore, _: Any) -> Written[Any]:
        return await Attachments(store).attach(policy, kind, target)

    return work


def write(name: str, *statements: Mapping[str, Any]) -> Work:
    async def work(store: SqlStore, _: Any) -> Written[Any]:
        return await Policies(store, SystemClock(), parse_policy).create(
            name, document(*statements)
        )

    return work


def make_role(name: str, trust: Mapping[str, Any]) -> Work:
    async def work(store: SqlStore, _: Any) -> Written[Any]:
        return await Roles(store, SystemClock(), check_trust_document).create(name, document(trust))

    return work


class _AsSpelt:
    def canonical_user(self, _: Provider, name: str) -> str:
        return name

    canonical_group = canonical_user


def make_group(name: str) -> Work:
    async def work(store: SqlStore, _: Any) -> Written[Any]:
        return await Groups(store, SystemClock(), _AsSpelt()).create(name)

    return work


def disable_user(name: str) -> Work:
    async def work(store: SqlStore, _: Any) -> Written[Any]:
        return await Users(store, SystemClock(), _AsSpelt()).update(name, status=Status.DISABLED)

    return work


def directory() -> str:
    encoded = base64.b64encode(PASSWORD.encode()).decode()
    top = f"dn: {SUFFIX}\nobjectClass: dcObject\nobjectClass: organization\ndc: example\no: E\n\n"
    people = f"dn: {PEOPLE}\nobjectClass: organizationalUnit\nou: people\n\n"
    ann = f"dn: uid=ann,{PEOPLE}\nobjectClass: inetOrgPerson\ncn: Ann\nsn: Ann\n"
    return f"{top}{people}{ann}userPassword:: {encoded}\n"


AUTHORITY: Final = Authority("clients", key_number=12)
SERVERS: Final = Authority("servers", key_number=11)


def in_box(*actions: str, key: str = "*") -> Mapping[str, Any]:
    return statement("Allow", list(actions), f"arn:aws:s3:::{BOX}/{key}")


def works(oidc: RealProvider, slapd: SlapdServer, hook: Issuer) -> list[Work]:
    """Return what an administrator does first."""
    issuer = {"issuer": oidc.issuer, "client_ids": [CLIENT_ID], "insecure_http": True}
    claims = {"groups_claim": "groups", "policy_claim": "policy"}
    lab = {
        "url": f"ldaps://localhost:{slapd.tls_port}", "ca_file": str(slapd.authority.path),
        "bind_dn": ADMIN, "user_bases": [PEOPLE], "user_filter": "(uid=%s)",
    }  # fmt: skip
    key = oidc.issuer.removeprefix("http://")
    trust = {
        "Effect": "Allow",
        "Principal": {"Federated": f"arn:aws:iam::{ACCOUNT}:oidc-provider/{oidc.issuer}"},
        "Action": ["sts:AssumeRoleWithWebIdentity", "sts:TagSession"],
        "Condition": {
            "StringEquals": {f"{key}:aud": CLIENT_ID, f"{key}:sub": "rolf", "jwt:dept": "7"}
        },
    }
    tagged = {
        **in_box("s3:PutObject"),
        "Condition": {"StringEquals": {"aws:PrincipalTag/team": "red"}},
    }
    own = {"url": f"{hook.url}/check", "insecure_http": True}
    mtls = {"ca_pem": AUTHORITY.own.pem, "policies_from": "identity"}
    kinds, targets = ProviderKind, TargetKind
    return [
        provide("corp", kinds.OIDC, issuer | claims),
        provide("lab", kinds.LDAP, lab, ADMIN_PASSWORD),
        provide("hook", kinds.WEBHOOK, own),
        provide("mtls", kinds.CERTIFICATE, mtls),
        write("gets", in_box("s3:GetObject")),
        write("puts", in_box("s3:PutObject")),
        write("lists", statement("Allow", "s3:ListBucket", f"arn:aws:s3:::{BOX}")),
        write("robot", in_box("s3:GetObject")),
        write("of-the-role", in_box("s3:GetObject", key="open"), tagged),
        *(give("gets", targets.PROVIDER, name) for name in ("corp", "lab", "hook")),
        make_group("corp=ops"),
        give("puts", targets.GROUP, "corp=ops"),
        make_role("web", trust),
        give("of-the-role", targets.ROLE, "web"),
    ]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    folder = tmp_path_factory.mktemp("logins")
    cert, key = SERVERS.issue("authz", names=LOOPBACK_NAMES, usages=[SERVER]).write(folder, "tls")
    for name, authority in (("clients.pem", AUTHORITY), ("servers.pem", SERVERS)):
        (folder / name).write_text(authority.own.pem)
    tls_env = {
        "AUTHZ_HTTP_TLS_CERT_FILE": str(cert),
        "AUTHZ_HTTP_TLS_KEY_FILE": str(key),
        "AUTHZ_HTTP_TLS_CLIENT_CA_FILE": str(folder / "clients.pem"),
        "AUTHZ_TRUSTED_PROXIES": NOBODY,
    }
    with (
        start_moto_store(folder) as store,
        start_oidc_provider(folder) as oidc,
        running_slapd(directory()) as slapd,
        Issuer() as hook,
        start_authz(folder, env={"AUTHZ_LOG_LEVEL": "debug"}) as authz,
        start_authz(folder, name="authz-tls", env=tls_env, wait=False) as tls,
        start_envoy(
            folder,
            {"authz": [authz.grpc_port], "authz-http": [authz.http_port], "store": [store.port]},
        ) as envoy,
    ):
        made = Site(authz, tls, envoy, store, oidc, slapd, hook, folder)
        made.change(*works(oidc, slapd, hook))
        backdoor = s3_client(store.url, ("AKIABACKDOORBACKDOOR", "not-checked"))
        backdoor.create_bucket(Bucket=BOX)
        for name in ("open", "other"):
            backdoor.put_object(Bucket=BOX, Key=name, Body=name.encode())
        yield made


@pytest.fixture
def sts(site: Site) -> Any:
    """boto3, which signs none of these requests."""
    unsigned = Config(signature_version=botocore.UNSIGNED, retries={"total_max_attempts": 1})
    return boto3.client("sts", endpoint_url=site.url, region_name=REGION, config=unsigned)


def asked(token: str, **more: Any) -> dict[str, Any]:
    return {"RoleArn": DUMMY, "RoleSessionName": "ci", "WebIdentityToken": token, **more}


@pytest.fixture(scope="module")
def pair(
    postgres: PostgresServer, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Revocations]:
    """Two replicas on one database, and a provider; in the order of the tests, the last to start."""
    folder = tmp_path_factory.mktemp("pair")
    with (
        replicas(folder, postgres.create_database("logins")) as (writer, reader),
        revocations(writer, reader) as made,
    ):
        yield made


# --- boto3 and aws ------------------------------------------------------------------------------------------


def test_boto3_gets_what_the_provider_its_group_and_a_claim_give(site: Site, sts: Any) -> None:
    def may(**claims: Any) -> set[str]:
        token = site.oidc.login("alice", **claims).id_token
        return what_it_may(site.s3(sts.assume_role_with_web_identity(**asked(token))), BOX)

    both = {"get open", "get other"}
    assert may() == both
    assert may(groups=["ops", "unknown"]) == both | {"put"}
    assert may(policy="lists,unknown") == both | {"list"}
    assert may(groups=["OPS"], policy=["puts", "lists"]) == both | {"put", "list"}
    assert may() == both


def test_a_session_policy_leaves_exactly_the_intersection(site: Site, sts: Any) -> None:
    token = site.oidc.login("alice", groups=["ops"]).id_token
    one = session_policy(BOX, "s3:*", key="open")
    narrow = sts.assume_role_with_web_identity(**asked(token, Policy=one))
    assert what_it_may(site.s3(narrow), BOX) == {"get open"}
    arns = [{"arn": f"arn:aws:iam::{ACCOUNT}:policy/puts"}]
    managed = sts.assume_role_with_web_identity(**asked(token, PolicyArns=arns))
    assert what_it_may(site.s3(managed), BOX) == {"put"}


def test_a_stored_role_is_had_by_whom_it_trusts_with_the_tags_of_the_claim(
    site: Site, sts: Any
) -> None:
    role = f"arn:aws:iam::{ACCOUNT}:role/web"
    tags: dict[str, Any] = {"https://aws.amazon.com/tags": {"principal_tags": {"team": ["red"]}}}

    def token(sub: str = "rolf", **claims: Any) -> str:
        return site.oidc.login(sub, **claims).id_token

    answer = sts.assume_role_with_web_identity(**asked(token(dept="7"), RoleArn=role))
    assert answer["AssumedRoleUser"]["Arn"] == f"arn:aws:sts::{ACCOUNT}:assumed-role/web/ci"
    assert what_it_may(site.s3(answer), BOX) == {"get open"}
    answer = sts.assume_role_with_web_identity(**asked(token(dept="7", **tags), RoleArn=role))
    assert what_it_may(site.s3(answer), BOX) == {"get open", "put"}
    for other in (token(dept="8"), token(), token("alice", dept="7")):
        assert code(sts.assume_role_with_web_identity, **asked(other, RoleArn=role)) == DENIED
    nowhere = asked(token(dept="7"), RoleArn=f"{role}s")
    assert code(sts.assume_role_with_web_identity, **nowhere) == DENIED


def test_refusals_are_the_exceptions_that_boto3_knows(site: Site, sts: Any) -> None:
    call, known = sts.assume_role_with_web_identity, sts.exceptions
    good = site.oidc.login("alice").id_token
    with pytest.raises(known.InvalidIdentityTokenException):
        call(**asked("a.b.c"))
    with pytest.raises(known.InvalidIdentityTokenException):
        call(**asked(good[:-8] + "AAAAAAAA"))
    with pytest.raises(known.MalformedPolicyDocumentException):
        call(**asked(good, Policy="{}"))
    with pytest.raises(known.PackedPolicyTooLargeException):
        call(**asked(good, Policy=session_policy(BOX, "s3:*", key="x" * 2_000)))
    with pytest.raises(known.IDPRejectedClaimException):
        call(**asked(site.oidc.login("alice", groups=[1]).id_token))
    assert code(call, **asked(good, DurationSeconds=43_201)) == ("ValidationError", 400)


@pytest.fixture
def token_file(site: Site, tmp_path: Path) -> Mapping[str, str]:
    """What Kubernetes and others set for the SDKs of AWS: a file with a token, and the role's ARN."""
    (tmp_path / "token").write_text(site.oidc.login("pod").id_token)
    (tmp_path / "none").write_text("")
    return {
        "AWS_WEB_IDENTITY_TOKEN_FILE": str(tmp_path / "token"),
        "AWS_ROLE_ARN": DUMMY,
        "AWS_ROLE_SESSION_NAME": "pod",
        "AWS_ENDPOINT_URL": site.url,
        "AWS_DEFAULT_REGION": REGION,
        "AWS_CONFIG_FILE": str(tmp_path / "none"),
        "AWS_SHARED_CREDENTIALS_FILE": str(tmp_path / "none"),
        "AWS_EC2_METADATA_DISABLED": "true",
    }


def test_boto3_takes_its_token_from_a_file(
    token_file: Mapping[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_PROFILE"):
        monkeypatch.delenv(name, raising=False)
    for name, value in token_file.items():
        monkeypatch.setenv(name, value)
    session = boto3.Session()
    assert session.get_credentials().method == "assume-role-with-web-identity"
    assert what_it_may(session.client("s3", config=ONCE), BOX) == {"get open", "get other"}
    arn = session.client("sts").get_caller_identity()["Arn"]
    assert arn == f"arn:aws:iam::{ACCOUNT}:user/corp=pod"


def test_awscli_takes_its_token_from_a_file(token_file: Mapping[str, str]) -> None:
    def aws(*args: str) -> str:
        command = [str(BIN / "aws"), *args]
        env = {**bare_environment(), **token_file}
        done = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        assert done.returncode == 0, done.stderr
        return done.stdout

    assert aws("s3", "cp", f"s3://{BOX}/open", "-") == "open"


# --- minio-py -----------------------------------------------------------------------------------------------


def gets(minio: Minio, key: str) -> bytes:
    answer = minio.get_object(bucket_name=BOX, object_name=key)
    try:
        return bytes(answer.read())
    finally:
        answer.close()


def check(minio: Minio, *, narrowed: bool = False) -> None:
    """See that it may get what is in the box, and nothing but `open` where it is narrowed."""
    assert gets(minio, "open") == b"open"
    if narrowed:
        with pytest.raises(Exception, match="AccessDenied"):
            gets(minio, "other")
    else:
        assert gets(minio, "other") == b"other"
    with pytest.raises(Exception, match="AccessDenied"):
        minio.remove_object(bucket_name=BOX, object_name="open")


@pytest.mark.parametrize("policy", [None, session_policy(BOX, "s3:GetObject", key="open")])
@pytest.mark.parametrize("make", [WebIdentityProvider, ClientGrantsProvider])
def test_minio_py_logs_in_with_a_token(site: Site, make: Any, policy: str | None) -> None:
    def token() -> dict[str, Any]:
        return {"id_token": site.oidc.login("mina").id_token, "expires_in": 3600}

    provider = make(jwt_provider_func=token, sts_endpoint=site.url, policy=policy)
    check(site.minio(provider), narrowed=policy is not None)


def test_minio_py_logs_in_with_a_directorys_password(site: Site) -> None:
    check(site.minio(LdapIdentityProvider(site.url, "ann", PASSWORD)))
    one = session_policy(BOX, "s3:*", key="open")
    check(site.minio(LdapIdentityProvider(site.url, "ann", PASSWORD, policy=one)), narrowed=True)
    with pytest.raises(ValueError, match="HTTP status code 403"):
        LdapIdentityProvider(site.url, "ann", WRONG).retrieve()


def test_minio_py_logs_in_with_a_certificate(site: Site) -> None:
    def provider(name: str, authority: Authority = AUTHORITY) -> CertificateIdentityProvider:
        cert, key = authority.issue(name).write(site.folder, f"client-{name}")
        return CertificateIdentityProvider(
            sts_endpoint=f"https://localhost:{site.tls.http_port}",
            cert_file=str(cert),
            key_file=str(key),
            ca_certs=str(site.folder / "servers.pem"),
        )

    minio = site.minio(provider("robot"))

    def is_let_in() -> bool:
        try:
            gets(minio, "open")
        except Exception:  # noqa: BLE001 - the other replica may not be there yet
            return False
        return True

    wait_for(is_let_in, 30, "the replica that speaks TLS")
    check(minio)
    with pytest.raises(ValueError, match="HTTP status code 403"):
        provider("nobody").retrieve()
    with pytest.raises(urllib3.exceptions.HTTPError):  # another authority of the same name
        provider("robot", Authority("clients", key_number=13)).retrieve()


def test_a_webhook_says_who_somebody_is(site: Site) -> None:
    site.hook.serve("/check?token=hook-t0ken", {"user": "wim", "maxValiditySeconds": 900})
    query = urllib.parse.urlencode({
        "Action": "AssumeRoleWithCustomToken", "Version": "2011-06-15",
        "Token": "hook-t0ken", "RoleArn": "arn:minio:iam:::role/idmp-hook",
    })  # fmt: skip
    answer = urllib3.request("POST", f"{site.url}/?{query}")
    text = answer.data.decode()
    assert (answer.status, "<AssumedUser>wim</AssumedUser>" in text) == (200, True)
    made = {
        name: text.partition(f"<{name}>")[2].partition("<")[0]
        for name in ("AccessKeyId", "SecretAccessKey", "SessionToken")
    }
    assert what_it_may(site.s3({"Credentials": made}), BOX) == {"get open", "get other"}


# --- what strangers try, and what is not told ---------------------------------------------------------------


def test_what_a_client_says_of_its_address_lifts_no_limit(site: Site) -> None:
    """The replica that speaks TLS trusts no proxy."""
    pool = urllib3.PoolManager(ca_certs=str(site.folder / "servers.pem"), retries=False)
    url = f"https://localhost:{site.tls.http_port}/"

    def attempt(number: int) -> int:
        query = urllib.parse.urlencode({
            "Action": "AssumeRoleWithLDAPIdentity", "Version": "2011-06-15",
            "LDAPUsername": "victim", "LDAPPassword": WRONG,
        })  # fmt: skip
        forwarded = {"x-forwarded-for": f"203.0.113.{number}", "x-real-ip": f"203.0.113.{number}"}
        return int(pool.request("POST", f"{url}?{query}", headers=forwarded).status)

    def is_ready() -> bool:
        try:
            return int(pool.request("GET", f"{url}readyz").status) == 200
        except urllib3.exceptions.HTTPError:
            return False

    wait_for(is_ready, 30, "the replica that speaks TLS")
    answers = [attempt(number) for number in range(12)]
    assert answers[0] == 403
    assert 503 in answers


def test_a_disabled_user_and_a_disabled_provider_are_out_at_once(site: Site, sts: Any) -> None:
    def session(sub: str) -> S3:
        token = site.oidc.login(sub).id_token
        return site.s3(sts.assume_role_with_web_identity(**asked(token)))

    one, other = session("one"), session("other")
    both = {"get open", "get other"}
    assert what_it_may(one, BOX) == both
    site.change(disable_user("corp=one"))
    assert code(one.get_object, Bucket=BOX, Key="open")[1] == 403
    assert what_it_may(other, BOX) == both
    site.change(update("corp", status=Status.DISABLED))
    assert code(other.get_object, Bucket=BOX, Key="open")[1] in {400, 403}
    token = site.oidc.login("other").id_token
    assert code(sts.assume_role_with_web_identity, **asked(token))[0] == "InvalidIdentityToken"
    site.change(update("corp", status=Status.ENABLED))
    session("other").get_object(Bucket=BOX, Key="open")
    assert code(sts.assume_role_with_web_identity, **asked(site.oidc.login("one").id_token)) == DENIED  # fmt: skip


def test_no_password_and_no_token_is_in_any_log(site: Site, sts: Any) -> None:
    """Run last: it reads what everything before has left, and what it does itself."""
    token = site.oidc.login("alice").id_token
    answer = sts.assume_role_with_web_identity(**asked(token))
    assert what_it_may(site.s3(answer), BOX)
    secrets = [PASSWORD, WRONG, token, token.rpartition(".")[2], "hook-t0ken", ADMIN_PASSWORD]
    secrets += [answer["Credentials"][name] for name in ("SecretAccessKey", "SessionToken")]
    logs = [site.authz.process.log_path, site.tls.process.log_path, site.envoy.process.log_path]
    with pytest.raises(ValueError, match="HTTP status code 403"):
        LdapIdentityProvider(site.url, "ann", WRONG).retrieve()
    said = "".join(path.read_text(errors="replace") for path in logs)
    said += http_text(f"{site.authz.http_url}/metrics")
    assert "session_issued" in said
    assert "AssumeRoleWithLDAPIdentity" in said
    for secret in secrets:
        for spelt in (secret, urllib.parse.quote_plus(secret), urllib.parse.quote(secret)):
            assert spelt not in said


# --- two replicas on PostgreSQL -----------------------------------------------------------------------------


@pytest.mark.parametrize("way", list(WAYS))
def test_what_is_revoked_through_one_replica_is_refused_by_the_other(
    pair: Revocations, way: str
) -> None:
    """How soon is printed by `make bench-freshness`."""
    assert len(WAYS[way](pair, 3)) == 3


def test_many_first_logins_at_both_replicas_make_one_user(pair: Revocations) -> None:
    token = pair.issuer.token(sub="crowd")

    def log_in(number: int) -> str:
        server = pair.writer if number % 2 else pair.reader_server
        with contextlib.closing(Client(server)) as client:
            return client.log_in(token).access_key_id

    with ThreadPoolExecutor(16) as threads:
        keys = set(threads.map(log_in, range(48)))
    assert len(keys) == 48
    users = pair.writer.cli_json("user", "list")["users"]
    assert [user["name"] for user in users].count("corp=crowd") == 1
