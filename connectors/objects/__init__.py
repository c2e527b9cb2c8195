"""Topics ↔ files in a store of files (S3, HDFS, a folder, FTP): what all such connectors share.

The sink (`sink.py`, `partition_writer.py`) names a file after the first record in it, and ends it
where the records say so, never where time or batches do: after a crash the same files are written
again. The source (`source.py`) reads each file once, and goes on inside of one.
"""
