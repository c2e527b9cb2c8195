"""Consumer groups: the classic protocol as a state machine, and what administrators see of it."""
