"""Runs on a Dask cluster; nothing else imports Dask."""
