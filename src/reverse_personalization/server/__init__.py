"""The HTTP server: photos in, anonymized photos out, on this machine only unless told otherwise."""
