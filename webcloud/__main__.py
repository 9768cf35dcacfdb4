"""``python -m webcloud``: the command line, for processes that start each other."""

from webcloud.cli import main

main()
