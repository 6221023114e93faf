"""Operations whose end nobody told of are found, and their platform is asked about them."""
