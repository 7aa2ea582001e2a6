from __future__ import annotations

from support.maxim_ends import maxim_end as maxim_end
