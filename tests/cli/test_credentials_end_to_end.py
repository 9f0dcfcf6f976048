"""The command line against a real service: keys that are narrowed and end, sessions, and acting with one."""

import json
import shlex
from datetime import UTC, datetime, timedelta

import pytest

from authz.cli.errors import ExitCode
from authz.clock import SystemClock
from tests.cli.running import CAT, READ

ADMIN = json.dumps({
    "Version": "2012-10-17",
    "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
})  # fmt: skip


@pytest.fixture
def person(run):
    """Make a user who may do everything, and return its key."""

    def make(name):
        run.ok("user", "create", name)
        run.ok("policy", "attach", "AdministratorAccess", "--user", name)
        made = run.json("key", "create", name)
        return made["access_key"]["id"], made["secret_access_key"]

    return make


def session_of(answer):
    return answer["access_key_id"], answer["secret_access_key"], answer["session_token"]


def in_time(**parts):
    now = datetime.fromtimestamp(int(SystemClock().now()), UTC)
    return (now + timedelta(**parts)).isoformat()


def seconds_until(time):
    return datetime.fromisoformat(time).timestamp() - SystemClock().now()


def test_a_service_account_from_creation_to_deletion(run, person):
    person("sven")
    policy = run.file("read.json", READ)
    made = run.json(
        "key", "create", "sven", "--name", "ci", "--policy", policy, "--expires-in", "30d"
    )
    key = made["access_key"]
    assert (key["name"], key["policy"], key["is_narrowed"]) == ("ci", READ, True)
    assert 29.9 * 86_400 < seconds_until(key["expire_time"]) < 30.1 * 86_400
    assert run.json("key", "get", "sven", key["id"])["access_key"] == key
    credential = (key["id"], made["secret_access_key"])
    assert run("user", "list", credential=credential).exit_code == ExitCode.DENIED
    run.ok("check", key["id"], "s3:GetObject", CAT, "--as-access-key")
    assert run("check", key["id"], "s3:PutObject", CAT, "--as-access-key").exit_code == 1
    lines = run.ok("key", "list", "sven").splitlines()
    assert "NARROWED" in lines[0]
    assert "EXPIRE TIME" in lines[0]
    shown = {line.split()[0]: line for line in lines[1:]}
    assert f" yes          {key['expire_time'][:19]}Z" in shown.pop(key["id"])
    assert " no           never" in shown.popitem()[1]


def test_what_an_update_does_not_name_stays(run, person):
    person("uma")
    policy = run.file("read.json", READ)
    key = run.json("key", "create", "uma", "--policy", policy, "--expires-in", "12h")["access_key"]
    renamed = run.json("key", "update", "uma", key["id"], "--name", "ci", "--description", "builds")
    after = run.json("key", "get", "uma", key["id"])["access_key"]
    assert renamed["access_key"] == {**after, "policy": ""}
    assert after == {**key, "name": "ci", "description": "builds"}
    run.ok("key", "describe", "uma", key["id"], "ships")
    run.ok("key", "disable", "uma", key["id"])
    assert run.json("key", "get", "uma", key["id"])["access_key"]["policy"] == READ
    run.ok("key", "update", "uma", key["id"], "--never-expires", "--no-policy")
    bare = run.json("key", "get", "uma", key["id"])["access_key"]
    assert (bare["expire_time"], bare["policy"], bare["is_narrowed"]) == (None, "", False)
    refused = run("key", "update", "uma", key["id"], "--expires-at", in_time(days=400))
    assert refused.exit_code == ExitCode.USAGE
    assert "365 days" in refused.stderr
    soon = in_time(days=2)
    changed = run.json(
        "key", "update", "uma", key["id"], "--expires-at", soon, "--policy", "-", stdin=READ
    )
    assert changed["access_key"]["policy"] == READ
    assert datetime.fromisoformat(changed["access_key"]["expire_time"]) == datetime.fromisoformat(
        soon
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("key", "create", "x", "--expires-in", "1h", "--expires-at", "2027-01-31T12:00:00Z"), "exclude each other"),
        (("key", "create", "x", "--expires-in", "soon"), "not a duration"),
        (("key", "create", "x", "--expires-at", "tomorrow"), "not a time"),
        (("key", "create", "x", "--policy", "-"), "the policy is empty"),
        (("key", "update", "x", "AKIAX"), "name what to change"),
        (("key", "update", "x", "AKIAX", "--never-expires", "--expires-in", "1h"), "excludes"),
        (("session", "create", "--policy", "-"), "the policy is empty"),
        (("session", "create", "--duration", "long"), "not a duration"),
        (("session", "revoke"), "name a USER"),
        (("session", "revoke", "x", "--session", "ASIAX"), "name a USER"),
    ],
)  # fmt: skip
def test_what_says_nothing_or_two_things_is_refused_before_anything_is_sent(run, arguments, said):
    refused = run(*arguments)
    assert refused.exit_code == ExitCode.USAGE
    assert said in refused.stderr


