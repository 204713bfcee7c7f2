"""Tests of drs-sync."""

import os

# The SDK signs with awscrt where it is installed, which here it is for the tests of `aws login` alone. Who installs
# drs-sync has the SDK's own signer, so the tests use it, too. Set before anything imports the SDK.
os.environ["BOTO_DISABLE_CRT"] = "true"
