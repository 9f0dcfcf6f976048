"""`python -m authz`, and what the installed command `authz` runs.

It only names the program, so that help and errors say `authz` however it was started. What the command can do
is in `authz/cli`; the commands there start the service through `authz/bootstrap`.
"""

from authz.cli.main import cli


def main() -> None:
    """Run the command line; leaves the process with its exit code."""
    cli(prog_name="authz")


if __name__ == "__main__":
    main()
