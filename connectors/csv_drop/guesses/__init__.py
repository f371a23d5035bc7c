"""What a file seems to be: guesses for `sources sample`, each with what is uncertain of it.

Nothing that reads stock for the ledger imports this; a guess reaches a pull only through the
configuration that a person wrote.
"""
