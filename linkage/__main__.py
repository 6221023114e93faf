"""`python -m linkage` is `linkage`, also where the console script is not on PATH."""

from linkage.cli import main

main()
