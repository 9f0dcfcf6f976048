"""Mutation testing of `authz/policy`: change one thing at a time, and see whether a test notices.

    python scripts/mutate.py [--every N] [PATH...]

A mutant is one edit of a module's syntax tree (`mutants.py` says which there are). Each runs in a process of
its own, forked where the test tools are imported and the engine is not: first the tests of the module, then the
other tests of the engine, then the properties with a few examples, until one fails. Processor time and memory
are bounded. What no test notices is printed as it is found, and a table by module at the end.

Modules that hold tables and words for people rather than decisions are sampled (`SAMPLED`).

Not `mutmut`: it leaves out whatever stands at a module's level or under a decorator, and here the tables of
operators, the regular expressions and the memoized parsers stand there.
"""

import argparse
import importlib
import os
import resource
import signal
import sys
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from enum import StrEnum
from importlib.machinery import ModuleSpec, SourceFileLoader
from importlib.util import spec_from_file_location
from pathlib import Path
from types import CodeType
from typing import Final, NamedTuple, NoReturn

from mutants import Mutant, mutants_of

ROOT: Final = Path(__file__).parents[1]
ENGINE: Final = ROOT / "authz" / "policy"
LEFT_OUT: Final = ("catalog/data", "canned.py")
"""Data: what is in them is compared with their sources by tests of their own."""
SAMPLED: Final = {"explain": 10, "validate": 10}
"""Folder → every how many mutants one is tried."""

PRELOADED: Final = ("pytest", "hypothesis", "yaml", "pytest_asyncio.plugin", "pytest_timeout")
OPTIONS: Final = ("-x", "-q", "--tb=no", "--no-header", "--assert=plain", "--hypothesis-seed=0")
PROPERTIES: Final = ("tests/properties/test_policy.py", "tests/properties/test_layers.py")
ENVIRONMENT: Final = {"FUZZ_EXAMPLES": "25", "FUZZ_DATABASE": os.devnull}
"""How many examples a property tries, and that what fails is not kept: it fails because of the mutant."""

FIRST: Final = {
    "conditions": ("conditions",),
    "patterns": ("patterns", "decide"),
    "explain": ("explain",),
    "validate": ("validate",),
    "catalog": ("catalog",),
    "arn.py": ("decide", "patterns"),
    "variables.py": ("variables", "conditions"),
    "principals.py": ("principals",),
    "applicable.py": ("applicable",),
}
"""Folder or file → the tests that are asked first; for others those of `decide`."""

TOOL_FAULTS: Final = (4, 5)
"""Exit codes of pytest that say nothing about the code: wrong usage, no tests."""
MEMORY_LIMIT: Final = 3 << 30
"""Bytes of address space of one run."""
SPARE: Final = 3
"""A stage may take so many times what it takes unchanged, and as many seconds more."""


class Fate(StrEnum):
    """What became of a mutant."""

    KILLED = "killed"
    SURVIVED = "survived"
    TIMEOUT = "timeout"


class Stage(NamedTuple):
    """Tests that are run together, and the processor time they may take, in seconds."""

    paths: tuple[str, ...]
    limit: int


class Loader(SourceFileLoader):
    """Loads one module from changed code."""

    def __init__(self, name: str, path: Path, code: CodeType) -> None:
        """Hold the code that stands in for what is at `path`."""
        super().__init__(name, str(path))
        self._code = code

    def get_code(self, fullname: str) -> CodeType:
        """Return the changed code."""
        return self._code

    def find_spec(self, fullname: str, *_: object) -> ModuleSpec | None:
        """Stand before the other finders, for this one module."""
        if fullname != self.name:
            return None
        folder = [str(Path(self.path).parent)] if self.path.endswith("__init__.py") else None
        return spec_from_file_location(
            fullname, self.path, loader=self, submodule_search_locations=folder
        )


def modules(paths: Sequence[Path]) -> list[Path]:
    """Return the modules under `paths` that are mutated."""
    found = {one for path in paths for one in ([path] if path.is_file() else path.rglob("*.py"))}
    inside = {path.resolve().relative_to(ENGINE) for path in found}
    return [ENGINE / one for one in sorted(inside) if not str(one).startswith(LEFT_OUT)]


def room(path: Path) -> str:
    """Return the folder of the engine that `path` stands in, or its own name."""
    return path.relative_to(ENGINE).parts[0]


