"""Odd answers: modelled responses of every operation that this service calls, with one member changed."""
