"""What is asked of the metrics all day: recording rules and alerts, written here once and generated from here."""
