"""AWS Elastic Disaster Recovery (DRS) backend for moto, laid out like moto's own services."""

from .models import drs_backends

__all__ = ["drs_backends"]
