"""From several trained networks to one."""
