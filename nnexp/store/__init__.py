"""Run folders: how they are written, found and read again; docs/run-folder.md is their format."""
