"""Which regions deserve a call, and the table that knows."""
