"""Sentences that pages, cards and verbs share; they need no optional package and import no page."""
