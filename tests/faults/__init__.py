"""The promises of the package, held against faults on real sockets, files and processes."""
