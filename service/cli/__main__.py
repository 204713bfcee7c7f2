"""`python -m service.cli` is the command `drs-sync`."""

from service.cli.main import main

main()
