"""A process with a module in it, for others to look into: hexadecimal commands in, a line each; responses out."""

from __future__ import annotations

import sys
from pathlib import Path

from securitymodule.card.module import SoftwareModule


def main() -> None:
    """Serve until the input ends."""
    with SoftwareModule.open(Path(sys.argv[1])) as module:
        module.power_on()
        for line in sys.stdin:
            print(module.transmit(bytes.fromhex(line)).hex(), flush=True)


if __name__ == "__main__":
    main()
