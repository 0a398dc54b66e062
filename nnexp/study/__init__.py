"""Many runs: jobs, the engines that train them, sweeps and tuning."""
