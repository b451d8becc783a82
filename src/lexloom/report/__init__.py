"""Pictures and pages that show training runs and their results."""
