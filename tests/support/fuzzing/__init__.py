"""What is fuzzed: the decoder of messages (`decoder`), and the reading and restoring of notebooks (`notebooks`).

Each has a strategy that begins with what is real (for the decoder a recorded exam, `conversation`) and changes it (`trees`).
Each has a function that checks one example, and what it takes (`cost`).
The suite runs a few examples, always the same ones; `make fuzz` runs others for five minutes each.
"""
