"""The registry over HTTP: routes, one place that renders errors, content types, permissions."""
