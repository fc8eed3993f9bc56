"""Finds the depth map of each photo: by name, index, time, manifest or archive, or in the photo itself."""
