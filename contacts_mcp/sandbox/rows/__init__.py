"""The sandbox's rows and their clock readings.

`records` holds the rows in SQLite, and `replica` is the side that lags behind. `seed` invents the first rows.
`store` is the door for tests, and `timestamps` reads and writes times. Nothing here knows the API or HTTP.
"""
