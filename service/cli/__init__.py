"""Command line interface: the command `drs-sync`."""

from service.gc_tuning import relax_gc_for_imports

relax_gc_for_imports()
