"""`python -m zonemint` is the program too, for who knows the interpreter and not where programs are installed."""

from zonemint.cli.main import main

if __name__ == "__main__":
    main()
