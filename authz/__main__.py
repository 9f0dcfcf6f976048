"""`python -m authz`, and what the installed command `authz` runs. Everything else is in `authz/cli`."""

from authz.cli.main import cli


def main() -> None:
    """Run the command line; leaves the process with its exit code."""
    cli(prog_name="authz")


if __name__ == "__main__":
    main()
