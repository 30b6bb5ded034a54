"""What is exported is tried first: the exported form itself answers golden vectors and drawn images."""
