"""What every channel of texts needs, whatever its protocol.

`outbox` submits over a `channel`, which is the protocol's; `orders` reads what a command wants,
`ledger` keeps what is open and what was told of it, `recorder` commits both together, `sms_text`
cuts texts into parts, `receipt_ids` says which ids may name one text.
"""
