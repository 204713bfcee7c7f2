"""drs-sync: a true picture of AWS Elastic Disaster Recovery across many accounts and regions."""

from importlib.metadata import version

__version__ = version("drs-sync")
