"""What a depth map is: formats, numbers, geometry. numpy only; no files, no GPU."""