def test_a_session_signs_until_its_users_sessions_end(run, person):
    key = person("sara")
    made = run.json("session", "create", "--duration", "30m", credential=key)
    assert 1_700 < seconds_until(made["expire_time"]) < 1_900
    session = session_of(made)
    assert run.json("user", "get", "sara", credential=session)["user"]["name"] == "sara"
    again = run("session", "create", credential=session)
    assert again.exit_code == ExitCode.DENIED
    assert "a session cannot create sessions" in again.stderr
    assert "(revision " in run.ok("session", "revoke", "sara")
    ended = run("user", "get", "sara", credential=session)
    assert ended.exit_code == ExitCode.DENIED
    assert session[1] not in ended.output
    assert session[2] not in ended.output


def test_one_session_ends_alone(run, person):
    key = person("olga")
    first, second = (session_of(run.json("session", "create", credential=key)) for _ in range(2))
    run.ok("session", "revoke", "--session", first[0])
    assert run("user", "get", "olga", credential=first).exit_code == ExitCode.DENIED
    run.ok("user", "get", "olga", credential=second)


def test_a_session_is_narrowed_by_a_file_and_by_names(run, person):
    key = person("nora")
    run.ok("policy", "create", "nora-reads", run.file("read.json", READ))
    for options in (("--policy", run.file("read.json", READ)), ("--policy-name", "nora-reads")):
        session = session_of(run.json("session", "create", *options, credential=key))
        assert run("user", "list", credential=session).exit_code == ExitCode.DENIED


def test_a_narrowed_credential_cannot_shed_its_policy(run, person):
    key = person("nils")
    policy = run.file("admin.json", ADMIN)
    made = run.json("key", "create", "nils", "--policy", policy)
    account = (made["access_key"]["id"], made["secret_access_key"])
    session = session_of(run.json("session", "create", "--policy", policy, credential=key))
    for credential in (account, session):
        run.ok("user", "list", credential=credential)
        for command in (
            ("key", "create", "nils"),
            ("key", "update", "nils", account[0], "--no-policy"),
            ("session", "create"),
        ):
            refused = run(*command, credential=credential)
            assert refused.exit_code == ExitCode.DENIED, command


def test_a_session_is_printed_for_shells_and_for_profiles(run, person):
    key = person("paul")
    lines = run.ok("session", "create", credential=key).splitlines()
    exported = dict(shlex.split(line)[1].split("=", 1) for line in lines)
    assert set(exported) == {"AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"}
    run.ok("user", "get", "paul", credential=tuple(exported.values()))
    process = json.loads(
        run.ok("session", "create", "--format", "credential-process", credential=key)
    )
    assert process["Version"] == 1
    assert seconds_until(process["Expiration"]) > 3_000
    credential = (process["AccessKeyId"], process["SecretAccessKey"], process["SessionToken"])
    run.ok("user", "get", "paul", credential=credential)
    asked = run.ok("session", "create", "--format", "json", credential=key)
    assert set(json.loads(asked)) == set(run.json("session", "create", credential=key))


def test_a_session_is_read_from_a_file(run, person, tmp_path):
    made = session_of(run.json("session", "create", credential=person("fred")))
    path = run.file(
        "session.json",
        json.dumps(dict(zip(("accessKey", "secretKey", "sessionToken"), made, strict=True))),
    )
    run.ok("--credentials", path, "user", "get", "fred", credential=("", ""))


def test_a_token_without_its_key_is_no_credential(run):
    refused = run("user", "list", credential=("", "", "token"))
    assert refused.exit_code == ExitCode.USAGE
    assert "AUTHZ_SESSION_TOKEN" in refused.stderr


def test_a_token_of_somebody_elses_is_not_taken_with_a_key(run, person):
    key = person("tina")
    token = session_of(run.json("session", "create", credential=key))[2]
    refused = run("user", "get", "tina", credential=(*key, token))
    assert refused.exit_code == ExitCode.DENIED
    assert token not in refused.output


def test_sessions_are_listed_with_what_became_of_them(run, person):
    key = person("lisa")
    first, second = (run.json("session", "create", credential=key) for _ in range(2))
    run.ok("session", "revoke", "--session", first["access_key_id"])
    deadline = SystemClock().monotonic() + 30
    while len(listed := run.json("session", "list", "--user", "lisa")["sessions"]) < 2:
        assert SystemClock().monotonic() < deadline
    states = {one["access_key_id"]: one["state"] for one in listed}
    assert states == {
        first["access_key_id"]: "revoked",
        second["access_key_id"]: "active",
    }
    table = run.ok("session", "list")
    assert second["access_key_id"] in table
    assert "lisa" in table
    assert first["secret_access_key"] not in table
    assert "name one of" in run("session", "list", "--user", "x", "--role", "y").stderr
