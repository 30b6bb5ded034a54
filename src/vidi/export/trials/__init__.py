"""What is exported is tried before it is given away: the golden vectors, answered by the exported form itself."""
