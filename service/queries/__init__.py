"""Questions about the fleet, answered from the inventory where it is fresh, from DRS where it is not. Reads only."""
