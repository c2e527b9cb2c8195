"""Workers that share connectors: a group that deals out work, and topics that all of them read."""
