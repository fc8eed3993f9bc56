"""One process owns each GPU of a run; workers, which read and write, send it their maps and get codes back."""
