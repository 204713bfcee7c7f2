"""Tests that go into the patch, in moto's own conventions; they run against a patched copy of moto."""
