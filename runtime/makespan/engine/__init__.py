"""Who runs the nodes: threads, the calling thread, straight-line code; time limits and failures."""
