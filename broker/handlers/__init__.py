"""One module a request kind."""
