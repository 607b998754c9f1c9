"""The command line's HTTP client: table.py has a row a command, the rest is what those rows are made of."""
