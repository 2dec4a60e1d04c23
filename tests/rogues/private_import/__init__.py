"""A plugin that goes behind the kernel's back."""
