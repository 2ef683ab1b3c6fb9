"""What the layers above share: files, locks, threads, a local server. Knows nothing of Hooked."""
