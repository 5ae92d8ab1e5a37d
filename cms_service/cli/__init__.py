"""What an operator types. Exit codes: 0 done, 1 failed, 2 a setting or an argument is wrong."""

from cms_service.cli.entry import commands, main

__all__ = ["commands", "main"]
