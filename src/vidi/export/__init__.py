"""What a model file becomes for other hosts: the page for browsers, and a folder for a model hub."""
