"""What is proved of the artefacts around the process, with which tool, and what cannot be proved here."""
