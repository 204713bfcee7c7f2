"""Lambda events in, replies out. What imports this is a process that serves events."""

from service.gc_tuning import relax_gc_for_imports

relax_gc_for_imports()
