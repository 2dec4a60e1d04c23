"""What keeps a fault small: breakers, retry budgets, shedding, shared limits; each with a clock that can be given."""
