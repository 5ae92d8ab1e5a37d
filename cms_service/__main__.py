"""The command `cms-service`, which `python -m cms_service` is too."""

import gc


def main() -> None:
    """Import the commands, and run the one that the arguments name."""
    # Nearly all that imports make stays until the end: to look through it again and again takes 200 ms.
    gc.disable()
    from cms_service.cli import main as run_command  # noqa: PLC0415 - it must not be imported before that

    # Workers inherit it, and need not look through it either, which would copy its memory.
    gc.freeze()
    gc.enable()
    run_command()


if __name__ == "__main__":
    main()
