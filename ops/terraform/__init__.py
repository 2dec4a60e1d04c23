"""AWS by Terraform, and what it costs."""
