"""`authz completion`: the script that teaches a shell the commands.

click makes the script, and the script asks `authz` itself for each completion (by the variable `VARIABLE`), so
what a shell offers is always what the installed version understands. It is printed, never written anywhere:
where it belongs is for the user and the shell to say.

Source: click, "Shell Completion".
"""

import click
from click.shell_completion import CompletionItem, get_completion_class

VARIABLE = "_AUTHZ_COMPLETE"


@click.command()
@click.argument("shell", type=click.Choice(["bash", "zsh", "fish"]))
@click.pass_context
def completion(ctx: click.Context, shell: str) -> None:
    """Print the completion script of SHELL.

    \b
    bash:  authz completion bash >> ~/.bashrc
    zsh:   authz completion zsh >> ~/.zshrc
    fish:  authz completion fish > ~/.config/fish/completions/authz.fish
    """  # noqa: D301 - click's mark for lines that stay as they are
    kind = get_completion_class(shell)
    assert kind is not None, "click knows the shells of the choice"
    # click asks the installed bash for its version, which is not there on every machine this runs on.
    script = kind(ctx.find_root().command, {}, "authz", VARIABLE)
    click.echo(script.source_template % script.source_vars())


def complete_action(_: click.Context, __: click.Parameter, incomplete: str) -> list[CompletionItem]:
    """Complete an action: first the service, then its actions, each with its level as help."""
    from authz.policy.catalog import all_services, find_service

    prefix, colon, name = incomplete.partition(":")
    if not colon:
        known = [one for one in all_services() if one.prefix.startswith(prefix.lower())]
        return [CompletionItem(f"{one.prefix}:", help=one.name) for one in known]
    service = find_service(prefix)
    actions = service.actions.items() if service else ()
    return [
        CompletionItem(one.text, help=one.level.value)
        for folded, one in actions
        if folded.startswith(name.lower())
    ]
