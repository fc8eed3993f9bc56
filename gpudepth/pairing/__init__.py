"""Which depth map belongs to which photo: by name, index, time, manifest, archive, or in the photo itself."""
