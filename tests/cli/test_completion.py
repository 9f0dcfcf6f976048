"""Completion of actions: services first, then their actions, in any case."""

import pytest
from click.shell_completion import ShellComplete

from authz.cli.main import cli


def complete(incomplete, command="check"):
    shell = ShellComplete(cli, {}, "authz", "_AUTHZ_COMPLETE")
    return {item.value: item.help for item in shell.get_completions([command, "alice"], incomplete)}


@pytest.mark.parametrize("command", ["check", "explain", "simulate"])
def test_a_service_is_completed_up_to_its_colon(command):
    assert complete("s", command) == {
        "s3:": "Amazon S3",
        "s3express:": "S3 Express",
        "s3-object-lambda:": "S3 Object Lambda",
        "sts:": "STS",
    }


def test_an_action_is_completed_with_its_level():
    assert complete("s3:getobjectt") == {
        "s3:GetObjectTagging": "read",
        "s3:GetObjectTorrent": "read",
    }


def test_of_an_unknown_service_nothing_is_completed():
    assert complete("orders:Get") == {}
