"""Every setting of one photo and of a run, declared once; YAML keys, CLI options and Python keywords come from here."""
