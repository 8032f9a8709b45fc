"""One module a command of ``smgw``; each exposes a Click command named ``command``."""
