"""What connectors of systems that speak HTTP share."""
