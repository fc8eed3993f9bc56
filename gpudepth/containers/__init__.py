"""Where depth lives in files: one room per format, one interface (`base`), one table of them (`registry`).

Containers attach codes they are given and read codes back; they never compute with whole maps.
"""
