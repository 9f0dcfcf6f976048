"""The command line against a real service and real providers: adding one, trying it out, logging in, removing it."""

import json
import urllib.parse
import urllib.request

import pytest
from botocore.parsers import create_parser
from botocore.session import Session as Boto

from authz.cli.errors import ExitCode
from tests.cli.running import READ
from tests.servers.client_certificates import Authority
from tests.servers.issuer import CLIENT_ID, OTHER_RSA, Issuer, sign
from tests.servers.oidc_provider import start_oidc_provider
from tests.servers.ports import LOOPBACK
from tests.servers.processes import wait_for


@pytest.fixture(scope="module")
def provider(tmp_path_factory):
    """A real OpenID provider."""
    with start_oidc_provider(tmp_path_factory.mktemp("provider")) as running:
        yield running


def config_of(issuer: str, **members) -> str:
    return json.dumps({
        "issuer": issuer, "client_ids": [CLIENT_ID], "insecure_http": True, "groups_claim": "groups", **members,
    })  # fmt: skip


def log_in(server, token: str) -> tuple[str, str, str]:
    """Log in over STS, as a client would, and return the session's credential."""
    form = {
        "Action": "AssumeRoleWithWebIdentity",
        "Version": "2011-06-15",
        "WebIdentityToken": token,
    }
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    request = urllib.request.Request(
        f"http://{LOOPBACK}:{server.http_port}/", urllib.parse.urlencode(form).encode()
    )
    with opener.open(request, timeout=30) as answer:
        body = answer.read()
    model = Boto().get_service_model("sts").operation_model("AssumeRoleWithWebIdentity")
    parsed = create_parser("query").parse(
        {"body": body, "headers": {}, "status_code": 200}, model.output_shape
    )
    found = parsed["Credentials"]
    return found["AccessKeyId"], found["SecretAccessKey"], found["SessionToken"]


def test_a_provider_is_shown_without_its_secret(run):
    secret = run.file("secret", "a-client-secret\n")
    config = config_of("https://id.example.com")
    made = run.json(
        "provider", "add", "shown", "--kind", "oidc", "--config", run.file("shown.json", config),
        "--secret-file", secret, "--description", "everybody",
    )["provider"]  # fmt: skip
    assert (made["name"], made["kind"], made["status"]) == ("shown", "oidc", "enabled")
    assert (made["has_secret"], made["config"]) == (True, config)
    assert made["arn"] == "arn:aws:iam::000000000000:identity-provider/shown"
    assert made["federated_arn"] == "arn:aws:iam::000000000000:oidc-provider/id.example.com"
    assert run.ok("provider", "get", "shown", "--config") == f"{config}\n"
    assert "a-client-secret" not in run.ok("provider", "get", "shown")
    listed = run.ok("provider", "list")
    assert "everybody" in listed
    assert "client_ids" not in listed
    run.ok("provider", "remove", "shown")


def test_a_provider_from_its_addition_to_its_removal(run, server, provider):
    config = run.file("corp.json", config_of(provider.issuer))
    run.ok("provider", "add", "corp", "--kind", "oidc", "--config", config)
    # Policies for a group, and for all, before anybody has logged in.
    run.ok("policy", "create", "corp-reads", run.file("read.json", READ))
    run.ok("policy", "create", "corp-keys", run.file("keys.json", READ.replace("s3:GetObject", "iam:*AccessKey*").replace("arn:aws:s3:::photos/*", "*")))  # fmt: skip
    group = run.json("group", "create", "corp=ops")["group"]
    assert group["provider"] == "corp"
    run.ok("policy", "attach", "corp-reads", "--group", "corp=ops")
    assert "attached to corp" in run.ok("policy", "attach", "corp-keys", "--provider", "corp")
    attached = run.json("policy", "attachments", "--provider", "corp")["attachments"]
    assert attached == [{"policy_name": "corp-keys", "provider_name": "corp"}]

    # Trying out writes nothing.
    login = provider.login("alice", groups=["ops", "others"], name="Alice")
    token = run.file("token", login.id_token)
    tried = run.json("provider", "test", "corp", "--token-file", token)
    assert all(step["ok"] for step in tried["steps"])
    assert (tried["ok"], tried["user_name"], tried["user"]) == (True, "corp=alice", "new")
    assert (tried["external_groups"], tried["group_names"]) == (["ops", "others"], ["corp=ops"])
    assert [one["policy_name"] for one in tried["attachments"]] == ["corp-reads", "corp-keys"]
    shown = run.ok("provider", "test", "corp", "--token-file", token)
    assert "✓ signature" in shown
    assert "corp-reads (group corp=ops), corp-keys (provider corp)" in shown
    assert "there would be a session" in shown
    assert run.json("user", "list", "--provider", "corp")["users"] == []

    # Logging in does; the user makes an access key for itself.
    session = log_in(server, login.id_token)
    user = run.json("user", "get", "corp=alice")["user"]
    assert (user["provider"], user["external_groups"]) == ("corp", ["ops", "others"])
    assert "corp=alice" in run.ok("user", "list", "--provider", "corp")
    key = run.json("key", "create", "corp=alice", credential=session)["access_key"]
    assert key["user_name"] == "corp=alice"
    assert run.json("group", "list", "--user", "corp=alice")["groups"][0]["name"] == "corp=ops"

    assert "sessions of corp ended" in run.ok("session", "revoke", "--provider", "corp")

    def is_refused() -> bool:
        listed = run("key", "list", "corp=alice", credential=session)
        return listed.exit_code == ExitCode.DENIED

    wait_for(is_refused, 30, "the end of the session")
    assert run.json("provider", "disable", "corp")["provider"]["status"] == "disabled"
    tried = run("provider", "test", "corp", "--token-file", token)
    assert tried.exit_code == ExitCode.FAILURE
    assert "the provider is disabled" in tried.stdout
    run.ok("provider", "enable", "corp")

    assert run("provider", "remove", "corp").exit_code == ExitCode.CONFLICT
    assert run("provider", "remove", "corp", "--cascade", stdin="n\n").exit_code == ExitCode.FAILURE
    assert run.json("provider", "get", "corp")["provider"]["status"] == "enabled"
    assert "removed" in run.ok("provider", "remove", "corp", "--cascade", stdin="y\n")
    for what in (("user", "corp=alice"), ("group", "corp=ops"), ("provider", "corp")):
        assert run(what[0], "get", what[1]).exit_code == ExitCode.NOT_FOUND
    run.ok("policy", "delete", "corp-reads")
    run.ok("policy", "delete", "corp-keys")


