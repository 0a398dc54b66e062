"""Chapter 3 as a whole: its experiments, what it claims of them, and whether that repeats."""
