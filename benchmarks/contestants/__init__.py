"""Who is measured. Each is a program: it does one job in the simulated AWS its environment names, and prints JSON."""
