"""Tests our files with Apple software: writes a kit for a Mac, and compares its report with the files.

    kit          writes files in each container and profile, and probe.swift
    probe.swift  prints as JSON what ImageIO and AVFoundation find in each file
    report       compares that JSON with the files
"""
