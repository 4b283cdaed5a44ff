"""What stands behind the lessons: their experiments, charts and pages, and the server that shows them."""
