"""Entry point of `python -m service.cli`, which is the command `drs-sync`."""

from service.cli.main import main

main()
