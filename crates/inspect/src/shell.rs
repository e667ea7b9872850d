//! What a shell script would do: its programs, files and hosts.
