"""Entry point of `python -m service.cli`, which is the command `drs-sync`."""

from service.cli.command_line import main

main()
