"""The plan that the DSL writes, and the frozen topology that comes of it. Nothing here runs."""
