"""Many runs: what is due, what is there already, and the processes that do the rest."""
