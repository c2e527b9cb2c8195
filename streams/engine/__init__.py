"""The engine: compiles a sub-topology into Python functions and keeps its state while it runs."""
