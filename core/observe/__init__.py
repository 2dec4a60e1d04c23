"""What operators see of the process."""
