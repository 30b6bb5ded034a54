"""Arrays and figures as a page shows them."""
