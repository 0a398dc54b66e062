"""Views: runs read back from their folders in; tables and plots out."""
