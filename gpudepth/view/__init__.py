"""Draws previews, contact sheets and reports of depth, for people to look at."""
