"""Cost model for estates of any size: calls, time, capacity units and dollars, calculated from measurements."""
