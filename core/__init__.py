"""The kernel: it loads domains as plugins and knows none of them."""
