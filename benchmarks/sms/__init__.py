"""Texts all the way: taken from an application, sent by an SMS centre, receipted, told.

```
 load, desks ──▶ linkage, or Kannel ──▶ SMS centre     submit_sm, its answer
      ▲             (one core)      ◀──                the receipt, as soon as it was answered
      └── what became of each text ──┘
```
`traffic` is the load and `centre` the SMS centre, the same for all; `linkage_rig` and `kannel_rig`
are what is compared. `python -m benchmarks.sms` is the command.
"""