def test_a_login_that_fails_shows_where_and_tells_nobody_the_token(run, server):
    with Issuer() as issuer:
        config = run.file("failing.json", config_of(issuer.url))
        run.ok("provider", "add", "failing", "--kind", "oidc", "--config", config)
        forged = sign(issuer.claims(), OTHER_RSA)
        refused = run("provider", "test", "failing", "--token-file", "-", stdin=f"{forged}\n")
        assert refused.exit_code == ExitCode.FAILURE
        assert "✓ issuer and audience" in refused.stdout
        assert "✗ signature" in refused.stdout
        assert "no session: " in refused.stdout
        # One that no policy applies to would get no session either.
        unknown = run.json_of(run("provider", "test", "failing", "--token-file", "-", "--json", stdin=issuer.token()))  # fmt: skip
        assert unknown["ok"] is False
        assert unknown["refusal"] == "no policy applies to who logged in"
        assert unknown["external_name"] == "alice"
        other = issuer.token(aud="somebody-else")
        strange = run("provider", "test", "failing", "--token-file", "-", stdin=other)
        assert "✗ issuer and audience" in strange.stdout
    log = server.process.log_path.read_text()
    assert "provider_tested" in log
    for proof in (forged, other):
        assert proof not in log
        assert proof.split(".")[2] not in log
    run.ok("provider", "remove", "failing")


def test_a_certificate_is_tried_out_without_its_key(run, tmp_path):
    authority = Authority("ca")
    certificate, key = authority.issue("backup").write(tmp_path, "backup")
    config = json.dumps({"ca_pem": authority.own.pem})
    run.ok("provider", "add", "machines", "--kind", "certificate", "--config", run.file("ca.json", config))  # fmt: skip
    both = run.file("both.pem", key.read_text() + certificate.read_text())
    tried = run.json_of(run("provider", "test", "machines", "--certificate", both, "--json"))
    assert tried["external_name"] == "backup"
    assert [step["name"] for step in tried["steps"]] == ["certificate", "chain", "identity"]
    run.ok("provider", "remove", "machines", "--cascade", "--yes")


def test_update_changes_what_it_names(run):
    config = {"issuer": "https://id.example.com", "client_ids": ["a"]}
    file = run.file("config.json", json.dumps(config))
    run.ok("provider", "add", "later", "--kind", "oidc", "--config", file, "--disabled")
    changed = run.json("provider", "update", "later", "--description", "x")["provider"]
    assert (changed["description"], changed["config"], changed["status"]) == ("x", "", "disabled")
    config["client_ids"] = ["b"]
    run.ok("provider", "update", "later", "--config", "-", stdin=json.dumps(config))
    assert json.loads(run.ok("provider", "get", "later", "--config")) == config
    secret = run.json("provider", "update", "later", "--secret-file", "-", stdin="hidden-secret\n")
    assert secret["provider"]["has_secret"]
    assert "hidden-secret" not in json.dumps(secret)
    assert not run.json("provider", "update", "later", "--no-secret")["provider"]["has_secret"]
    refused = run("provider", "update", "later", "--config", "-", stdin='{"isuer": "x"}')
    assert refused.exit_code == ExitCode.USAGE
    assert "did you mean `issuer`?" in refused.stderr
    refused = run("provider", "update", "later", "--config", "-", stdin=json.dumps(config | {"ca_file": "/nowhere.pem"}))  # fmt: skip
    assert "cannot be read here" in refused.stderr
    run.ok("provider", "remove", "later")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("provider", "update", "p"), "name what to change"),
        (("provider", "update", "p", "--no-secret", "--secret-file", "-"), "exclude each other"),
        (("provider", "update", "p", "--secret-file", "-"), "the secret is empty"),
        (("provider", "add", "p", "--kind", "saml", "--config", "-"), "'saml' is not one of"),
        (("provider", "test", "p"), "name exactly one"),
        (("provider", "test", "p", "--username", "u", "--token-file", "-"), "name exactly one"),
        (("provider", "test", "p", "--certificate", "-"), "no certificate"),
        (("provider", "test", "p", "--custom-token-file", "-"), "the token is empty"),
        (("provider", "test", "p", "--token-file", "-", "--password-file", "-"), "goes with"),
        (("policy", "attach", "p", "--provider", "r", "--user", "u"), "exactly one"),
        (("session", "revoke", "alice", "--provider", "corp"), "name a USER"),
        (("group", "list", "--user", "u", "--provider", "p"), "exclude each other"),
    ],
)  # fmt: skip
def test_what_says_nothing_or_two_things_is_refused_before_anything_is_sent(run, arguments, said):
    refused = run(*arguments)
    assert refused.exit_code == ExitCode.USAGE
    assert said in refused.stderr
