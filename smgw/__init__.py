"""The command line ``smgw``: a thin layer that parses, calls a package and prints."""
