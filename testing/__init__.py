"""Test tools for users: `pytest_plugins = ["aliran.testing.plugin"]` in a conftest.py.

To test a topology without any broker there is `aliran.TopologyTestDriver`.
"""
