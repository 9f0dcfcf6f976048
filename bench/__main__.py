"""`make bench`: everything the README quotes, in one run on one machine."""

from bench import check, decide, memory, over_grpc


def main() -> None:
    """Print every table."""
    for part in (decide, check, over_grpc, memory):
        part.main()
        print()


if __name__ == "__main__":
    main()
