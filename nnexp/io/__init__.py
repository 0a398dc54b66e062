"""One door in, one door out: files read within bounds, written so that they survive a crash."""
