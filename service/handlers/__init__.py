"""Lambda handlers. Importing this package relaxes garbage collection, as a process that serves events needs."""

from service.gc_tuning import relax_gc_for_imports

relax_gc_for_imports()
