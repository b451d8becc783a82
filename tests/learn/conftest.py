from tests.cli.conftest import run
from tests.threads import one_thread

__all__ = ["one_thread", "run"]
