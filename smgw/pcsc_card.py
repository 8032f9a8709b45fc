"""A software module in a virtual reader, in a process of its own: ``python -m smgw.pcsc_card DIR DESCRIPTOR``.

DESCRIPTOR is a socket connected to the reader's driver. The first line of the output is ``ok`` when the module is in,
or the class of the error and its message. The module is pulled when the standard input ends, so it goes with whoever
started it.
"""

from __future__ import annotations

import socket
import sys
import threading
from pathlib import Path

from securitymodule.card.module import SoftwareModule
from securitymodule.errors import ModuleError
from securitymodule.vpcd import VirtualSlot


def main() -> int:
    """Serve the reader until the input ends or the reader goes."""
    connection = socket.socket(fileno=int(sys.argv[2]))
    try:
        module = SoftwareModule.open(Path(sys.argv[1]))
    except (ModuleError, OSError) as error:
        print(f"{type(error).__name__}: {error}", flush=True)
        return 1
    slot = VirtualSlot(module, connection)

    def pull_at_the_end() -> None:
        sys.stdin.buffer.read()
        slot.pull()

    threading.Thread(target=pull_at_the_end, daemon=True).start()
    print("ok", flush=True)
    slot.serve()
    return 0


if __name__ == "__main__":
    sys.exit(main())
