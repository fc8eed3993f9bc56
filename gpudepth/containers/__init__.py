"""Reads and writes depth in photos: one package per format behind one protocol (`base`), listed in `registry`.

Containers store codes that they are given and read codes back; they do not compute with whole maps.
"""
