"""What the server says about itself: the OpenAPI document and the page for people, both made from plain values."""
