"""Known vulnerabilities of everything that is pinned, and the Go programs that judge the project."""
