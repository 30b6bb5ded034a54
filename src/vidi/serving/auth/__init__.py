"""Who may ask: which hosts are answered for, which pages may ask, the access token and the certificate."""
