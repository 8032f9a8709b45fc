"""The technician's page at the HAN: what the JSON says, for people; plain HTML without a script."""
