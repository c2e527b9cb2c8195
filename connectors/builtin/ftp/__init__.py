"""Files of FTP and SFTP servers."""

from aliran.connectors.builtin import BuiltIn

CONNECTORS = (
    BuiltIn("FtpSource", "source", "ftp:FtpSource"),
    BuiltIn("SftpSource", "source", "sftp:SftpSource", extra="sftp", needs=("paramiko",)),
)
