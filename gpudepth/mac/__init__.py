"""What Apple software makes of our files: a kit to try on a Mac, and what to do with the report that comes back.

    kit          files in every container and profile, and probe.swift
    probe.swift  prints what ImageIO and AVFoundation find in each, as JSON
    report       that JSON, held against the files
    page         the page of the docs that is made of such reports
"""
