"""The languages that stories are told in: a module of sentences for each."""
