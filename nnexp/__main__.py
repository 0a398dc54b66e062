"""`python -m nnexp`, and the entry point of the installed program."""

import os
import sys

import nnexp

if __name__ == "__main__":
    # Python puts the current folder first on the path, where a file click.py would be run for
    # Click: until here, nothing is imported that Python has not imported itself.
    package = os.path.dirname(nnexp.__path__[0])  # noqa: PTH120
    if not sys.flags.safe_path and sys.path[0] != package:
        del sys.path[0]


def main() -> None:
    """Run the command line; until a command runs, Ctrl-C ends the process without a traceback."""
    # What the module signal is made of; it would take milliseconds to import.
    import _signal as signal  # type: ignore[import-not-found]

    # Where it is ignored, as behind nohup, it stays so.
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:
        signal.signal(signal.SIGINT, signal.SIG_DFL)
    from nnexp.cli import main as run

    run()


if __name__ == "__main__":
    main()
