"""What a benchmark has found: for the table, the figure and bench.json."""

from dataclasses import dataclass
from typing import Any

from benchmarks import targets
from benchmarks.measure import Timing
from benchmarks.precision import report
from benchmarks.rows import Row
from benchmarks.targets import Timings


@dataclass(frozen=True)
class Outcome:
    """What was found: table rows, ns per update of each contestant by workload, growth, work-precision, the setting."""

    rows: list[Row]
    contests: dict[str, Timings]
    growth: dict[str, dict[float, Timing]]
    precision: report.Found
    setting: dict[str, Any]

    @property
    def agree(self) -> bool:
        """Whether all contestants computed the same."""
        return all(row.verdict == "met" for row in self.rows if row.what == targets.AGREEMENT)

    @property
    def footer(self) -> list[str]:
        """Work against precision, machine and rules, for below the table."""
        return [*report.table(self.precision), "", self.setting["machine"], *self.setting["rules"]]

    def record(self) -> dict[str, Any]:
        """Everything measured, as JSON."""
        return {
            "setting": self.setting,
            "rows": [row.record() for row in self.rows],
            "ns_per_update": {
                workload: {name: timing.ns for name, timing in timings.items()}
                for workload, timings in self.contests.items()
            },
            "precision": report.record(self.precision),
            "seconds_by_size": {
                name: {str(amount): timing.seconds for amount, timing in sizes.items()}
                for name, sizes in self.growth.items()
            },
        }
