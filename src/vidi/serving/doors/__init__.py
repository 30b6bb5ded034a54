"""Who may come in: which hosts are answered for, which pages may ask, the access token and the certificate."""
