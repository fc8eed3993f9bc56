"""From files to files: what to do (`recipe`, `job`), with what (`plan`), how (`road`, `workers`), and its record."""
