"""An SMS centre that lies: ten thousand damaged PDUs, and honest texts that must get through.

```
 application ◀──▶ linkage serve ◀──▶ a centre that sends whatever it likes
 (120 of what could be read)          (and answers what it is asked, now and then)
```
"""

from tests.load.sms_fuzz.run import Fuzz, Report, run_fuzz

__all__ = ["Fuzz", "Report", "run_fuzz"]
