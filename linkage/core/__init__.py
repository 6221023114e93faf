"""What happens with a message.

Judged, correlated, journalled, delivered (ARCHITECTURE section 3).
"""

from linkage.core.core import Core

__all__ = ["Core"]
