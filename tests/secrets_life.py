"""A gateway's life until its operation, step by step, for others to look into: ``python -m tests.secrets_life KIND``.

KIND is ``software`` or ``pcsc``, as for ``smgw life --module``. After each step it says ``done`` and waits for a line.
"""

from __future__ import annotations

import sys
from functools import partial

from smgw.life import Life
from smgw.life_cast import reader_for
from smgw.logs import configure_logging
from smgw.workplace import Workplace, default_home
from stations.integrator.order import Arrangement

GATEWAY = "EXXX0000000001"


def main() -> None:
    """Live."""
    configure_logging("debug", "json")
    workplace = Workplace(default_home())
    repository = workplace.repository()
    with (
        reader_for(sys.argv[1]) as reader,
        Life(workplace, repository, GATEWAY, lambda told: print(repr(told)), reader=reader) as life,
    ):
        for step in (partial(life.manufacture, Arrangement.SEPARATE), life.deliver_and_install, life.operate):
            step()
            print("done", flush=True)
            sys.stdin.readline()


if __name__ == "__main__":
    main()
