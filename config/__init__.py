"""The only reader of the environment and of the TOML file, and the set-up of the logs."""
