"""The command line, in this process, as the tests of reports run it."""

from tests.unit.report.conftest import no_sync, run_bench

__all__ = ["no_sync", "run_bench"]
