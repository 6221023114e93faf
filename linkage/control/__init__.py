"""The door for whoever looks after a serving linkage at its machine.

A Unix socket in the data directory, which only the user that serves (and root) can open. One JSON
object to a line each way; `do` says what is wanted:

```
{"do": "status"}    who is connected, and since when
{"do": "command", "owner": APP, "request": "<request …/>"}    a 2xx about an event of APP
{"do": "reload"}    read the configuration again, as SIGHUP does
```
What is done goes the way of every request: judged by the same rules, journalled, told to whom it
concerns; its author is `operator:NAME`, the name of the user at the other end. The socket lives no
longer than the process behind it: where nobody answers, nobody serves, also after a kill.
"""

from linkage.control.client import ControlError, NotServingError, ask
from linkage.control.control_server import ControlServer

__all__ = ["ControlError", "ControlServer", "NotServingError", "ask"]
