"""Lambda events in, replies out. What imports this is a process that serves events."""

from service.collector import spare_collector

spare_collector()
