"""One module per provider, and `build`, which puts together those that the settings name; `pace` bounds their work."""
