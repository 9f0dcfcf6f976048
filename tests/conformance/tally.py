"""What was asked where: noted by each test in its own report, and added up in the summary.

Reports are what reaches the process that prints the summary, also where tests run in several.
"""

from collections import Counter
from collections.abc import Iterable

from tests.conformance.scenarios import SURFACES

RUN, NOT_RUN, DEVIATION = (f"conformance.{kind}" for kind in ("run", "not_run", "deviation"))
"""Properties of a report: topic and surface; these and the reason; the name of the case and the reason."""


class Tally:
    """What was run and what was not, of the properties of all reports."""

    def __init__(self, properties: Iterable[tuple[str, tuple[str, ...]]]) -> None:
        self.run: Counter[tuple[str, ...]] = Counter()
        self.not_run: Counter[tuple[str, ...]] = Counter()
        self.deviations: dict[str, str] = {}
        for kind, said in properties:
            if kind == RUN:
                self.run[tuple(said)] += 1
            elif kind == NOT_RUN:
                self.not_run[tuple(said)] += 1
            elif kind == DEVIATION:
                self.deviations[said[0]] = said[1]

    def lines(self) -> list[str]:
        """Return the summary, line by line; none where no scenario was asked."""
        if not self.run:
            return []
        topics = sorted({topic for topic, _ in self.run} | {topic for topic, _, _ in self.not_run})
        lines = [f"{'topic':18}" + "".join(f"{surface:>11}" for surface in SURFACES)]
        lines += [
            f"{topic:18}" + "".join(f"{self.run[topic, s]:11}" for s in SURFACES)
            for topic in topics
        ]
        totals = [sum(n for (_, s), n in self.run.items() if s == surface) for surface in SURFACES]
        lines.append(f"{'all':18}" + "".join(f"{total:11}" for total in totals))
        for (topic, surface, reason), count in sorted(self.not_run.items()):
            lines.append(f"not through {surface}: {count:4} of {topic}: {reason}")
        named = sorted(self.deviations.items())
        return lines + [f"known deviation: {name}: {why}" for name, why in named]
