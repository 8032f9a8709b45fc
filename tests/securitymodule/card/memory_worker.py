"""A process with a module in it, for others to look into: hexadecimal commands in, a line each; responses out.

``off`` takes the power from it, ``on`` gives it back; either is answered with an empty line.
"""

from __future__ import annotations

import sys
from pathlib import Path

from securitymodule.card.module import SoftwareModule


def main() -> None:
    """Serve until the input ends."""
    with SoftwareModule.open(Path(sys.argv[1])) as module:
        module.power_on()
        switches = {"on": module.power_on, "off": module.power_off}
        for line in map(str.strip, sys.stdin):
            if line in switches:
                switches[line]()
                print(flush=True)
                continue
            print(module.transmit(bytes.fromhex(line)).hex(), flush=True)


if __name__ == "__main__":
    main()
