"""The service against the limits of this machine, measured in turn: `just bench`."""
