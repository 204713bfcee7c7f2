"""AWS Elastic Disaster Recovery (DRS) for moto, in moto's own shape."""

from .models import drs_backends

__all__ = ["drs_backends"]
