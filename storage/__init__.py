"""What is kept on disk: the partitioned log and the state stores."""
