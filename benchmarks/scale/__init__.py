"""What an estate of any size costs: calls, time, units and dollars, by arithmetic over what was measured."""