def stages(path: Path) -> Iterator[tuple[str, ...]]:
    """Yield what is run for a module, the likeliest to fail first."""
    first = tuple(f"tests/policy/test_{name}.py" for name in FIRST.get(room(path), ("decide",)))
    yield first
    others = sorted(str(one.relative_to(ROOT)) for one in ROOT.glob("tests/policy/test_*.py"))
    yield tuple(one for one in others if one not in first)
    yield PROPERTIES


def run(loader: Loader | None, listed: Sequence[Stage]) -> int:
    """Run the stages in a process of its own; return its status as `os.waitpid` gives it."""
    sys.stdout.flush()
    pid = os.fork()
    if pid == 0:
        _run_here(loader, listed)
    return os.waitpid(pid, 0)[1]


def _run_here(loader: Loader | None, listed: Sequence[Stage]) -> NoReturn:
    pytest = importlib.import_module("pytest")
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, 1)
    os.dup2(nowhere, 2)
    resource.setrlimit(resource.RLIMIT_AS, (MEMORY_LIMIT, MEMORY_LIMIT))
    if loader is not None:
        sys.meta_path.insert(0, loader)
    for stage in listed:
        used = int(sum(resource.getrusage(resource.RUSAGE_SELF)[:2]))
        resource.setrlimit(resource.RLIMIT_CPU, (used + stage.limit, resource.RLIM_INFINITY))
        code = int(pytest.main([*OPTIONS, *stage.paths]))
        if code:
            os._exit(code)
    os._exit(0)


def measure(paths: tuple[str, ...]) -> Stage:
    """Run tests unchanged; they must pass, and what they take bounds what a mutant may."""
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    status = run(None, [Stage(paths, 600)])
    if status:
        sys.exit(f"unchanged, the tests do not pass: {' '.join(paths)}")
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    taken = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return Stage(paths, int(SPARE * taken) + SPARE)


def try_one(path: Path, mutant: Mutant, listed: Sequence[Stage]) -> Fate:
    """Run the tests on one mutant."""
    name = ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")
    status = run(Loader(name, path, mutant.code), listed)
    if os.WIFSIGNALED(status):
        return Fate.TIMEOUT if os.WTERMSIG(status) == signal.SIGXCPU else Fate.KILLED
    code = os.WEXITSTATUS(status)
    if code in TOOL_FAULTS:
        sys.exit(f"pytest did not run ({code}) on {path}:{mutant.line}: {mutant.text}")
    return Fate.KILLED if code else Fate.SURVIVED


def print_table(fates: Mapping[str, Counter[Fate]]) -> None:
    """Print what became of how many, by module."""
    print(f"\n{'module':32}" + "".join(f"{fate:>10}" for fate in Fate) + f"{'score':>8}")
    for name, counts in [*fates.items(), ("all", sum(fates.values(), Counter()))]:
        score = 1 - counts[Fate.SURVIVED] / (counts.total() or 1)
        print(f"{name:32}" + "".join(f"{counts[fate]:10}" for fate in Fate) + f"{score:8.1%}")


def main() -> None:
    """Mutate what is named, or the whole engine."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--every", type=int, default=0, help="try one mutant in so many")
    parser.add_argument("paths", nargs="*", type=Path, default=[ENGINE])
    arguments = parser.parse_args()
    paths = modules(arguments.paths)
    os.chdir(ROOT)
    sys.path.insert(0, str(ROOT))
    for name in PRELOADED:
        importlib.import_module(name)
    os.environ.update(ENVIRONMENT)  # noqa: TID251 - the properties read it when they are imported
    measured = {
        one: measure(one) for one in dict.fromkeys(one for path in paths for one in stages(path))
    }
    fates: dict[str, Counter[Fate]] = {}
    begun = time.monotonic()
    for path in paths:
        name = str(path.relative_to(ENGINE))
        tried = list(mutants_of(path))[:: arguments.every or SAMPLED.get(room(path), 1)]
        fates[name] = Counter()
        for mutant in tried:
            fate = try_one(path, mutant, [measured[one] for one in stages(path)])
            fates[name][fate] += 1
            if fate is not Fate.KILLED:
                print(f"{fate}: {name}:{mutant.line}: {mutant.text}", flush=True)
        spent = time.monotonic() - begun
        print(f"-- {name}: {len(tried)} tried, {spent:.0f} s so far", flush=True)
    print_table({name: counts for name, counts in fates.items() if counts})


if __name__ == "__main__":
    main()
