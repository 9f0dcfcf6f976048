"""The command line against a real service: roles, what is attached to them, and who may assume them."""

import json

import pytest

from authz.cli.errors import ExitCode
from tests.cli.running import READ

TRUST = json.dumps({
    "Version": "2012-10-17",
    "Statement": {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"AWS": "arn:aws:iam::000000000000:user/alice"},
    },
})  # fmt: skip
OPEN = TRUST.replace("arn:aws:iam::000000000000:user/alice", "*")


def test_a_role_from_creation_to_deletion(run):
    trust = run.file("trust.json", TRUST)
    run.ok("policy", "create", "reads", run.file("read.json", READ))
    made = run.json(
        "role", "create", "Ops", trust, "--description", "night", "--max-duration", "2h",
        "--tag", "team=blue", "--boundary", "reads",
    )["role"]  # fmt: skip
    assert (made["name"], made["description"], made["tags"]) == ("Ops", "night", {"team": "blue"})
    assert made["trust_policy"] == TRUST
    assert made["permissions_boundary"].endswith(":policy/reads")
    assert run.json("role", "get", "Ops")["role"] == made
    assert run.ok("role", "get", "Ops", "--document") == f"{TRUST}\n"
    assert TRUST in run.ok("role", "get", "Ops")
    listed = run.ok("role", "list")
    assert "Ops" in listed
    assert "sts:AssumeRole" not in listed
    changed = run.json("role", "update", "Ops", "--max-duration", "12h")["role"]
    assert changed == {**made, "max_session_duration": 43_200.0, "trust_policy": ""}
    run.ok("role", "update", "Ops", "--no-tags", "--description", "")
    assert run.json("role", "get", "Ops")["role"] | {"tags": {}, "description": ""} == {
        **changed, "trust_policy": TRUST, "tags": {}, "description": "",
    }  # fmt: skip
    run.ok("policy", "attach", "reads", "--role", "Ops")
    attached = run.json("policy", "attachments", "--role", "Ops")["attachments"]
    assert [one["policy_name"] for one in attached] == ["reads"]
    assert "Ops" in run.ok("policy", "attachments", "--policy", "reads")
    run.ok("role", "boundary", "clear", "Ops")
    run.ok("role", "boundary", "set", "Ops", "reads")
    assert "sessions of Ops ended" in run.ok("session", "revoke", "--role", "Ops")
    assert run("role", "delete", "Ops").exit_code == ExitCode.CONFLICT
    run.ok("role", "delete", "Ops", "--cascade")
    assert run("role", "get", "Ops").exit_code == ExitCode.NOT_FOUND
    run.ok("policy", "delete", "reads")


def test_trust_has_a_command_of_its_own_and_says_what_it_opens(run):
    run.ok("role", "create", "wide", run.file("trust.json", TRUST))
    done = run("role", "trust", "wide", run.file("open.json", OPEN))
    assert done.exit_code == 0
    assert "security AZ401" in done.stderr
    assert run.ok("role", "get", "wide", "--document") == f"{OPEN}\n"
    refused = run("role", "trust", "wide", run.file("read.json", READ))
    assert refused.exit_code == ExitCode.USAGE
    assert run.ok("role", "get", "wide", "--document") == f"{OPEN}\n"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("role", "update", "ops"), "name what to change"),
        (("role", "update", "ops", "--tag", "a=b", "--no-tags"), "exclude each other"),
        (("role", "create", "ops", "-", "--boundary", ""), "the name is empty"),
        (("policy", "attach", "p", "--role", "r", "--user", "u"), "exactly one"),
        (("session", "revoke", "alice", "--role", "ops"), "name a USER"),
        (("session", "revoke"), "name a USER"),
    ],
)
def test_what_says_nothing_or_two_things_is_refused_before_anything_is_sent(run, arguments, said):
    refused = run(*arguments)
    assert refused.exit_code == ExitCode.USAGE
    assert said in refused.stderr
