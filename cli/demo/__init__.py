"""`aliran demo`: whole jobs that run in one command, on data that comes with the package."""
