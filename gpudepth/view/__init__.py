"""Pictures for people: previews, contact sheets, reports. Nothing here is read back by anything."""
